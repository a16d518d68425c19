import type { Verb } from '../desk.ts';

export const listAgents: Verb<'agent:list'> = async (desk, { actor }, { department }) => {
  // What other nodes have told their agents already is in the list.
  await desk.peers.refresh();
  return { agents: desk.agents.list(actor.tenant, department) };
};
