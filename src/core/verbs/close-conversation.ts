import { requireParticipant } from '../access.ts';
import type { Verb } from '../desk.ts';
import { closedDraft } from '../desk-times.ts';
import { changed } from '../written.ts';

export const closeConversation: Verb<'conversation:close'> = async (desk, caller, { conversationId, reason }) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state, next) => {
    requireParticipant(actor, state);
    if (state.status === 'closed') return undefined;
    return { entries: [closedDraft(state, actor.user, reason ?? null, next.now)] };
  });
  return changed(desk, caller, result, result.state.closedSeq, 'conversation:closed');
};
