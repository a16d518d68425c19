import { requestsByName, type Contract, type Reply, type RequestName } from '../contract/contract.ts';
import type { RequestSpec } from '../contract/define.ts';
import { DeskwireError, type ErrorObject } from '../contract/errors.ts';
import type { Desk, Verb, Verbs } from '../core/desk.ts';
import type { Actor, VerifiedToken } from '../ports/actor.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import { Deadlines } from './deadlines.ts';
import { parsePayload } from './parse.ts';
import type { RequestQueue } from './request-queue.ts';

/** A connection, as its transport makes it known. */
export interface Connection {
  readonly id: string;
  /** A new token of the same person replaces it. */
  actor: Actor;
  readonly queue: RequestQueue;
  readonly renew: (verified: VerifiedToken) => void;
  /** Sends `request:failed`; for a request that wants no reply. */
  readonly fail: (event: string, error: ErrorObject) => void;
  /** Requests in the current second, for limits.requestsPerSecond. */
  rate: Rate;
  /** The same of those that move bytes, for limits.chunksPerSecond. */
  bulkRate: Rate;
  /** Those of them that are unanswered, for limits.chunksInFlight. */
  bulkInFlight: number;
}

interface Rate {
  second: number;
  count: number;
}

export interface DispatcherOptions {
  readonly contract: Contract;
  readonly verbs: Verbs;
  readonly desk: Desk;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Stands in for a payload that was too large, or nested too deep, to be read at all. */
export const UNREAD = Symbol('unread payload');

const payloadOf = (name: string, args: readonly unknown[]): unknown => {
  const [payload = {}] = args;
  if (payload === UNREAD)
    throw new DeskwireError(
      'payload_too_large',
      `${name}: the request is larger than limits.payloadBytes, nested too deep, or in too many binary parts; it was not read.`,
    );
  if (args.length <= 1) return payload;
  const message = `expected one payload, found ${String(args.length)} arguments`;
  throw new DeskwireError('invalid_payload', `${name}: ${message}`, { details: [{ path: '', message }] });
};

/** Counts one, and gives milliseconds to wait when that was too many. */
const countOne = (rate: Rate, perSecond: number, now: number): number => {
  const second = Math.floor(now / 1000);
  if (rate.second !== second) {
    rate.second = second;
    rate.count = 0;
  }
  rate.count += 1;
  return rate.count > perSecond ? 1000 - (now % 1000) : 0;
};

type Acknowledge = (reply: Reply) => void;

const UNKNOWN = 'unknown';

/** Takes requests from any transport to their handlers, and sees to it that each gets exactly one reply. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #specs: ReadonlyMap<string, RequestSpec>;
  readonly #deadlines: Deadlines;
  #underWay = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#specs = requestsByName(options.contract);
    this.#deadlines = new Deadlines(options.desk.clock, options.desk.limits.requestTimeoutMs);
  }

  /**
   * One request. The order of checks: known event, role, rate, size, shape; then the handler's own.
   *
   * @param args what followed the event's name; an absent payload counts as `{}`
   */
  receive(
    connection: Connection,
    event: unknown,
    args: readonly unknown[],
    acknowledge: Acknowledge | undefined,
  ): void {
    const started = performance.now();
    const name = typeof event === 'string' ? event : String(event);
    const spec = this.#specs.get(name);
    let replied = false;
    let counted = false;
    const reply = (answer: Reply): void => {
      if (replied) return;
      replied = true;
      if (counted) connection.bulkInFlight -= 1;
      this.#options.metrics.request(
        spec === undefined ? UNKNOWN : name,
        answer.ok ? 'ok' : answer.error.code,
        performance.now() - started,
      );
      if (acknowledge !== undefined) acknowledge(answer);
      else if (!answer.ok) connection.fail(name.slice(0, 128), answer.error);
    };

