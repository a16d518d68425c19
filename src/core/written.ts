import type { Conversation, EntryOf, EntryType } from '../contract/schemas.ts';
import type { StoredEntry } from '../ports/store.ts';
import { notFound } from './access.ts';
import type { WriteResult } from './conversation-writer.ts';
import type { Caller, Desk } from './desk.ts';
import { conversationView, entryView } from './views.ts';

/** The entry of this seq, which the state says is there and of one of these types. */
export const entryAt = async <T extends EntryType>(
  desk: Desk,
  conversationId: string,
  seq: number,
  ...types: readonly T[]
): Promise<StoredEntry<T>> => {
  const entry = await desk.store.entry(conversationId, seq);
  if (!types.some((type) => type === entry?.type)) throw notFound();
  return entry as StoredEntry<T>;
};

/** The entry that a write made; when there was nothing to write, the earlier one at `unchangedSeq` that made it so. */
export const writtenEntry = async <T extends EntryType>(
  desk: Desk,
  caller: Caller,
  result: WriteResult,
  unchangedSeq: number,
  ...types: readonly T[]
): Promise<EntryOf<T>> => {
  const entry =
    result.kind === 'committed'
      ? (result.entries[0] as StoredEntry<T>)
      : await entryAt(desk, result.state.id, unchangedSeq, ...types);
  return entryView(desk, caller.actor.audience, entry) as unknown as EntryOf<T>;
};

/** A reply of `{ conversation, entry }`. */
export const changed = async <T extends EntryType>(
  desk: Desk,
  caller: Caller,
  result: WriteResult,
  unchangedSeq: number,
  ...types: readonly T[]
): Promise<{ conversation: Conversation; entry: EntryOf<T> }> => ({
  entry: await writtenEntry(desk, caller, result, unchangedSeq, ...types),
  conversation: conversationView(desk, caller.actor.audience, result.state),
});

/** The reply to whatever made somebody the assignee, or found that he was. */
export const assigned = (
  desk: Desk,
  caller: Caller,
  result: WriteResult,
): Promise<{ conversation: Conversation; entry: EntryOf<'conversation:assigned' | 'conversation:transferred'> }> =>
  changed(desk, caller, result, result.state.assignedSeq, 'conversation:assigned', 'conversation:transferred');
