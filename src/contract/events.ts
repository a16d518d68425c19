import { z } from 'zod';
import { event } from './define.ts';
import * as story from './examples.ts';
import { LIMIT_NAMES, DEFAULT_LIMITS, type LimitName } from './limits.ts';
import { ROLES } from './roles.ts';
import {
  Agent,
  Attachment,
  Conversation,
  ENTRIES,
  ErrorObjectSchema,
  queueFields,
  TYPING_END_REASONS,
  User,
} from './schemas.ts';
import { seq, time } from './text.ts';

const limitShape = Object.fromEntries(LIMIT_NAMES.map((name) => [name, z.number()])) as Record<LimitName, z.ZodNumber>;
export const LimitsSchema = z
  .strictObject(limitShape)
  .meta({ id: 'Limits', description: 'Every number a client may meet.' });

const inConversation = { conversationId: z.string() };

/** Durable: the entries themselves. */
export const FACTS = {
  'conversation:opened': event({
    kind: 'fact',
    title: 'Opened',
    description: 'Also to the online agents of the department, joined or not.',
    payload: ENTRIES['conversation:opened'],
    examples: [story.opened],
  }),
  'conversation:assigned': event({
    kind: 'fact',
    title: 'Assigned',
    description: 'Also to every connection of the agents concerned, joined or not.',
    payload: ENTRIES['conversation:assigned'],
    examples: [story.assigned],
  }),
  'conversation:released': event({
    kind: 'fact',
    title: 'Released',
    description:
      'Also to every connection of the agents concerned and to the online agents of the department, joined or not.',
    payload: ENTRIES['conversation:released'],
    examples: [story.released],
  }),
  'conversation:transferred': event({
    kind: 'fact',
    title: 'Transferred',
    description:
      'Also to every connection of the agents concerned and, when it waits, to the online agents of the department, joined or not.',
    payload: ENTRIES['conversation:transferred'],
    examples: [story.transferred],
  }),
  'conversation:updated': event({
    kind: 'fact',
    title: 'Updated',
    description: 'Subject, tags, priority or metadata changed.',
    payload: ENTRIES['conversation:updated'],
    examples: [story.updated],
  }),
  'conversation:closed': event({
    kind: 'fact',
    title: 'Closed',
    description: 'No more messages.',
    payload: ENTRIES['conversation:closed'],
    examples: [story.closed],
  }),
  'conversation:reopened': event({
    kind: 'fact',
    title: 'Reopened',
    description: 'Waits for an assignee again. Also to the online agents of the department, joined or not.',
    payload: ENTRIES['conversation:reopened'],
    examples: [story.reopened],
  }),
  'conversation:rated': event({
    kind: 'fact',
    title: 'Rated',
    description: 'The customer gave a verdict.',
    payload: ENTRIES['conversation:rated'],
    examples: [story.rated],
  }),
  'message:created': event({
    kind: 'fact',
    title: 'Message',
    description: 'A message was stored. Its sender gets it too: the stream of a member is complete.',
    payload: ENTRIES['message:created'],
    examples: [story.created],
  }),
  'message:edited': event({
    kind: 'fact',
    title: 'Message edited',
    description: 'Show the message with this text.',
    payload: ENTRIES['message:edited'],
    examples: [story.edited],
  }),
  'message:deleted': event({
    kind: 'fact',
    title: 'Message deleted',
    description: 'Take the message away.',
    payload: ENTRIES['message:deleted'],
    examples: [story.deleted],
  }),
} as const;

