import type { Verb } from '../desk.ts';

export const listAgents: Verb<'agent:list'> = (desk, { actor }, { department }) =>
  Promise.resolve({ agents: desk.agents.list(actor.tenant, department) });
