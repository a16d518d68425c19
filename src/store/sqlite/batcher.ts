import { DeskwireError } from '../../contract/errors.ts';
import type { Log } from '../../ports/log.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { Answer, Failure, Outcome, Write } from './messages.ts';
import type { WorkerLink } from './worker-link.ts';

/** A transaction holds up to this many writes: enough to share one fsync, few enough for reads to come between. */
const MAX_BATCH = 256;

const MESSAGES = {
  unavailable: 'The store could not write; nothing was kept. Repeat the request later.',
  timeout: 'The store failed while it wrote; whether this was kept is not known. Repeat it with the same client id.',
} as const;

interface PendingWrite {
  readonly write: Write;
  readonly settle: (outcome: Exclude<Outcome, Failure>) => void;
  readonly fail: (error: DeskwireError) => void;
}

/** Gathers writes while the last batch commits, and sends what has gathered as one. */
export class WriteBatcher {
  readonly #link: WorkerLink;
  readonly #log: Log;
  readonly #metrics: Metrics;
  #gathered: PendingWrite[] = [];
  /** A batch is under way, or about to be. */
  #busy = false;
  #whenIdle: (() => void)[] = [];
  #failing: string | undefined;

  constructor(link: WorkerLink, log: Log, metrics: Metrics) {
    this.#link = link;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Why the last batch failed; undefined when it did not. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** The store was seen to write again. */
  recovered(): void {
    this.#failing = undefined;
  }

  add<T>(write: Write, read: (outcome: Exclude<Outcome, Failure>) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: Exclude<Outcome, Failure>): void => resolve(read(outcome));
      this.#gathered.push({ write, settle, fail: reject });
      this.#schedule();
    });
  }

  /** Resolves once nothing is gathered or under way. */
  idle(): Promise<void> {
    return this.#busy ? new Promise((resolve) => this.#whenIdle.push(resolve)) : Promise.resolve();
  }

  #schedule(): void {
    if (this.#busy) return;
    this.#busy = true;
    // Not a timer: a millisecond's wait costs a third of the throughput. Whoever writes in this tick is still in time.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    if (this.#link.ended !== undefined) {
      this.#failUnsent(this.#link.ended);
      this.#next();
      return;
    }
    const batch = this.#gathered.splice(0, MAX_BATCH);
    const startedAt = performance.now();
    this.#link.send(
      { kind: 'batch', writes: batch.map((pending) => pending.write) },
      (answer) => {
        this.#metrics.commit(batch.length, performance.now() - startedAt);
        this.#settle(batch, answer);
        this.#next();
      },
      (reason) => {
        for (const pending of batch) pending.fail(new DeskwireError('timeout', MESSAGES.timeout, { cause: reason }));
        this.#failUnsent(reason);
        this.#next();
      },
    );
  }

  #failUnsent(reason: string): void {
    for (const pending of this.#gathered.splice(0)) {
      pending.fail(new DeskwireError('unavailable', MESSAGES.unavailable, { cause: reason }));
    }
  }

  /** In one loop, without a pause: callers rely on the order, and on nothing coming between. */
  #settle(batch: readonly PendingWrite[], answer: Answer): void {
    const outcomes = answer.kind === 'outcomes' ? answer.outcomes : undefined;
    const whole = answer.kind === 'failed' ? answer : undefined;
    let failed: Failure | undefined;
    batch.forEach((pending, index) => {
      const outcome = outcomes?.[index] ?? whole ?? { kind: 'failed', code: 'timeout', cause: 'no answer' };
      if (typeof outcome === 'number' || outcome.kind !== 'failed') {
        pending.settle(outcome);
        return;
      }
      if (outcome.code === 'not_found') {
        pending.fail(new DeskwireError('not_found'));
        return;
      }
      failed = outcome;
      const code = outcome.code === 'timeout' ? 'timeout' : 'unavailable';
      pending.fail(new DeskwireError(code, MESSAGES[code], { cause: outcome.cause }));
    });
    this.#failing = failed?.cause;
    if (failed !== undefined) {
      this.#log.error({ code: failed.code, cause: failed.cause, writes: batch.length }, 'writing to the store failed');
    }
  }

  #next(): void {
    if (this.#gathered.length > 0) {
      setImmediate(() => this.#flush());
      return;
    }
    this.#busy = false;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}
