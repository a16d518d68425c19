import type { Clock } from '../../ports/clock.ts';

/** Timers for instants, one for each key, however far away they are. */
export class Alarms {
  readonly #clock: Clock;
  readonly #alarms = new Map<string, () => void>();
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `task` once at `atMs` (milliseconds since 1970), or at once when that is past; in place of what the key had. */
  set(key: string, atMs: number, task: () => void): void {
    this.cancel(key);
    if (this.#stopped) return;
    const cancel = this.#clock.after(Math.max(0, atMs - this.#clock.now()), () => {
      this.#alarms.delete(key);
      // Clocks bound their delays, and system clocks are set.
      if (this.#clock.now() < atMs) this.set(key, atMs, task);
      else task();
    });
    this.#alarms.set(key, cancel);
  }

  /** Nothing rings any more, nor is anything set. */
  stop(): void {
    this.#stopped = true;
    for (const key of [...this.#alarms.keys()]) this.cancel(key);
  }

  has(key: string): boolean {
    return this.#alarms.has(key);
  }

  cancel(key: string): void {
    this.#alarms.get(key)?.();
    this.#alarms.delete(key);
  }
}
