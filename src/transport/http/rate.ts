import type { Clock } from '../../ports/clock.ts';

const WINDOW_MS = 1_000;

/** Counts per key and second. */
export interface Rate {
  /** Counts one and gives 0, or, when that would be too many, counts nothing and gives milliseconds to wait. */
  take(key: string): number;
}

/**
 * At most `perSecond` of each key in about any second: the last second counts by the part of it that is still within
 * reach. Synchronous, because an upgrade must be answered in the tick in which it arrives. Memory is bounded by the
 * keys of two seconds.
 */
export const createRate = (perSecond: number, clock: Clock): Rate => {
  let window = 0;
  let current = new Map<string, number>();
  let previous = new Map<string, number>();

  const turn = (now: number): void => {
    const next = Math.floor(now / WINDOW_MS);
    if (next === window) return;
    previous = next === window + 1 ? current : new Map<string, number>();
    current = new Map<string, number>();
    window = next;
  };

  return {
    take: (key) => {
      const now = clock.now();
      turn(now);
      const elapsedMs = now - window * WINDOW_MS;
      const count = current.get(key) ?? 0;
      const carried = (previous.get(key) ?? 0) * (1 - elapsedMs / WINDOW_MS);
      if (count + carried + 1 > perSecond) return WINDOW_MS - elapsedMs;
      current.set(key, count + 1);
      return 0;
    },
  };
};
