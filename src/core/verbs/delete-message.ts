import { DeskwireError } from '../../contract/errors.ts';
import { isoTime } from '../../ports/clock.ts';
import type { StoredEntry } from '../../ports/store.ts';
import { isAuthor, requireParticipant } from '../access.ts';
import type { Desk, Verb } from '../desk.ts';
import { findMessage } from '../find-message.ts';
import { sentHash } from '../message-content.ts';
import { entryAt, writtenEntry } from '../written.ts';

export const deleteMessage: Verb<'message:delete'> = async (desk, caller, { conversationId, messageId }) => {
  const { actor } = caller;
  let deletedBefore = 0;
  const result = await desk.journal.write(
    actor.tenant,
    conversationId,
    async (state, next) => {
      requireParticipant(actor, state);
      const message = await findMessage(desk, actor.audience, conversationId, messageId);
      if (!isAuthor(actor, message) && actor.role !== 'supervisor') {
        throw new DeskwireError('forbidden', 'Only its author, or a supervisor, deletes a message.');
      }
      deletedBefore = message.deleteSeq ?? 0;
      if (deletedBefore > 0) return undefined;
      return {
        entries: [{ type: 'message:deleted', author: actor.user, visibility: message.visibility, messageId }],
        amended: [erased(message, isoTime(next.now), next.seq), ...(await erasedEdits(desk, message))],
        ...(message.attachments.length > 0 && { detach: message.attachments.map(({ id }) => id) }),
      };
    },
    { exclusive: true },
  );
  return { entry: await writtenEntry(desk, caller, result, deletedBefore, 'message:deleted') };
};

const erased = (message: StoredEntry<'message:created'>, deletedAt: string, deleteSeq: number): StoredEntry => {
  const { metadata: _metadata, ...rest } = message;
  return { ...rest, text: null, attachments: [], deletedAt, sentHash: sentHash(message), deleteSeq };
};

/** What was deleted must not be read in its edits. */
const erasedEdits = (desk: Desk, message: StoredEntry<'message:created'>): Promise<StoredEntry[]> =>
  Promise.all(
    (message.editSeqs ?? []).map(async (seq) => ({
      ...(await entryAt(desk, message.conversationId, seq, 'message:edited')),
      text: null,
    })),
  );
