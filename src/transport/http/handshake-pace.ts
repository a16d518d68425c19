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
   * time. Addresses take turns. False: so many wait that this one can't.
   */
  enter(address: string, letIn: () => boolean): boolean;
  readonly waitingCount: number;
  /** Of one address. */
  waitingFrom(address: string): number;
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
 * would leave those who are here with the answers that come late. However many come from one address, somebody from another waits for one of
 * each address at most.
 */
export const createHandshakePace = ({ clock, usage }: HandshakePaceOptions): HandshakePace => {
  const read = usage ?? (() => performance.eventLoopUtilization());
  /** By address, that whose turn is next first. */
  const waiting = new Map<string, (() => boolean)[]>();
  let waitingCount = 0;
  let last = read();
  let places = BURST;
  let ticking = false;

  const takeNext = (): (() => boolean) | undefined => {
    for (const [address, line] of waiting) {
      const next = line.shift();
      waiting.delete(address);
      if (line.length > 0) waiting.set(address, line);
      waitingCount -= 1;
      return next;
    }
    return undefined;
  };

  const letIn = (): void => {
    const now = read();
    const idleMs = now.idle - last.idle;
    const elapsedMs = idleMs + now.active - last.active;
    last = now;
    places = Math.min(BURST, places + Math.max(idleMs / IDLE_MS, elapsedMs / LONGEST_MS));
    while (places >= 1) {
      const next = takeNext();
      if (next === undefined) return;
      if (next()) places -= 1;
    }
    if (waitingCount === 0) return;
    ticking = true;
    clock.after(TICK_MS, () => {
      ticking = false;
      letIn();
    });
  };

  return {
    enter: (address, one) => {
      if (waitingCount >= MAX_WAITING) return false;
      const line = waiting.get(address);
      if (line === undefined) waiting.set(address, [one]);
      else line.push(one);
      waitingCount += 1;
      if (!ticking) letIn();
      return true;
    },
    get waitingCount() {
      return waitingCount;
    },
    waitingFrom: (address) => waiting.get(address)?.length ?? 0,
  };
};
