import { isoTime } from '../ports/clock.ts';
import type { StoredEntry } from '../ports/store.ts';
import { entryId } from './ids.ts';

type Placed = 'id' | 'conversationId' | 'seq' | 'at';
type DraftOf<E> = E extends StoredEntry ? Omit<E, Placed> : never;

/** An entry that has not yet its place in a log. */
export type Draft = DraftOf<StoredEntry>;

export const place = (draft: Draft, conversationId: string, seq: number, now: number): StoredEntry => ({
  id: entryId(conversationId, seq),
  conversationId,
  seq,
  at: isoTime(now),
  ...draft,
});