    try {
      const known = this.#admit(connection, name, spec);
      const parsed = parsePayload(name, known.payload, payloadOf(name, args));
      this.#underWay += 1;
      if (known.bulk === true) {
        counted = true;
        connection.bulkInFlight += 1;
      }
      connection.queue.add({
        pipelined: known.pipelined === true,
        aside: known.aside === true,
        run: (sequenced, finished) => {
          this.#run(connection, name as RequestName, parsed, sequenced, finished, reply);
        },
      });
    } catch (error) {
      reply({ ok: false, error: this.#toErrorObject(error, name, connection) });
    }
  }

  /** Refuses what comes from now on; resolves when what is under way has been answered. */
  drain(): Promise<void> {
    this.#draining = true;
    return new Promise((resolve) => {
      if (this.#underWay === 0) resolve();
      else this.#onIdle = resolve;
    });
  }

  #admit(connection: Connection, name: string, spec: RequestSpec | undefined): RequestSpec {
    const { limits, clock } = this.#options.desk;
    if (spec === undefined) {
      throw new DeskwireError(
        'unknown_event',
        `There is no request ${JSON.stringify(name.slice(0, 64))}; see /docs for those there are.`,
      );
    }
    if (!spec.roles.includes(connection.actor.role)) {
      throw new DeskwireError(
        'forbidden',
        `${name} is for ${spec.roles.join(', ')}; your role is ${connection.actor.role}.`,
      );
    }
    if (this.#draining) throw new DeskwireError('draining');
    const bulk = spec.bulk === true;
    const what = bulk ? 'chunks' : 'requests';
    const perSecond = bulk ? limits.chunksPerSecond : limits.requestsPerSecond;
    const waitMs = countOne(bulk ? connection.bulkRate : connection.rate, perSecond, clock.now());
    if (waitMs > 0) {
      throw new DeskwireError(
        'rate_limited',
        `More than ${String(perSecond)} ${what} in a second on this connection.`,
        { retryAfterMs: waitMs },
      );
    }
    const inFlight = bulk ? limits.chunksInFlight : limits.requestsInFlight;
    const unanswered = bulk ? connection.bulkInFlight : connection.queue.size - connection.bulkInFlight;
    if (unanswered >= inFlight) {
      throw new DeskwireError(
        'rate_limited',
        `${String(inFlight)} ${what} of this connection are unanswered; wait for replies.`,
        { retryAfterMs: 100 },
      );
    }
    return spec;
  }

  #run(
    connection: Connection,
    name: RequestName,
    payload: unknown,
    sequenced: () => void,
    finished: () => void,
    reply: Acknowledge,
  ): void {
    const { desk, verbs, log } = this.#options;
    let over = false;
    const answer = (result: Reply): void => {
      if (over) return;
      over = true;
      cancel();
      reply(result);
      finished();
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onIdle?.();
    };
    // A handler that hangs must not hold the connection for ever; what it still does has an outcome nobody knows.
    const cancel = this.#deadlines.add(() => {
      log.warn({ event: name, connectionId: connection.id }, 'request timed out');
      answer({ ok: false, error: new DeskwireError('timeout').toObject() });
    });
    const caller = { connectionId: connection.id, actor: connection.actor, sequenced, renew: connection.renew };
    // The payload is what this verb's schema made: name and verb and schema belong together.
    const handle = async (): Promise<unknown> => (verbs[name] as Verb<RequestName>)(desk, caller, payload as never);
    handle().then(
      (data) => {
        answer({ ok: true, data });
      },
      (error: unknown) => {
        answer({ ok: false, error: this.#toErrorObject(error, name, connection) });
      },
    );
  }

  /** The one place where anything thrown becomes an error of ours: causes are logged, never sent. */
  #toErrorObject(error: unknown, event: string, connection: Connection): ErrorObject {
    if (error instanceof DeskwireError) {
      if (error.cause !== undefined)
        this.#options.log.warn({ error, event, connectionId: connection.id }, 'request failed');
      return error.toObject();
    }
    this.#options.log.error({ error, event, connectionId: connection.id }, 'request handler threw');
    return new DeskwireError('internal').toObject();
  }
}
