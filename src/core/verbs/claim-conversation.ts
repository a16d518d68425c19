import { DeskwireError } from '../../contract/errors.ts';
import { isAssignee, requireOpen } from '../access.ts';
import type { Verb } from '../desk.ts';
import { changed } from '../written.ts';

export const claimConversation: Verb<'assignment:claim'> = async (desk, caller, { conversationId }) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireOpen(state);
    if (state.assignee !== null) {
      if (isAssignee(actor, state)) return undefined;
      throw new DeskwireError('already_assigned', undefined, {
        details: { assignee: state.assignee, fence: state.fence },
      });
    }
    return {
      entries: [
        {
          type: 'conversation:assigned',
          author: actor.user,
          visibility: 'all',
          assignee: actor.user,
          previousAssignee: null,
          fence: state.fence + 1,
          reason: 'claimed',
        },
      ],
      capacityGuard: { agentId: actor.user.id, capacity: desk.agents.seatOf(actor).capacity },
    };
  });
  return changed(desk, caller, result, result.state.assignedSeq, 'conversation:assigned', 'conversation:transferred');
};
