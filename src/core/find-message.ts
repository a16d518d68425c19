import type { Audience } from '../contract/roles.ts';
import type { StoredEntry } from '../ports/store.ts';
import { notFound } from './access.ts';
import type { Desk } from './desk.ts';
import { seqOfEntryId } from './ids.ts';
import { seesEntry } from './views.ts';

/** The message of this id, if this audience may see it. @throws not_found */
export const findMessage = async (
  desk: Desk,
  audience: Audience,
  conversationId: string,
  messageId: string,
): Promise<StoredEntry<'message:created'>> => {
  const seq = seqOfEntryId(conversationId, messageId);
  const entry = seq === undefined ? null : await desk.store.entry(conversationId, seq);
  if (entry?.type !== 'message:created' || !seesEntry(audience, entry)) throw notFound();
  return entry;
};
