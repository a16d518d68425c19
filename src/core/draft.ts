import type { EntryOf, EntryType, User } from '../contract/schemas.ts';
import { isoTime } from '../ports/clock.ts';
import type { ConversationState, StoredEntry } from '../ports/store.ts';
import { entryId } from './ids.ts';

type Placed = 'id' | 'conversationId' | 'seq' | 'at';

/** An entry that has not yet its place in a log. */
export type DraftOf<T extends EntryType> = T extends EntryType ? Omit<StoredEntry<T>, Placed> : never;
export type Draft = DraftOf<EntryType>;

/** Makes somebody the assignee; every change of assignee raises the fence. */
export const assignedDraft = (
  { assignee: previousAssignee, fence }: Pick<ConversationState, 'assignee' | 'fence'>,
  {
    author,
    assignee,
    reason,
    decision,
  }: Pick<EntryOf<'conversation:assigned'>, 'author' | 'reason' | 'decision'> & { assignee: User },
): DraftOf<'conversation:assigned'> => ({
  type: 'conversation:assigned',
  author,
  visibility: 'all',
  assignee,
  previousAssignee,
  fence: fence + 1,
  reason,
  ...(decision && { decision }),
});

/** The draft is spread first: V8 copies only the first object of a literal at once, the others property by property. */
export const place = (draft: Draft, conversationId: string, seq: number, now: number): StoredEntry => ({
  ...draft,
  id: entryId(conversationId, seq),
  conversationId,
  seq,
  at: isoTime(now),
});
