import type { Clock } from '../ports/clock.ts';

/** How late a deadline may be noticed. */
const CHECK_MS = 100;

interface Deadline {
  readonly at: number;
  readonly expire: () => void;
  before: Deadline | undefined;
  after: Deadline | undefined;
}

/**
 * Runs what is not over in time. All have the same time, so the oldest is due first and one timer does for all: a timer for each request
 * would cost more than looking at its payload.
 *
 * A linked list: what is added last is due last, and what is answered is taken out of the middle.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #oldest: Deadline | undefined;
  #newest: Deadline | undefined;
  #checking = false;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The returned function takes it back. */
  add(expire: () => void): () => void {
    const deadline: Deadline = {
      at: this.#clock.now() + this.#timeoutMs,
      expire,
      before: this.#newest,
      after: undefined,
    };
    if (this.#newest === undefined) this.#oldest = deadline;
    else this.#newest.after = deadline;
    this.#newest = deadline;
    if (!this.#checking) this.#checkLater();
    return () => {
      this.#remove(deadline);
    };
  }

  #remove(deadline: Deadline): void {
    const { before, after } = deadline;
    if (before !== undefined) before.after = after;
    else if (this.#oldest === deadline) this.#oldest = after;
    if (after !== undefined) after.before = before;
    else if (this.#newest === deadline) this.#newest = before;
    deadline.before = undefined;
    deadline.after = undefined;
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
    for (let due = this.#oldest; due !== undefined && due.at <= now; due = this.#oldest) {
      this.#remove(due);
      due.expire();
    }
    if (this.#oldest !== undefined) this.#checkLater();
  }
}
