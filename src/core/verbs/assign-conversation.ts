import { requireOpen } from '../access.ts';
import { requireAvailable } from '../assignee.ts';
import type { Verb } from '../desk.ts';
import { assignedDraft } from '../draft.ts';
import { assigned } from '../written.ts';

export const assignConversation: Verb<'assignment:assign'> = async (desk, caller, { conversationId, agentId }) => {
  const { actor } = caller;
  await desk.peers.told(actor.tenant, agentId);
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireOpen(state);
    if (state.assignee?.id === agentId) return undefined;
    // Who takes over does so himself: he is here, whatever his status says.
    const self = agentId === actor.user.id;
    const seat = self ? desk.agents.seatOf(actor) : requireAvailable(desk, actor.tenant, agentId);
    return {
      entries: [assignedDraft(state, { author: actor.user, assignee: seat.user, reason: 'assigned' })],
      capacityGuard: { agentId, capacity: seat.capacity },
    };
  });
  return assigned(desk, caller, result);
};
