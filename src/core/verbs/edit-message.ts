import { DeskwireError } from '../../contract/errors.ts';
import { isoTime } from '../../ports/clock.ts';
import type { StoredEntry } from '../../ports/store.ts';
import { isAuthor, notFound, requireOpen, requireParticipant } from '../access.ts';
import type { Verb } from '../desk.ts';
import { findMessage } from '../find-message.ts';
import { sentHash } from '../message-content.ts';
import { writtenEntry } from '../written.ts';

export const editMessage: Verb<'message:edit'> = async (desk, caller, { conversationId, messageId, text }) => {
  const { actor } = caller;
  let lastEditSeq = 0;
  const result = await desk.journal.write(
    actor.tenant,
    conversationId,
    async (state, next) => {
      requireParticipant(actor, state);
      const message = await findMessage(desk, actor.audience, conversationId, messageId);
      if (!isAuthor(actor, message)) throw new DeskwireError('forbidden', 'Only its author edits a message.');
      if (message.deleteSeq !== undefined) throw notFound();
      // The same edit again, because its answer was lost.
      lastEditSeq = message.editSeqs?.at(-1) ?? 0;
      if (lastEditSeq > 0 && message.text === text) return undefined;
      requireOpen(state);
      const { editWindowMs } = desk.limits;
      if (next.now - Date.parse(message.at) > editWindowMs) {
        throw new DeskwireError(
          'edit_window_passed',
          `The message was sent at ${message.at}; it can be edited for ${String(editWindowMs)} ms.`,
        );
      }
      const amended: StoredEntry = {
        ...message,
        text,
        editedAt: isoTime(next.now),
        sentHash: sentHash(message),
        editSeqs: [...(message.editSeqs ?? []), next.seq],
      };
      return {
        entries: [{ type: 'message:edited', author: actor.user, visibility: message.visibility, messageId, text }],
        amended: [amended],
      };
    },
    { exclusive: true },
  );
  return { entry: await writtenEntry(desk, caller, result, lastEditSeq, 'message:edited') };
};
