import { requireParticipant } from '../access.ts';
import type { Verb } from '../desk.ts';
import { changed } from '../written.ts';

export const closeConversation: Verb<'conversation:close'> = async (desk, caller, { conversationId, reason }) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireParticipant(actor, state);
    if (state.status === 'closed') return undefined;
    return {
      entries: [{ type: 'conversation:closed', author: actor.user, visibility: 'all', reason: reason ?? null }],
    };
  });
  return changed(desk, caller, result, 'conversation:closed', result.state.closedSeq);
};
