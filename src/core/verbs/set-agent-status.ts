import { capacityOf, takeWork } from '../agents.ts';
import type { Verb } from '../desk.ts';

export const setAgentStatus: Verb<'agent:status'> = async (desk, { actor }, { status, capacity }) => {
  const { tenant, user } = actor;
  const known = await desk.store.agent(tenant, user.id);
  const agent = {
    tenant,
    user,
    status,
    capacity: capacity ?? known?.capacity ?? null,
    departments: actor.departments,
    skills: actor.skills,
  };
  await desk.store.saveAgent(agent);
  takeWork(desk, actor, status === 'online');
  return {
    status,
    activeCount: await desk.store.activeCount(tenant, user.id),
    capacity: capacityOf(desk.limits, actor, agent),
  };
};
