import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import type { Limits } from '../limits.ts';
import { ROLES, STAFF } from '../roles.ts';
import {
  Conversation,
  conversationId,
  Cursor,
  Entry,
  ENTRIES,
  Participant,
  Priority,
  STATUSES,
  Typing,
} from '../schemas.ts';
import { id, metadata, seq, text } from '../text.ts';
import { messageFields } from './message.ts';

const assigned = story.conversation(3, { status: 'assigned', assignee: story.bob, fence: 1 });

export const conversationRequests = (limits: Limits) => {
  const page = z.int().min(1).max(limits.pageEntries).optional();
  const one = z.strictObject({ conversationId: conversationId() });
  return {
    'conversation:open': request({
      title: 'Open a conversation',
      description:
        'Opens a conversation and joins this connection to it. With `clientConversationId` the client names it: the same name of the same customer is the same conversation, for ever. ' +
        "Without one the server manages it: the customer's one open conversation is found, or a new one opened. `duplicate` says that it was there already; subject and the like are then left as they are. " +
        '`entry` is the message of `message`. Staff open on behalf of `customerId`.',
      roles: ['customer', ...STAFF],
      payload: z.strictObject({
        clientConversationId: id().optional(),
        subject: text(limits.subjectBytes).optional(),
        department: id().optional(),
        priority: Priority.optional().meta({ description: 'Default `normal`.' }),
        skills: z.array(id()).max(32).optional(),
        metadata: metadata(limits.metadataBytes).optional(),
        message: z.strictObject(messageFields(limits)).optional(),
        customerId: id().optional().meta({ description: 'Staff only, and required of them.' }),
      }),
      reply: z.strictObject({
        conversation: Conversation,
        entry: ENTRIES['message:created'].optional(),
        duplicate: z.boolean(),
      }),
      errors: ['duplicate_mismatch', 'conversation_closed', 'not_found', 'quota_exceeded'],
      examples: [
        {
          payload: {
            subject: 'Where is my order?',
            metadata: { order: '1042' },
            message: { clientMessageId: '5f0c2d1e', text: 'Hello, where is my order?' },
          },
          reply: { conversation: story.conversation(2), entry: story.created, duplicate: false },
        },
      ],
    }),
    'conversation:join': request({
      title: 'Follow a conversation',
      description:
        'Without `afterSeq`: the newest `limit` entries, live from then on; `hasMore` says that older ones exist. With `afterSeq`: what follows it; while `hasMore` is true this connection is not yet live: call again from the last seq received. Joining again is harmless. Take the page in the acknowledgement itself, before the next event is handled: after an `await` an event that came in the same read has overtaken it.',
      roles: ROLES,
      payload: z.strictObject({ conversationId: conversationId(), afterSeq: seq().optional(), limit: page }),
      reply: z.strictObject({
        conversation: Conversation,
        entries: z.array(Entry),
        hasMore: z.boolean(),
        cursors: z.array(Cursor),
        participants: z.array(Participant),
        typing: z.array(Typing),
      }),
      errors: ['not_found', 'quota_exceeded'],
      examples: [
        {
          payload: { conversationId: story.CONVERSATION_ID, afterSeq: 1 },
          reply: {
            conversation: assigned,
            entries: [story.created, story.assigned],
            hasMore: false,
            cursors: [{ userId: story.bob.id, deliveredSeq: 2, readSeq: 2 }],
            participants: [
              { ...story.ann, online: true },
              { ...story.bob, online: true },
            ],
            typing: [],
          },
        },
      ],
    }),
    'conversation:leave': request({
      title: 'Stop following',
      description:
        'No more events of this conversation reach this connection. Leaving what was not joined is harmless.',
      roles: ROLES,
      payload: one,
      reply: z.strictObject({}),
      errors: ['not_found'],
      examples: [{ payload: { conversationId: story.CONVERSATION_ID }, reply: {} }],
    }),
    'conversation:get': request({
      title: 'Read a conversation',
      description: 'The conversation as it stands now.',
      roles: ROLES,
      payload: one,
      reply: z.strictObject({ conversation: Conversation }),
      errors: ['not_found'],
      examples: [{ payload: { conversationId: story.CONVERSATION_ID }, reply: { conversation: assigned } }],
    }),
    'conversation:list': request({
      title: 'List conversations',
      description:
        'Newest first. A customer sees his own; staff see the whole tenant. `nextCursor` leads to the next page, null on the last.',
      roles: ['customer', ...STAFF],
      payload: z.strictObject({
        status: z.enum(STATUSES).optional(),
        assignee: id().optional().meta({ description: "`me`, `none`, or an agent's id." }),
        department: id().optional(),
        customerId: id().optional(),
        tag: id().optional().meta({ description: 'Staff only.' }),
        cursor: id().optional(),
        limit: z.int().min(1).max(limits.pageConversations).optional(),
      }),
      reply: z.strictObject({ conversations: z.array(Conversation), nextCursor: z.string().nullable() }),
      errors: [],
      examples: [
        { payload: { status: 'assigned', assignee: 'me' }, reply: { conversations: [assigned], nextCursor: null } },
      ],
    }),
    'conversation:history': request({
      title: 'Read entries',
      description:
        'Entries before `beforeSeq` (the newest of them), or after `afterSeq` (the oldest of them); without either the newest. Always in ascending seq.',
      roles: ROLES,
      payload: z
        .strictObject({
          conversationId: conversationId(),
          beforeSeq: seq().optional(),
          afterSeq: seq().optional(),
          limit: page,
        })
        .refine((value) => value.beforeSeq === undefined || value.afterSeq === undefined, {
          path: ['beforeSeq'],
          message: 'expected beforeSeq or afterSeq, found both',
        }),
      reply: z.strictObject({ entries: z.array(Entry), hasMore: z.boolean() }),
      errors: ['not_found'],
      examples: [
        {
          payload: { conversationId: story.CONVERSATION_ID, beforeSeq: 3 },
          reply: { entries: [story.opened, story.created], hasMore: false },
        },
      ],
    }),
    'conversation:update': request({
      title: 'Change subject, tags, priority or metadata',
      description: 'What is given replaces what was there. A change of tags alone is a staff entry.',
      roles: STAFF,
      payload: z
        .strictObject({
          conversationId: conversationId(),
          subject: text(limits.subjectBytes).nullable().optional(),
          tags: z.array(id().max(64)).max(limits.tagCount).optional(),
          priority: Priority.optional(),
          metadata: metadata(limits.metadataBytes).optional(),
        })
        .refine((value) => Object.keys(value).length > 1, {
          message: 'expected at least one of subject, tags, priority, metadata',
        }),
      reply: z.strictObject({ conversation: Conversation, entry: ENTRIES['conversation:updated'] }),
      errors: ['not_found'],
      examples: [
        {
          payload: { conversationId: story.CONVERSATION_ID, subject: 'Order 1042', priority: 'high' },
          reply: {
            conversation: story.conversation(7, { subject: 'Order 1042', priority: 'high' }),
            entry: story.updated,
          },
        },
      ],
    }),
    'conversation:close': request({
      title: 'Close',
      description: 'Ends the conversation; closing a closed one answers with the entry that closed it.',
      roles: ROLES,
      payload: z.strictObject({ conversationId: conversationId(), reason: text(limits.subjectBytes).optional() }),
      reply: z.strictObject({ conversation: Conversation, entry: ENTRIES['conversation:closed'] }),
      errors: ['not_found', 'stale_fence'],
      examples: [
        {
          payload: { conversationId: story.CONVERSATION_ID, reason: 'Solved' },
          reply: {
            conversation: story.conversation(8, {
              status: 'closed',
              assignee: story.bob,
              fence: 1,
              closedAt: story.AT,
            }),
            entry: story.closed,
          },
        },
      ],
    }),
    'conversation:reopen': request({
      title: 'Reopen',
      description:
        'Puts a closed conversation back into the queue; reopening an open one answers with the entry that opened it last.',
      roles: ROLES,
      payload: one,
      reply: z.strictObject({
        conversation: Conversation,
        entry: z.union([ENTRIES['conversation:reopened'], ENTRIES['conversation:opened']]),
      }),
      errors: ['not_found', 'stale_fence'],
      examples: [
        {
          payload: { conversationId: story.CONVERSATION_ID },
          reply: { conversation: story.conversation(9, { fence: 3 }), entry: story.reopened },
        },
      ],
    }),
    'conversation:rate': request({
      title: 'Rate',
      description:
        'The verdict of the customer whose conversation it is, once it has been closed. A later one replaces it; the same one again changes nothing.',
      roles: ['customer'],
      payload: z.strictObject({
        conversationId: conversationId(),
        score: z.int().min(1).max(5),
        comment: text(limits.subjectBytes).optional(),
      }),
      reply: z.strictObject({ entry: ENTRIES['conversation:rated'] }),
      errors: ['not_found'],
      examples: [
        {
          payload: { conversationId: story.CONVERSATION_ID, score: 5, comment: 'Quick and kind.' },
          reply: { entry: story.rated },
        },
      ],
    }),
  };
};