export const EPHEMERAL = {
  'typing:started': event({
    kind: 'ephemeral',
    title: 'Typing',
    description: 'Somebody else is typing. A preview is shown to staff only.',
    payload: z.strictObject({ ...inConversation, user: User, preview: z.string().optional(), expiresAt: time() }),
    examples: [{ conversationId: story.CONVERSATION_ID, user: story.ann, expiresAt: story.AT }],
  }),
  'typing:stopped': event({
    kind: 'ephemeral',
    title: 'Typing ended',
    description: 'Follows every typing:started.',
    payload: z.strictObject({ ...inConversation, user: User, reason: z.enum(TYPING_END_REASONS) }),
    examples: [{ conversationId: story.CONVERSATION_ID, user: story.ann, reason: 'message' }],
  }),
  'participant:joined': event({
    kind: 'ephemeral',
    title: 'Somebody is here',
    description:
      "A user's first connection joined. Staff who are not the assignee are shown to staff only, supervisors who watch to nobody.",
    payload: z.strictObject({ ...inConversation, user: User }),
    examples: [{ conversationId: story.CONVERSATION_ID, user: story.bob }],
  }),
  'participant:left': event({
    kind: 'ephemeral',
    title: 'Somebody left',
    description: "A user's last connection left.",
    payload: z.strictObject({ ...inConversation, user: User }),
    examples: [{ conversationId: story.CONVERSATION_ID, user: story.bob }],
  }),
  'receipt:updated': event({
    kind: 'ephemeral',
    title: 'Received or read',
    description: 'A cursor moved.',
    payload: z.strictObject({ ...inConversation, userId: z.string(), deliveredSeq: seq(), readSeq: seq() }),
    examples: [{ conversationId: story.CONVERSATION_ID, userId: story.bob.id, deliveredSeq: 2, readSeq: 2 }],
  }),
  'queue:updated': event({
    kind: 'ephemeral',
    title: 'Place in the queue',
    description:
      "The place, or what the expected wait rests on, has changed: also when nobody is online any more, and when somebody is again. Told at most every `limits.queueUpdateMs`, and far from the head only when it changed by a twentieth. After a refresh it is the conversation's `queue`.",
    payload: z.strictObject({ ...inConversation, ...queueFields }),
    examples: [
      { conversationId: story.CONVERSATION_ID, position: 2, estimatedWaitMs: 90_000, basis: 'handling_time' },
      { conversationId: story.CONVERSATION_ID, position: 1, estimatedWaitMs: null, basis: 'nobody_online' },
    ],
  }),
  'agent:presence': event({
    kind: 'ephemeral',
    title: 'Presence of an agent',
    description: 'Status, capacity, departments or skills of an agent changed. To all staff and bots of the tenant.',
    payload: z.strictObject({ agent: Agent }),
    examples: [{ agent: story.bobAtWork }],
  }),
  'assignment:offered': event({
    kind: 'ephemeral',
    title: 'A conversation is offered to you',
    description:
      'Accept or decline it before `expiresAt`; then it goes to the next. Sent again to a connection that comes while the offer stands.',
    payload: z.strictObject({ offerId: z.string(), conversation: Conversation, expiresAt: time() }),
    examples: [{ offerId: story.OFFER_ID, conversation: story.conversation(2), expiresAt: story.AT }],
  }),
  'attachment:updated': event({
    kind: 'ephemeral',
    title: 'A file has been checked',
    description:
      'To the connections of its uploader, when attachment:finish was answered before that was over: `ready`, or `refused` with the error. Repeating attachment:finish tells the same.',
    payload: z.strictObject({ ...inConversation, attachment: Attachment, error: ErrorObjectSchema.optional() }),
    examples: [{ conversationId: story.CONVERSATION_ID, attachment: story.attachment }],
  }),
} as const;

/** Version of this protocol, in session:ready. */
export const PROTOCOL_VERSION = 1;

export const SESSION = {
  'session:ready': event({
    kind: 'session',
    title: 'Signed in',
    description: 'The first event of every connection.',
    payload: z.strictObject({
      userId: z.string(),
      role: z.enum(ROLES),
      tenant: z.string(),
      name: z.string(),
      sessionId: z.string(),
      protocol: z.literal(PROTOCOL_VERSION),
      serverTime: time(),
      tokenExpiresAt: time(),
      limits: LimitsSchema,
      attachmentTypes: z
        .array(z.string())
        .meta({ description: 'Media types that are accepted, such as `image/png` or `image/*`.' }),
    }),
    examples: [
      {
        userId: story.ann.id,
        role: 'customer',
        tenant: 'default',
        name: 'Ann',
        sessionId: 'q1Zx8mPw3RtYu6Ks',
        protocol: 1,
        serverTime: story.AT,
        tokenExpiresAt: story.AT,
        limits: { ...DEFAULT_LIMITS },
        attachmentTypes: ['image/png', 'application/pdf'],
      },
    ],
  }),
  'session:expiring': event({
    kind: 'session',
    title: 'The token is about to expire',
    description: 'Send session:refresh with a new one.',
    payload: z.strictObject({ tokenExpiresAt: time() }),
    examples: [{ tokenExpiresAt: story.AT }],
  }),
  'session:ended': event({
    kind: 'session',
    title: 'The session is over',
    description:
      'The connection is closed next. `reconnect`: whether to connect again, with a new token; else stay away until its bearer has signed in anew.',
    payload: z.strictObject({ code: z.enum(['token_expired', 'token_revoked']), reconnect: z.boolean() }),
    examples: [{ code: 'token_expired', reconnect: true }],
  }),
  'server:draining': event({
    kind: 'session',
    title: 'The server is shutting down',
    description: 'Connect again after `reconnectAfterMs`; stock clients do so by themselves.',
    payload: z.strictObject({ reconnectAfterMs: z.int().min(0) }),
    examples: [{ reconnectAfterMs: 1_200 }],
  }),
  'request:failed': event({
    kind: 'session',
    title: 'A request without acknowledgement failed',
    description: 'Sent only when the request asked for no acknowledgement.',
    payload: z.strictObject({ event: z.string(), error: ErrorObjectSchema }),
    examples: [
      {
        event: 'message:send',
        error: { code: 'not_found', message: 'No such thing, or none that you may see.', retryable: false },
      },
    ],
  }),
} as const;

export const EVENTS = { ...FACTS, ...EPHEMERAL, ...SESSION } as const;
