import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { DeskwireError } from '../../contract/errors.ts';
import type { Limits } from '../../contract/limits.ts';
import type { Clock } from '../../ports/clock.ts';
import { clientAddress } from './address.ts';
import type { HandshakePace } from './handshake-pace.ts';
import { isAllowedOrigin } from './origin.ts';
import { problemOf, rawProblem, rawResponse, type Problem } from './problem.ts';
import { createRate } from './rate.ts';

export interface AdmissionOptions {
  readonly limits: Pick<Limits, 'connectionsPerAddress' | 'handshakesPerSecond'>;
  /** Exact origins; this server's own is always allowed. */
  readonly allowedOrigins: readonly string[];
  readonly trustedProxyCount: number;
  readonly clock: Clock;
  readonly isDraining: () => boolean;
  /** Connections open now from an address, as `clientAddress` writes it. */
  readonly connectionsFrom: (address: string) => number;
  readonly pace: HandshakePace;
}

export interface Admission {
  /**
   * Puts the check before the `request` and `upgrade` listeners that the server has now.
   * Call it after Socket.IO was attached; a second transport attached later is not guarded.
   */
  guard(server: Server): void;
}

const PATH = '/socket.io/';
const DRAINING_RETRY_MS = 1_000;
const CONNECTIONS_RETRY_MS = 5_000;
const CROWD_RETRY_MS = 5_000;
/** A client that does not read its refusal must not keep the socket. */
const REFUSAL_TIMEOUT_MS = 2_000;

/**
 * What Engine.IO would make of a request: it takes its prefix, a transport and no session id for a handshake, and of a
 * parameter that is given twice the last. Read here in the same way, because a difference would be a way around the check.
 */
const kindOf = (request: IncomingMessage): 'handshake' | 'session' | 'other' => {
  const target = request.url ?? '';
  if (!target.startsWith(PATH) || request.method === 'OPTIONS') return 'other';
  const query = new Map(new URL(target, 'http://localhost').searchParams);
  if ((query.get('transport') ?? '') === '') return 'other';
  return (query.get('sid') ?? '') === '' ? 'handshake' : 'session';
};

const respond = (response: ServerResponse, problem: Problem, extra: Readonly<Record<string, string>>): void => {
  const { headers, body } = rawProblem(problem);
  // Closing makes a flood pay for a new connection each time.
  response.writeHead(problem.status, { ...headers, ...extra, connection: 'close' }).end(body);
};

const refuseUpgrade = (socket: Duplex, problem: Problem, extra: Readonly<Record<string, string>>): void => {
  const timer = setTimeout(() => socket.destroy(), REFUSAL_TIMEOUT_MS);
  timer.unref();
  socket.once('close', () => {
    clearTimeout(timer);
  });
  socket.end(rawResponse(problem, extra), () => socket.destroy());
};

/**
 * Refuses new sessions with an HTTP status, before Socket.IO sees them: 503 while draining, 429 for too many
 * connections or handshakes of one address, 403 for a page of another origin. Stock clients come back by themselves
 * after any of them, and wait as `Retry-After` says if they know it. Others are let in at a pace, addresses in turns; 503 if too many wait. Of
 * requests of open sessions only the origin is checked.
 */
export const createAdmission = (options: AdmissionOptions): Admission => {
  const { limits, trustedProxyCount, clock, isDraining, connectionsFrom, pace } = options;
  const allowedOrigins = new Set(options.allowedOrigins);
  const handshakes = createRate(limits.handshakesPerSecond, clock);

  /** Of any handshake from there, now, behind so many that wait already. */
  const closed = (address: string, waitingCount: number): DeskwireError | undefined => {
    if (isDraining()) return new DeskwireError('draining', undefined, { retryAfterMs: DRAINING_RETRY_MS });
    if (connectionsFrom(address) + waitingCount < limits.connectionsPerAddress) return undefined;
    return new DeskwireError(
      'too_many_connections',
      `Too many connections from this address; at most ${String(limits.connectionsPerAddress)}.`,
      { retryAfterMs: CONNECTIONS_RETRY_MS },
    );
  };

  const tooFast = (address: string): DeskwireError | undefined => {
    const waitMs = handshakes.take(address);
    if (waitMs === 0) return undefined;
    return new DeskwireError(
      'rate_limited',
      `Too many handshakes from this address; at most ${String(limits.handshakesPerSecond)} in a second.`,
      { retryAfterMs: waitMs },
    );
  };

  const crowded = (): DeskwireError =>
    new DeskwireError('unavailable', 'Too many clients wait to be let in; connect again later.', {
      retryAfterMs: CROWD_RETRY_MS,
    });

  /** Passes it on, now or when its turn comes, or refuses it. */
  const admit = (request: IncomingMessage, passOn: () => void, refuse: (error: DeskwireError) => void): void => {
    const kind = kindOf(request);
    if (kind === 'other') {
      passOn();
      return;
    }
    if (!isAllowedOrigin(request, allowedOrigins)) {
      const remedy = 'Pages of this origin may not connect. Add it to DESKWIRE_ALLOWED_ORIGINS if they should.';
      refuse(new DeskwireError('forbidden', remedy));
      return;
    }
    if (kind === 'session') {
      passOn();
      return;
    }
    const address = clientAddress(request, trustedProxyCount);
    const error = closed(address, pace.waitingFrom(address)) ?? tooFast(address);
    if (error !== undefined) {
      refuse(error);
      return;
    }
    const letIn = (): boolean => {
      const { socket } = request;
      if (socket.destroyed || socket.readableEnded) {
        socket.destroy();
        return false;
      }
      // Others have come in since.
      const late = closed(address, 0);
      if (late === undefined) passOn();
      else refuse(late);
      return late === undefined;
    };
    if (!pace.enter(address, letIn)) refuse(crowded());
  };

  /** So that a page that may connect can also read why it can't now. */
  const corsHeaders = (request: IncomingMessage): Record<string, string> => {
    const { origin } = request.headers;
    if (origin === undefined || !allowedOrigins.has(origin)) return {};
    return { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true', vary: 'Origin' };
  };

  return {
    guard: (server) => {
      const requestListeners = server.listeners('request') as RequestListener[];
      const upgradeListeners = server.listeners('upgrade') as ((
        request: IncomingMessage,
        socket: Duplex,
        head: Buffer,
      ) => void)[];
      server.removeAllListeners('request');
      server.removeAllListeners('upgrade');

      server.on('request', (request, response) => {
        admit(
          request,
          () => {
            for (const listener of requestListeners) listener.call(server, request, response);
          },
          (error) => respond(response, problemOf(error), corsHeaders(request)),
        );
      });
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        // From the upgrade on nobody but us listens on the socket; a peer that is gone must not take the process with it.
        const gone = (): void => void socket.destroy();
        socket.on('error', gone);
        admit(
          request,
          () => {
            socket.off('error', gone);
            for (const listener of upgradeListeners) listener.call(server, request, socket, head);
          },
          (error) => refuseUpgrade(socket, problemOf(error), corsHeaders(request)),
        );
      });
    },
  };
};
