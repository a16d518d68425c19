import type { Redis } from 'ioredis';
import type { Clock } from '../ports/clock.ts';
import { ANSWER_MS, pauseMs } from './redis-options.ts';

export interface LineEvents {
  /** It can be used; what an earlier connection knew is forgotten. */
  up(): void;
  down(reason: string): void;
  /** It can't be used, or a try to bring it back has failed. */
  failed(reason: string): void;
}

/**
 * One lasting connection to one Redis server. Comes back by itself for ever. It is up only while the server answers: a frozen one
 * is noticed within two seconds, because a connection to it stays open and takes what is written.
 */
export class Line {
  readonly redis: Redis;
  readonly #clock: Clock;
  readonly #events: LineEvents;
  #up = false;
  #closed = false;
  /** Number of the question whose answer is due; 0: none. */
  #due = 0;
  #asked = 0;
  /** Since it last stayed up for a while: a server that takes connections and refuses all else must not be called without pause. */
  #tries = 0;
  /** The connection that was given up last. */
  #given: Redis['stream'] | undefined;
  #reason = 'not connected yet';
  #cancel: (() => void)[] = [];

  constructor(redis: Redis, clock: Clock, events: LineEvents) {
    this.redis = redis;
    this.#clock = clock;
    this.#events = events;
    redis.options.retryStrategy = () => this.#pauseMs();
    redis.on('error', (error: Error) => {
      this.#reason = error.message;
      // An answer too many: a server that gives a slot away ends subscriptions unasked, and ioredis takes that for the answer to
      // something else. Which one is not to be found out, so all begins anew.
      if (error.message.startsWith('Command queue state error')) this.reset('answers out of order');
      else this.#failed(error.message);
    });
    redis.on('ready', () => {
      this.#ask(() => {
        if (this.#up || this.#closed) return;
        this.#up = true;
        this.#reason = 'the connection was closed';
        this.#events.up();
      });
    });
    redis.on('close', () => {
      this.#due = 0;
      this.#fall(this.#reason);
    });
    redis.on('end', () => {
      this.#due = 0;
      this.#fall(this.#reason);
      this.#after(this.#pauseMs(), () => this.#connect());
    });
  }

  get up(): boolean {
    return this.#up;
  }
  /** Why it is not up. */
  get reason(): string {
    return this.#reason;
  }

  open(): void {
    this.#connect();
    this.#watch();
  }

  /** Begins anew with another connection. */
  reset(reason: string): void {
    // It takes a moment until the old connection is closed, and more may go wrong with it meanwhile.
    if (this.#closed || this.redis.stream === this.#given) return;
    this.#given = this.redis.stream;
    this.#reason = reason;
    this.#due = 0;
    this.#fall(reason);
    this.#failed(reason);
    this.redis.disconnect(true);
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#cancel) cancel();
    this.#fall('closed');
    this.redis.disconnect();
  }

  #connect(): void {
    // What goes wrong is an event, too.
    this.redis.connect().catch(() => undefined);
  }

  #pauseMs(): number {
    return pauseMs((this.#tries += 1));
  }

  #fall(reason: string): void {
    if (!this.#up) return;
    this.#up = false;
    this.#events.down(reason);
  }

  #failed(reason: string): void {
    if (!this.#closed) this.#events.failed(reason);
  }

  #after(delayMs: number, task: () => void): void {
    if (this.#closed) return;
    const cancel = this.#clock.after(delayMs, () => {
      this.#cancel = this.#cancel.filter((other) => other !== cancel);
      task();
    });
    this.#cancel.push(cancel);
  }

  #ask(answered?: () => void): void {
    const { stream } = this.redis;
    this.#due = this.#asked += 1;
    this.redis.ping().then(
      () => {
        if (stream !== this.redis.stream) return;
        this.#due = 0;
        answered?.();
      },
      (error: unknown) => {
        // Of a connection that is gone already: its end is told by itself.
        if (stream === this.redis.stream && this.redis.status === 'ready') this.reset((error as Error).message);
      },
    );
  }

  /** Asks each second, and looks then for the answer to what was asked a second ago. */
  #watch(dueBefore = 0, streamBefore?: Redis['stream']): void {
    this.#after(ANSWER_MS, () => {
      const { stream } = this.redis;
      if (this.#up && stream === streamBefore) this.#tries = 0;
      const due = this.#due;
      if (due !== 0 && due === dueBefore) {
        // This process may have been the slow one: an answer that has arrived meanwhile is read before setImmediate's turn.
        setImmediate(() => {
          if (this.#due === due) this.reset(`no answer within ${String(ANSWER_MS)} ms`);
        });
      } else if (due === 0 && this.redis.status === 'ready') {
        this.#ask();
      } else if (due === 0 && this.redis.status === 'connect') {
        // Signing in: what is asked then is ioredis's own, and it would wait for the answer without end.
        this.#due = this.#asked += 1;
      }
      this.#watch(this.#due, stream);
    });
  }
}
