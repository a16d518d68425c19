import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import { STAFF_AND_BOT } from '../roles.ts';
import { Agent, AGENT_STATUSES } from '../schemas.ts';
import { id } from '../text.ts';

export const agentRequests = () => ({
  'agent:status': request({
    title: 'Set your availability',
    description:
      'Agents and bots are offline until they say otherwise. The status belongs to the agent, not to the connection, and outlives a reconnect. `online`: new conversations are routed to you. `away`: you keep yours and get no new ones. `offline`: yours go back to the queue. `capacity` replaces the `maxChats` of the token.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({ status: z.enum(AGENT_STATUSES), capacity: z.int().min(0).max(10_000).optional() }),
    reply: z.strictObject({ status: z.enum(AGENT_STATUSES), activeCount: z.int().min(0), capacity: z.int().min(0) }),
    errors: [],
    examples: [
      { payload: { status: 'online', capacity: 5 }, reply: { status: 'online', activeCount: 0, capacity: 5 } },
    ],
  }),
  'agent:list': request({
    title: 'List agents and bots',
    description: 'Everybody of the tenant who is connected or ever set a status, by name; or those of one department.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({ department: id().optional() }),
    reply: z.strictObject({ agents: z.array(Agent) }),
    errors: [],
    examples: [{ payload: { department: 'orders' }, reply: { agents: [story.bobAtWork] } }],
  }),
});
