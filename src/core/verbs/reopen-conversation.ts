import { requireParticipant } from '../access.ts';
import type { Verb } from '../desk.ts';
import { reopenedDrafts } from '../reopen.ts';
import { changed } from '../written.ts';

export const reopenConversation: Verb<'conversation:reopen'> = async (desk, caller, { conversationId }) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireParticipant(actor, state);
    if (state.status !== 'closed') return undefined;
    return { entries: reopenedDrafts(desk, actor.user, state) };
  });
  return changed(desk, caller, result, result.state.openedSeq, 'conversation:reopened', 'conversation:opened');
};
