/** Where a change of a conversation will stand, and where it came to stand. */
import type { Append, ConversationState, StoredEntry } from '../ports/store.ts';
import { place, type Draft } from './draft.ts';
import { changesFacts, factsOf, fold } from './fold.ts';

/** What a decision wants of the log. */
export interface Change extends Pick<Append, 'clientKey' | 'amended' | 'capacityGuard' | 'attach' | 'detach'> {
  readonly entries: readonly Draft[];
}

/** The place that the first entry of a change will have. */
export interface Next {
  readonly seq: number;
  /** Milliseconds since 1970; the entries' `at`. */
  readonly now: number;
}

/** A change with the entries that it makes. */
export interface Decided {
  readonly change: Change;
  /** Where they are expected to stand. */
  readonly entries: readonly StoredEntry[];
  /** They rest on facts alone: they may stand elsewhere. */
  readonly floats: boolean;
}

const placed = ({ entries }: Change, conversationId: string, { seq, now }: Next): StoredEntry[] =>
  entries.map((draft, index) => place(draft, conversationId, seq + index, now));

/** @param mayFloat messages of several nodes do not wait for one another: they go to the end of the log, wherever it is */
export const decidedAt = (change: Change, conversationId: string, next: Next, mayFloat: boolean): Decided => {
  const entries = placed(change, conversationId, next);
  const { amended, capacityGuard, attach, detach } = change;
  const floats =
    mayFloat && (amended ?? capacityGuard ?? attach ?? detach) === undefined && !entries.some(changesFacts);
  return { change, entries, floats };
};

/** What the store is asked to write, and the state that it leads to. */
export const appendOf = (
  { change, entries, floats }: Decided,
  state: ConversationState,
  chain: { broken: boolean },
): { write: Append; next: ConversationState } => {
  const next = entries.reduce(fold, state);
  const { clientKey, amended, capacityGuard, attach, detach } = change;
  return {
    next,
    write: {
      tenant: state.tenant,
      conversationId: state.id,
      expectedSeq: state.lastSeq,
      restsOnFacts: floats ? state.factsSeq : undefined,
      ...{ entries, clientKey, amended, capacityGuard, attach, detach, chain },
      facts: entries.some(changesFacts) ? factsOf(next) : undefined,
    },
  };
};

/**
 * The entries where they came to stand, and the state with them.
 *
 * @param before the last state that is known to be committed
 * @param next the state that they were expected to lead to
 * @param firstSeq where the first one stands; undefined: where it was expected
 */
export const standing = (
  { change, entries }: Decided,
  before: ConversationState | undefined,
  next: ConversationState,
  firstSeq: number | undefined,
): { entries: readonly StoredEntry[]; state: ConversationState } => {
  const [first] = entries;
  if (first === undefined || before === undefined) return { entries, state: next };
  const seq = firstSeq ?? first.seq;
  if (seq === first.seq && before.lastSeq === seq - 1) return { entries, state: next };
  const moved = seq === first.seq ? entries : placed(change, before.id, { seq, now: Date.parse(first.at) });
  // What others wrote in between has changed no facts.
  return { entries: moved, state: moved.reduce(fold, { ...before, lastSeq: seq - 1 }) };
};
