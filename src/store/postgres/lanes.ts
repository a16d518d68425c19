import limitConcurrency from 'p-limit';
import type { Log } from '../../ports/log.ts';
import type { Metrics } from '../../ports/metrics.ts';
import { type Batch, type BatchResult, planBatch } from './batch.ts';
import { writeError } from './failures.ts';
import type { Pending } from './pending.ts';

export interface LanesOptions {
  /** Makes a batch, as one transaction. Rejects with what `writeError` reads. */
  readonly commit: (batch: Batch, waits: boolean) => Promise<BatchResult>;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Transactions that are under way at once, besides the batch. */
  readonly transactions: number;
}

/** What was decided on it rests on nothing now. */
const breakChain = ({ plain }: Pending): void => {
  if (plain?.kind === 'append' && plain.decided !== undefined) plain.decided.broken = true;
};

/** Those at the front of a queue that can be made as one. */
const plainRun = (queue: readonly Pending[]): Pending[] => {
  const end = queue.findIndex(
    ({ plain, alone }) => plain === undefined || alone || (plain.kind === 'append' && plain.decided?.broken === true),
  );
  return end === -1 ? [...queue] : queue.slice(0, end);
};

/** Where the writes of one key are. */
interface Line {
  /** How many are gathered, or in the batch that is under way. */
  gathered: number;
  /** Those that are made one by one, in order. */
  readonly queue: Pending[];
  /** One of them is being made. */
  busy: boolean;
}

/**
 * Two lanes. Plain writes of all conversations are gathered while a batch commits, and are the next batch. All others, and plain ones that
 * met somebody else's, are made in a lane of their key, several keys at once. A key has its writes in one lane at a time, so they keep
 * their order.
 */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #limit: ReturnType<typeof limitConcurrency>;
  readonly #lines = new Map<string, Line>();
  #gathered: Pending[] = [];
  /** A batch is under way, or about to be. */
  #committing = false;
  #order = 0;
  #whenIdle: (() => void)[] = [];

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#limit = limitConcurrency(options.transactions);
  }

  add<T>(key: string, plain: Pending['plain'], decide: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = {
        order: ++this.#order,
        key,
        plain,
        decide,
        alone: false,
        resolve: (outcome) => resolve(outcome as T),
        reject,
      };
      const line = this.#lines.get(key) ?? this.#addLine(key);
      if (plain === undefined || line.busy || line.queue.length > 0) {
        line.queue.push(pending);
        this.#makeNext(key, line);
        return;
      }
      line.gathered++;
      this.#gathered.push(pending);
      this.#commitSoon();
    });
  }

  /** Resolves once nothing is gathered or under way. */
  idle(): Promise<void> {
    return this.#lines.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #addLine(key: string): Line {
    const line: Line = { gathered: 0, queue: [], busy: false };
    this.#lines.set(key, line);
    return line;
  }

  #commitSoon(): void {
    if (this.#committing) return;
    this.#committing = true;
    // Not a timer: a millisecond's wait costs a third of the throughput. Whoever writes in this tick is still in time.
    setImmediate(() => void this.#commit());
  }

  async #commit(): Promise<void> {
    const batch = planBatch(this.#gathered);
    this.#gathered = this.#gathered.slice(batch.size);
    const startedAt = performance.now();
    try {
      const result = await this.#options.commit(batch, false);
      const madeCount = batch.size - batch.left.length - result.left.length;
      if (madeCount > 0) this.#options.metrics.commit(madeCount, performance.now() - startedAt);
      for (const [pending, outcome] of result.made) {
        this.#leave(pending);
        pending.resolve(outcome);
      }
      for (const [pending, error] of result.failed) this.#fail(pending, error);
      this.#divert([...batch.left, ...result.left]);
    } catch (error) {
      const { code, cause } = writeError(error);
      this.#options.log.error({ code, cause, writes: batch.size }, 'writing to the store failed');
      for (const pending of batch.sent) {
        breakChain(pending);
        this.#fail(pending, error);
      }
      this.#divert(batch.left);
    }
    this.#committing = false;
    if (this.#gathered.length > 0) this.#commitSoon();
  }

  /** Its line, without it. */
  #leave({ key }: Pending): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    line.gathered--;
    this.#makeNext(key, line);
  }

  #fail(pending: Pending, error: unknown): void {
    this.#leave(pending);
    pending.reject(writeError(error));
  }

  /** These, and what was gathered after them for the same keys, are made one by one. */
  #divert(pendings: readonly Pending[]): void {
    if (pendings.length === 0) return;
    const keys = new Set(pendings.map(({ key }) => key));
    const behind = this.#gathered.filter(({ key }) => keys.has(key));
    if (behind.length > 0) this.#gathered = this.#gathered.filter(({ key }) => !keys.has(key));
    for (const pending of [...pendings, ...behind]) {
      const line = this.#lines.get(pending.key);
      if (line === undefined) continue;
      line.gathered--;
      line.queue.push(pending);
    }
    for (const key of keys) {
      const line = this.#lines.get(key);
      if (line === undefined) continue;
      // Others may have been queued while these were thought to be plain.
      line.queue.sort((a, b) => a.order - b.order);
      this.#makeNext(key, line);
    }
  }

  #makeNext(key: string, line: Line): void {
    if (line.busy || line.gathered > 0) return;
    const [first] = line.queue;
    if (first === undefined) {
      this.#lines.delete(key);
      if (this.#lines.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
      return;
    }
    line.busy = true;
    const run = plainRun(line.queue);
    line.queue.splice(0, Math.max(1, run.length));
    void this.#limit(() => (run.length === 0 ? this.#make(first) : this.#makeRun(line, run))).then(() => {
      line.busy = false;
      this.#makeNext(key, line);
    });
  }

  /** Plain writes of one key, that somebody else kept from being made with all others: as one, once their turn has come. */
  async #makeRun(line: Line, run: readonly Pending[]): Promise<void> {
    const batch = planBatch(run);
    const startedAt = performance.now();
    let left: readonly Pending[] = run.slice(batch.size);
    try {
      const result = await this.#options.commit(batch, true);
      if (result.made.length > 0) this.#options.metrics.commit(result.made.length, performance.now() - startedAt);
      for (const [pending, outcome] of result.made) pending.resolve(outcome);
      for (const [pending, error] of result.failed) pending.reject(writeError(error));
      left = [...batch.left, ...result.left, ...left].sort((a, b) => a.order - b.order);
      const [refused] = left;
      if (refused !== undefined) refused.alone = true;
    } catch (error) {
      const { code, cause } = writeError(error);
      this.#options.log.error({ code, cause, writes: batch.size }, 'writing to the store failed');
      for (const pending of batch.sent) {
        breakChain(pending);
        pending.reject(writeError(error));
      }
      left = [...batch.left, ...left];
    }
    line.queue.unshift(...left);
  }

  async #make(pending: Pending): Promise<void> {
    const startedAt = performance.now();
    try {
      const outcome = await pending.decide();
      this.#options.metrics.commit(1, performance.now() - startedAt);
      pending.resolve(outcome);
    } catch (error) {
      const failed = writeError(error);
      if (failed.code === 'unavailable' || failed.code === 'timeout') {
        this.#options.log.error({ code: failed.code, cause: failed.cause, writes: 1 }, 'writing to the store failed');
      }
      pending.reject(failed);
    }
  }
}
