import { DeskwireError } from '../../contract/errors.ts';
import type { Limits } from '../../contract/limits.ts';
import type { Clock } from '../../ports/clock.ts';

/** Shorter waits are not worth a timer: what they let through early is waited for by the next. */
const MIN_WAIT_MS = 2;
/** To come back sooner than that only meets the same refusal. */
const MIN_RETRY_MS = 100;

/**
 * What this process takes of all uploads together: so many bytes a second, as they come. Whoever uploads waits for
 * answers, and so sends no faster; what is left of the processor is for messages.
 */
export class Pace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  readonly #longestWaitMs: number;
  /** When the next bytes may be taken; milliseconds since 1970. */
  #freeAt = 0;

  constructor(clock: Clock, limits: Pick<Limits, 'uploadBytesPerSecond' | 'requestTimeoutMs'>) {
    this.#clock = clock;
    this.#bytesPerSecond = limits.uploadBytesPerSecond;
    // The rest of a request's time is for writing it.
    this.#longestWaitMs = limits.requestTimeoutMs / 2;
  }

  /**
   * Resolves when the bytes may be taken.
   *
   * @param cameAt when the request for it came, milliseconds since 1970; it may have waited for others before
   * @throws rate_limited when that would be too late to answer in time
   */
  async take(bytes: number, cameAt: number): Promise<void> {
    const now = this.#clock.now();
    // Time in which nobody uploaded is not made up for.
    const startAt = Math.max(now, this.#freeAt);
    const waitMs = startAt - now;
    if (startAt - cameAt > this.#longestWaitMs) {
      throw new DeskwireError(
        'rate_limited',
        'More is uploaded to this server than it takes (limits.uploadBytesPerSecond).',
        {
          retryAfterMs: Math.max(MIN_RETRY_MS, Math.ceil(waitMs - this.#longestWaitMs / 2)),
        },
      );
    }
    this.#freeAt = startAt + (bytes * 1_000) / this.#bytesPerSecond;
    if (waitMs >= MIN_WAIT_MS) await new Promise<void>((resolve) => void this.#clock.after(waitMs, resolve));
  }
}
