import type { Clock } from '../../ports/clock.ts';

export interface HandshakePaceOptions {
  readonly clock: Pick<Clock, 'after'>;
  /**
   * How long the event loop has waited for something to do, and how long it has done something, both in ms since it began.
   * @default performance.eventLoopUtilization
   */
  readonly usage?: () => { readonly idle: number; readonly active: number };
}

export interface HandshakePace {
  /**
   * Calls `letIn` when its turn comes, at once if nothing is in its way; it gives whether anybody came in, as who is gone meanwhile takes no
   * time. False: so many wait that this one can't.
   */
  enter(letIn: () => boolean): boolean;
  readonly waitingCount: number;
}

/**
 * One is let in for so much time in which the event loop had nothing to do: about what one costs, so that at least as much time as they
 * take stays free. With half of it they came in a quarter faster, and the answers of others took twice as long.
 */
export const IDLE_MS = 2;
/** And for so much time in any case, or a node that is always busy would take nobody. */
const LONGEST_MS = 10;
/** Who may come in at once after a quiet time. */
const BURST = 8;
/** Long enough that those who come in together have their reads made together, too. */
const TICK_MS = 8;
/** Each is an open connection with its headers. */
const MAX_WAITING = 5_000;

/**
 * Who is connected comes first: thousands who connect at once, as when another node has died, are let in as fast as the event loop has time
 * to spare. Each of them makes work for a while (a token to verify, conversations to join, pages to read), and all of it at once
 * would leave those who are here with the answers that come late.
 */
export const createHandshakePace = ({ clock, usage }: HandshakePaceOptions): HandshakePace => {
  const read = usage ?? (() => performance.eventLoopUtilization());
  const waiting: (() => boolean)[] = [];
  let last = read();
  let places = BURST;
  let ticking = false;

  const letIn = (): void => {
    const now = read();
    const idleMs = now.idle - last.idle;
    const elapsedMs = idleMs + now.active - last.active;
    last = now;
    places = Math.min(BURST, places + Math.max(idleMs / IDLE_MS, elapsedMs / LONGEST_MS));
    while (places >= 1) {
      const next = waiting.shift();
      if (next === undefined) return;
      if (next()) places -= 1;
    }
    if (waiting.length === 0) return;
    ticking = true;
    clock.after(TICK_MS, () => {
      ticking = false;
      letIn();
    });
  };

  return {
    enter: (one) => {
      if (waiting.length >= MAX_WAITING) return false;
      waiting.push(one);
      if (!ticking) letIn();
      return true;
    },
    get waitingCount() {
      return waiting.length;
    },
  };
};
