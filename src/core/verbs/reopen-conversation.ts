import { requireParticipant } from '../access.ts';
import type { Verb } from '../desk.ts';
import { changed } from '../written.ts';

export const reopenConversation: Verb<'conversation:reopen'> = async (desk, caller, { conversationId }) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireParticipant(actor, state);
    if (state.status !== 'closed') return undefined;
    return {
      entries: [{ type: 'conversation:reopened', author: actor.user, visibility: 'all', fence: state.fence + 1 }],
    };
  });
  const { openedSeq } = result.state;
  const type = openedSeq === 1 ? 'conversation:opened' : 'conversation:reopened';
  return changed(desk, caller, result, type, openedSeq);
};
