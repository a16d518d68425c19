import { setTimeout as wait } from 'node:timers/promises';

/** Holds all the uploads of a process together to a rate. */
export class Pacer {
  readonly #bytesPerMs: number;
  #freeAtMs = 0;

  /** @param bytesPerSecond null: as fast as it goes */
  constructor(bytesPerSecond: number | null) {
    this.#bytesPerMs = bytesPerSecond === null ? Infinity : bytesPerSecond / 1_000;
  }

  /** Resolves when so many bytes may be sent. */
  async take(bytes: number): Promise<void> {
    const now = performance.now();
    const dueMs = Math.max(now, this.#freeAtMs);
    this.#freeAtMs = dueMs + bytes / this.#bytesPerMs;
    if (dueMs > now) await wait(dueMs - now);
  }
}
