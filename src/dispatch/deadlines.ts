import type { Clock } from '../ports/clock.ts';

/** How late a deadline may be noticed. */
const CHECK_MS = 100;

/**
 * Runs what is not over in time. All have the same time, so the oldest is first due and one timer does for all: a timer for each request
 * would cost more than looking at its payload.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #due = new Map<object, { at: number; expire: () => void }>();
  #checking = false;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The returned function takes it back. */
  add(expire: () => void): () => void {
    const key = {};
    this.#due.set(key, { at: this.#clock.now() + this.#timeoutMs, expire });
    if (!this.#checking) this.#checkLater();
    return () => {
      this.#due.delete(key);
    };
  }

  #checkLater(): void {
    this.#checking = true;
    this.#clock.after(Math.min(CHECK_MS, this.#timeoutMs), () => {
      this.#checking = false;
      this.#check();
    });
  }

  #check(): void {
    const now = this.#clock.now();
    for (const [key, { at, expire }] of this.#due) {
      if (at > now) break;
      this.#due.delete(key);
      expire();
    }
    if (this.#due.size > 0) this.#checkLater();
  }
}
