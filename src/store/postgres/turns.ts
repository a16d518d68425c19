import type { Clock } from '../../ports/clock.ts';

/** How long an answer waits for earlier ones: more than any transaction takes that doesn't wait for somebody's lock. */
const HOLD_MS = 500;

/** Tells the outcome of one write, when it is its turn. */
export type Turn = (tell: () => void) => void;

/**
 * Writes that are made in one turn of the event loop go different ways and resolve in the order in which they were made. One that
 * takes long does not keep the others for ever: what must be in order is done in order, and only told in order here.
 */
export class Turns {
  readonly #clock: Clock;
  #take: (() => Turn) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(): Turn {
    if (this.#take === undefined) {
      this.#take = openGroup(this.#clock);
      setImmediate(() => (this.#take = undefined));
    }
    return this.#take();
  }
}

const openGroup = (clock: Clock): (() => Turn) => {
  const waiting = new Map<number, () => void>();
  let taken = 0;
  let next = 0;
  let loose = false;
  let cancel: (() => void) | undefined;

  const tellAll = (): void => {
    loose = true;
    for (const place of [...waiting.keys()].sort((a, b) => a - b)) {
      const tell = waiting.get(place);
      waiting.delete(place);
      tell?.();
    }
  };

  return () => {
    const place = taken++;
    return (tell) => {
      if (loose) {
        tell();
        return;
      }
      if (place !== next) {
        waiting.set(place, tell);
        cancel ??= clock.after(HOLD_MS, tellAll);
        return;
      }
      tell();
      next++;
      for (let held = waiting.get(next); held !== undefined; held = waiting.get(next)) {
        waiting.delete(next);
        next++;
        held();
      }
      if (waiting.size > 0) return;
      cancel?.();
      cancel = undefined;
    };
  };
};
