import type { Clock } from '../ports/clock.ts';

export interface SignalOptions {
  readonly clock: Clock;
  /** From the moment it has been sent until the next one may be. */
  readonly pauseMs: number;
  /** Sends it; false: it can't be sent now. `settled` is called once it has been sent, or was lost on the way. */
  readonly send: (settled: () => void) => boolean;
  /** Why it could not be sent: down, when whoever raises it does so again; or only full. */
  readonly isDown: () => boolean;
}

/** Something that is worth saying again only after a pause: raised while one is under way, or in the pause, it is sent once more. */
export class Signal {
  readonly #options: SignalOptions;
  #state: 'idle' | 'under way' | 'wanted again' = 'idle';

  constructor(options: SignalOptions) {
    this.#options = options;
  }

  raise(): void {
    if (this.#state !== 'idle') {
      this.#state = 'wanted again';
      return;
    }
    this.#state = 'under way';
    if (this.#options.send(() => this.#pause())) return;
    if (this.#options.isDown()) {
      this.#state = 'idle';
      return;
    }
    this.#state = 'wanted again';
    this.#pause();
  }

  #pause(): void {
    const { clock, pauseMs } = this.#options;
    clock.after(pauseMs, () => {
      const again = this.#state === 'wanted again';
      this.#state = 'idle';
      if (again) this.raise();
    });
  }
}
