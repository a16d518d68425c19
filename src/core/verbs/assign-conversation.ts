import { requireOpen } from '../access.ts';
import { requireAvailable } from '../assignee.ts';
import type { Verb } from '../desk.ts';
import { changed } from '../written.ts';

export const assignConversation: Verb<'assignment:assign'> = async (desk, caller, { conversationId, agentId }) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireOpen(state);
    if (state.assignee?.id === agentId) return undefined;
    // Who takes over does so himself: he is here, whatever his status says.
    const self = agentId === actor.user.id;
    const seat = self ? desk.agents.seatOf(actor) : requireAvailable(desk, actor.tenant, agentId);
    return {
      entries: [
        {
          type: 'conversation:assigned',
          author: actor.user,
          visibility: 'all',
          assignee: seat.user,
          previousAssignee: state.assignee,
          fence: state.fence + 1,
          reason: 'assigned',
        },
      ],
      capacityGuard: { agentId, capacity: seat.capacity },
    };
  });
  return changed(desk, caller, result, result.state.assignedSeq, 'conversation:assigned', 'conversation:transferred');
};
