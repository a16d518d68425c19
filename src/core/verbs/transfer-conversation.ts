import { invalidField, requireOpen } from '../access.ts';
import { requireAssigneeOrSupervisor, requireAvailable, requireOpenDepartment } from '../assignee.ts';
import type { Verb } from '../desk.ts';
import { changed } from '../written.ts';

export const transferConversation: Verb<'assignment:transfer'> = async (desk, caller, { conversationId, to, note }) => {
  const { actor } = caller;
  const { tenant } = actor;
  if ('agentId' in to) await desk.peers.told(tenant, to.agentId);
  const result = await desk.journal.write(tenant, conversationId, (state) => {
    requireAssigneeOrSupervisor(actor, state);
    requireOpen(state);
    const common = {
      type: 'conversation:transferred',
      author: actor.user,
      visibility: 'all',
      previousAssignee: state.assignee,
      fence: state.fence + 1,
      reason: 'transferred',
      ...(note === undefined ? {} : { summary: note }),
    } as const;
    if ('department' in to) {
      requireOpenDepartment(desk, tenant, to.department);
      return { entries: [{ ...common, assignee: null, department: to.department }] };
    }
    if (to.agentId === state.assignee?.id) {
      throw invalidField('to.agentId', `expected somebody else than the assignee, found ${state.assignee.id}`);
    }
    const seat = requireAvailable(desk, tenant, to.agentId);
    return {
      entries: [{ ...common, assignee: seat.user, department: state.department }],
      capacityGuard: { agentId: seat.id, capacity: seat.capacity },
    };
  });
  return changed(desk, caller, result, 0, 'conversation:transferred');
};
