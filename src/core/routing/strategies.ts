import type { Decision } from '../../contract/schemas.ts';

export type StrategyName = Decision['strategy'];

/** An agent who could take a conversation now, as strategies see him. */
export interface Candidate {
  readonly id: string;
  /** Conversations held, offers and placements under way included. */
  readonly load: number;
  /** At least 1. */
  readonly capacity: number;
  /** Grows with each conversation routed to anybody: whose is the lowest waited the longest. 0: never. */
  readonly routedAt: number;
  /** Milliseconds since 1970: when he came online, or his last conversation ended, whichever is later. */
  readonly idleSince: number;
}

export interface Strategy {
  /** Negative: `a` is to be chosen before `b`. Ids break ties, so that the choice never hangs on chance. */
  readonly compare: (a: Candidate, b: Candidate) => number;
  /** Ends the sentence "chosen for …". */
  readonly why: string;
  /** `assign`: the chosen one has it; `offer`: is asked; `none`: agents claim by hand. */
  readonly mode: 'assign' | 'offer' | 'none';
}

const byId = (a: Candidate, b: Candidate): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** Shares of capacity, not counts: three of ten are less than two of four. Who was served longer ago breaks a tie. */
const leastBusy = (a: Candidate, b: Candidate): number =>
  a.load * b.capacity - b.load * a.capacity || a.routedAt - b.routedAt || byId(a, b);

const roundRobin = (a: Candidate, b: Candidate): number => a.routedAt - b.routedAt || byId(a, b);

/** Who has nothing to do before who has. */
const longestIdle = (a: Candidate, b: Candidate): number =>
  Math.sign(a.load) - Math.sign(b.load) || a.idleSince - b.idleSince || a.routedAt - b.routedAt || byId(a, b);

export const STRATEGIES: Readonly<Record<StrategyName, Strategy>> = {
  'least-busy': { compare: leastBusy, why: 'the smallest share of capacity in use', mode: 'assign' },
  'round-robin': { compare: roundRobin, why: 'the turn in the round', mode: 'assign' },
  'longest-idle': { compare: longestIdle, why: 'the longest time without work', mode: 'assign' },
  manual: { compare: leastBusy, why: 'nothing: agents choose by hand', mode: 'none' },
  offer: { compare: leastBusy, why: 'the smallest share of capacity in use', mode: 'offer' },
};

/** The best of some candidates; undefined when there are none. */
export const best = <C extends Candidate>(strategy: Strategy, candidates: Iterable<C>): C | undefined => {
  let chosen: C | undefined;
  for (const candidate of candidates) {
    if (chosen === undefined || strategy.compare(candidate, chosen) < 0) chosen = candidate;
  }
  return chosen;
};
