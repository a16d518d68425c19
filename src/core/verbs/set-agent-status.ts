import type { Verb } from '../desk.ts';

export const setAgentStatus: Verb<'agent:status'> = async (desk, { actor }, { status, capacity }) => {
  const seat = await desk.agents.setStatus(actor, status, capacity);
  return {
    status,
    activeCount: await desk.store.activeCount(actor.tenant, actor.user.id),
    capacity: seat.capacity,
  };
};
