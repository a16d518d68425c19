import type { Clock } from '../../src/ports/clock.ts';

/** Moved by hand; tasks run at the instants for which they were set, in order. */
export class HandClock implements Clock {
  #nowMs: number;
  #tasks: { atMs: number; task: () => void }[] = [];

  /** @default the real time */
  constructor(nowMs = Date.now()) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): () => void {
    const waiting = { atMs: this.#nowMs + delayMs, task };
    this.#tasks.push(waiting);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== waiting);
    };
  }

  /** How long until the next task; undefined: there is none. */
  get nextInMs(): number | undefined {
    const times = this.#tasks.map(({ atMs }) => atMs - this.#nowMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  moveBy(ms: number): void {
    this.moveTo(this.#nowMs + ms);
  }

  moveTo(end: number): void {
    for (;;) {
      const [next] = this.#tasks.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#tasks = this.#tasks.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
    }
    this.#nowMs = end;
  }
}
