import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import type { Limits } from '../limits.ts';
import { ROLES } from '../roles.ts';
import { Conversation, conversationId, Cursor, ENTRIES, FORMATS, Visibility } from '../schemas.ts';
import { id, metadata, seq, text } from '../text.ts';

/** What a message is made of, wherever it is sent from. */
export const messageFields = (limits: Limits) => ({
  clientMessageId: id().meta({
    description: "The client's own id. Sending it again, at any time, gives the same answer and leaves one message.",
  }),
  text: text(limits.textBytes).optional(),
  format: z.enum(FORMATS).optional().meta({ description: 'Default `plain`.' }),
  attachmentIds: z
    .array(id())
    .max(limits.attachmentsPerMessage)
    .refine((ids) => new Set(ids).size === ids.length, 'expected each attachment once')
    .optional()
    .meta({ description: 'Finished uploads of yours in this conversation; each stands in one message.' }),
  visibility: Visibility.optional().meta({ description: 'Default `all`. `staff` is for staff.' }),
  replyToSeq: seq().min(1).optional(),
  metadata: metadata(limits.metadataBytes).optional(),
});

export const messageRequests = (limits: Limits) => {
  const receipt = {
    payload: z.strictObject({ conversationId: conversationId(), seq: seq() }),
    reply: z.strictObject({ cursor: Cursor }),
    roles: ROLES,
    errors: ['not_found'] as const,
  };
  const receiptExample = {
    payload: { conversationId: story.CONVERSATION_ID, seq: 2 },
    reply: { cursor: { userId: story.bob.id, deliveredSeq: 2, readSeq: 2 } },
  };
  return {
    'message:send': request({
      title: 'Send a message',
      description:
        "Stores a message, then answers. Without `conversationId` it goes to the customer's one open conversation, which is opened if there is none; `conversation` is then part of the answer, and this connection is joined. A message needs a text or an attachment.",
      roles: ROLES,
      payload: z.strictObject({ conversationId: conversationId().optional(), ...messageFields(limits) }),
      reply: z.strictObject({
        entry: ENTRIES['message:created'],
        duplicate: z.boolean(),
        conversation: Conversation.optional(),
      }),
      errors: [
        'not_found',
        'conversation_closed',
        'duplicate_mismatch',
        'stale_fence',
        'quota_exceeded',
        'attachment_incomplete',
      ],
      examples: [
        {
          payload: {
            conversationId: story.CONVERSATION_ID,
            clientMessageId: '5f0c2d1e',
            text: 'Hello, where is my order?',
          },
          reply: { entry: story.created, duplicate: false },
        },
      ],
      pipelined: true,
    }),
    'message:edit': request({
      title: 'Edit a message',
      description:
        'The author changes the text, within `limits.editWindowMs`. The edit is an entry of its own; the message then reads with the new text and `editedAt`.',
      roles: ROLES,
      payload: z.strictObject({ conversationId: conversationId(), messageId: id(), text: text(limits.textBytes, 1) }),
      reply: z.strictObject({ entry: ENTRIES['message:edited'] }),
      errors: ['not_found', 'conversation_closed', 'edit_window_passed', 'stale_fence'],
      examples: [
        {
          payload: {
            conversationId: story.CONVERSATION_ID,
            messageId: story.created.id,
            text: 'Hello, where is my order 1042?',
          },
          reply: { entry: story.edited },
        },
      ],
    }),
    'message:delete': request({
      title: 'Delete a message',
      description:
        'By its author or a supervisor. The text, and those of its edits, are erased; the deletion is an entry of its own.',
      roles: ROLES,
      payload: z.strictObject({ conversationId: conversationId(), messageId: id() }),
      reply: z.strictObject({ entry: ENTRIES['message:deleted'] }),
      errors: ['not_found', 'stale_fence'],
      examples: [
        {
          payload: { conversationId: story.CONVERSATION_ID, messageId: story.created.id },
          reply: { entry: story.deleted },
        },
      ],
    }),
    'message:delivered': request({
      ...receipt,
      title: 'Say how far you have received',
      description: 'Moves your cursor forward, never back.',
      examples: [receiptExample],
    }),
    'message:read': request({
      ...receipt,
      title: 'Say how far you have read',
      description: 'Moves your cursor forward, never back; what is read is delivered.',
      examples: [receiptExample],
    }),
  };
};
