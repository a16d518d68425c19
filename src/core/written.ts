import type { Conversation, EntryOf, EntryType } from '../contract/schemas.ts';
import type { StoredEntry } from '../ports/store.ts';
import { notFound } from './access.ts';
import type { WriteResult } from './conversation-writer.ts';
import type { Caller, Desk } from './desk.ts';
import { conversationView, entryView } from './views.ts';

/** The entry of this seq, which the state says is there. */
export const entryAt = async <T extends EntryType>(
  desk: Desk,
  conversationId: string,
  seq: number,
  type: T,
): Promise<StoredEntry<T>> => {
  const entry = await desk.store.entry(conversationId, seq);
  if (entry?.type !== type) throw notFound();
  return entry as StoredEntry<T>;
};

/** The entry that a write made; when there was nothing to write, the earlier one at `unchangedSeq` that made it so. */
export const writtenEntry = async <T extends EntryType>(
  desk: Desk,
  caller: Caller,
  result: WriteResult,
  type: T,
  unchangedSeq: number,
): Promise<EntryOf<T>> => {
  const entry =
    result.kind === 'committed'
      ? (result.entries[0] as StoredEntry<T>)
      : await entryAt(desk, result.state.id, unchangedSeq, type);
  return entryView(caller.actor.audience, entry) as unknown as EntryOf<T>;
};

/** A reply of `{ conversation, entry }`. */
export const changed = async <T extends EntryType>(
  desk: Desk,
  caller: Caller,
  result: WriteResult,
  type: T,
  unchangedSeq: number,
): Promise<{ conversation: Conversation; entry: EntryOf<T> }> => ({
  entry: await writtenEntry(desk, caller, result, type, unchangedSeq),
  conversation: conversationView(caller.actor.audience, result.state),
});
