import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import type { Limits } from '../limits.ts';
import { STAFF_AND_BOT } from '../roles.ts';
import { AGENT_STATUSES, Conversation, conversationId, ENTRIES } from '../schemas.ts';
import { text } from '../text.ts';

export const assignmentRequests = (limits: Limits) => ({
  'agent:status': request({
    title: 'Set your availability',
    description:
      'Agents and bots are offline until they say otherwise. The status belongs to the agent, not to the connection, and outlives a reconnect. `capacity` replaces the `maxChats` of the token.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({ status: z.enum(AGENT_STATUSES), capacity: z.int().min(0).max(10_000).optional() }),
    reply: z.strictObject({ status: z.enum(AGENT_STATUSES), activeCount: z.int().min(0), capacity: z.int().min(0) }),
    errors: [],
    examples: [
      { payload: { status: 'online', capacity: 5 }, reply: { status: 'online', activeCount: 0, capacity: 5 } },
    ],
  }),
  'assignment:claim': request({
    title: 'Take a conversation',
    description:
      'Of any number of simultaneous claims one wins. Claiming what is yours already answers with the entry that made it yours.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({ conversationId: conversationId() }),
    reply: z.strictObject({ conversation: Conversation, entry: ENTRIES['conversation:assigned'] }),
    errors: ['not_found', 'conversation_closed', 'already_assigned', 'capacity_reached'],
    examples: [
      {
        payload: { conversationId: story.CONVERSATION_ID },
        reply: {
          conversation: story.conversation(3, { status: 'assigned', assignee: story.bob, fence: 1 }),
          entry: story.assigned,
        },
      },
    ],
  }),
  'assignment:release': request({
    title: 'Give a conversation back',
    description:
      'The assignee, or a supervisor, puts it back into the queue. `reason` and `summary` are for the staff who go on with it. A bot that released is no longer a member.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({
      conversationId: conversationId(),
      reason: text(limits.subjectBytes).optional(),
      summary: text(limits.summaryBytes).optional(),
    }),
    reply: z.strictObject({ conversation: Conversation, entry: ENTRIES['conversation:released'] }),
    errors: ['not_found', 'conversation_closed', 'stale_fence'],
    examples: [
      {
        payload: { conversationId: story.CONVERSATION_ID, reason: 'End of shift' },
        reply: { conversation: story.conversation(4, { fence: 2 }), entry: story.released },
      },
    ],
  }),
});
