import { DeskwireError } from '../../contract/errors.ts';
import { isAssignee, requireOpen } from '../access.ts';
import type { Verb } from '../desk.ts';
import { assignedDraft } from '../draft.ts';
import { assigned } from '../written.ts';

export const claimConversation: Verb<'assignment:claim'> = async (desk, caller, { conversationId }) => {
  const { actor } = caller;
  await desk.peers.told(actor.tenant, actor.user.id);
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireOpen(state);
    if (state.assignee !== null) {
      if (isAssignee(actor, state)) return undefined;
      throw new DeskwireError('already_assigned', undefined, {
        details: { assignee: state.assignee, fence: state.fence },
      });
    }
    return {
      entries: [assignedDraft(state, { author: actor.user, assignee: actor.user, reason: 'claimed' })],
      capacityGuard: { agentId: actor.user.id, capacity: desk.agents.seatOf(actor).capacity },
    };
  });
  return assigned(desk, caller, result);
};
