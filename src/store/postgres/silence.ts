import type { Clock } from '../../ports/clock.ts';

export interface SilenceOptions {
  readonly clock: Clock;
  /** No answer to anything for so long, while something is asked, is silence. */
  readonly silentMs: number;
  /** Whether something else that is asked now is not answered either. */
  readonly confirm: () => Promise<boolean>;
  /** There is silence, and nothing that was asked has been answered while that was confirmed. */
  readonly onSilent: () => void;
}

/** Notices a database that answers nothing at all, long before the bound of one statement, which may be slow by itself. */
export class Silence {
  readonly #options: SilenceOptions;
  #askedCount = 0;
  #answeredCount = 0;
  #heardAt = 0;
  #isListening = false;

  constructor(options: SilenceOptions) {
    this.#options = options;
  }

  asked(): void {
    this.#askedCount += 1;
    if (this.#isListening) return;
    this.#heardAt = this.#options.clock.now();
    this.#listen();
  }

  answered(): void {
    this.#askedCount -= 1;
    this.#answeredCount += 1;
    this.#heardAt = this.#options.clock.now();
  }

  /** Nobody waits for the answer any more. */
  givenUp(): void {
    this.#askedCount -= 1;
  }

  #listen(): void {
    const { clock, silentMs, confirm, onSilent } = this.#options;
    this.#isListening = true;
    clock.after(Math.max(1, this.#heardAt + silentMs - clock.now()), () => {
      this.#isListening = false;
      if (this.#askedCount === 0) return;
      if (clock.now() - this.#heardAt < silentMs) {
        this.#listen();
        return;
      }
      this.#isListening = true;
      const answeredCount = this.#answeredCount;
      void confirm().then((isSilent) => {
        // A database that is short of time answers the one before the other.
        if (isSilent && this.#answeredCount === answeredCount) onSilent();
        this.#heardAt = clock.now();
        this.#listen();
      });
    });
  }
}
