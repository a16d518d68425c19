/**
 * Time. In the contract: wall-clock milliseconds and one-shot timers that never keep the process alive.
 * Not in the contract: a resolution finer than a millisecond, or that the clock never steps.
 */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number;
  /** Runs `task` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

/** Longest delay a Node timer takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: Date.now,
  after: (delayMs, task) => {
    const timer = setTimeout(task, Math.min(delayMs, MAX_TIMER_MS));
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
};

let lastMs = -1;
let lastIso = '';

/** ISO 8601, UTC, milliseconds. What is committed together mostly has the same time, so the last one is remembered. */
export const isoTime = (ms: number): string => {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
};
