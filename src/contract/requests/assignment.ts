import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import type { Limits } from '../limits.ts';
import { STAFF_AND_BOT } from '../roles.ts';
import { Conversation, conversationId, ENTRIES } from '../schemas.ts';
import { id, text } from '../text.ts';

/** What made somebody the assignee. */
const AssignmentEntry = z.union([ENTRIES['conversation:assigned'], ENTRIES['conversation:transferred']]);

export const assignmentRequests = (limits: Limits) => ({
  'assignment:claim': request({
    title: 'Take a conversation',
    description:
      'Of any number of simultaneous claims one wins. Claiming what is yours already answers with the entry that made it yours.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({ conversationId: conversationId() }),
    reply: z.strictObject({ conversation: Conversation, entry: AssignmentEntry }),
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
  'assignment:assign': request({
    title: 'Assign a conversation',
    description:
      "Gives it to an agent who is online and has room, whoever has it now; or takes it over oneself, whatever one's status. Assigning who is assigned already answers with the entry that made it so.",
    roles: ['supervisor'],
    payload: z.strictObject({ conversationId: conversationId(), agentId: id() }),
    reply: z.strictObject({ conversation: Conversation, entry: AssignmentEntry }),
    errors: ['not_found', 'conversation_closed', 'agent_unavailable', 'capacity_reached'],
    examples: [
      {
        payload: { conversationId: story.CONVERSATION_ID, agentId: story.bob.id },
        reply: {
          conversation: story.conversation(3, { status: 'assigned', assignee: story.bob, fence: 1 }),
          entry: { ...story.assigned, reason: 'assigned' },
        },
      },
    ],
  }),
  'assignment:transfer': request({
    title: 'Hand a conversation over',
    description:
      'To another agent, who is online and has room, or to the queue of another department. Refused, it changes nothing. `note` is for the staff who go on with it.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({
      conversationId: conversationId(),
      to: z.union([z.strictObject({ agentId: id() }), z.strictObject({ department: id() })]),
      note: text(limits.summaryBytes).optional(),
    }),
    reply: z.strictObject({ conversation: Conversation, entry: ENTRIES['conversation:transferred'] }),
    errors: ['not_found', 'conversation_closed', 'stale_fence', 'agent_unavailable', 'capacity_reached'],
    examples: [
      {
        payload: {
          conversationId: story.CONVERSATION_ID,
          to: { agentId: story.cleo.id },
          note: 'Wants a refund.',
        },
        reply: {
          conversation: story.conversation(4, { status: 'assigned', assignee: story.cleo, fence: 2 }),
          entry: story.transferred,
        },
      },
    ],
  }),
  'assignment:accept': request({
    title: 'Accept an offer',
    description: 'The conversation is yours from then on. Accepting again answers with the same entry.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({ conversationId: conversationId(), offerId: id() }),
    reply: z.strictObject({ conversation: Conversation, entry: AssignmentEntry }),
    errors: ['not_found', 'conversation_closed', 'offer_expired', 'capacity_reached'],
    examples: [
      {
        payload: { conversationId: story.CONVERSATION_ID, offerId: story.OFFER_ID },
        reply: {
          conversation: story.conversation(3, { status: 'assigned', assignee: story.bob, fence: 1 }),
          entry: { ...story.routed, author: story.bob },
        },
      },
    ],
  }),
  'assignment:decline': request({
    title: 'Decline an offer',
    description: 'The next agent is asked at once. Nothing changes for the customer, so there is no `entry`.',
    roles: STAFF_AND_BOT,
    payload: z.strictObject({ conversationId: conversationId(), offerId: id() }),
    reply: z.strictObject({ conversation: Conversation }),
    errors: ['not_found', 'conversation_closed', 'offer_expired'],
    examples: [
      {
        payload: { conversationId: story.CONVERSATION_ID, offerId: story.OFFER_ID },
        reply: { conversation: story.conversation(3) },
      },
    ],
  }),
});
