/**
 * The things on the wire. One word each:
 *
 * - **conversation** one support room
 * - **entry** one durable, ordered line of a conversation's log
 * - **seq** an entry's place in its conversation: 1, 2, 3… without holes (a customer's view has holes where staff entries are)
 * - **message** an entry of type `message:created`, as it reads now
 * - **assignee** the agent or bot who answers
 * - **fence** a number that grows with every change of assignee
 * - **cursor** how far a member has received and read
 */
import { z } from 'zod';
import { ERROR_CODES } from './errors.ts';
import { ROLES } from './roles.ts';
import { id, seq, time } from './text.ts';

export const PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const;
export const STATUSES = ['queued', 'assigned', 'closed'] as const;
export const FORMATS = ['plain', 'markdown'] as const;
export const VISIBILITIES = ['all', 'staff'] as const;
export const AGENT_STATUSES = ['online', 'away', 'offline'] as const;
export const ASSIGNMENT_REASONS = [
  'routed',
  'claimed',
  'assigned',
  'transferred',
  'released',
  'agent_disconnected',
  'agent_offline',
  'offer_expired',
  'bot_handoff',
  'inactivity',
] as const;
export const ROUTING_STRATEGIES = ['least-busy', 'round-robin', 'longest-idle', 'manual', 'offer'] as const;
/** Why somebody who works on a conversation's department was no candidate for it. */
export const SKIP_REASONS = ['offline', 'away', 'disconnected', 'full', 'skills', 'passed', 'bot', 'person'] as const;
export const OFFER_OUTCOMES = ['declined', 'expired', 'withdrawn'] as const;
/** What an expected wait rests on. */
export const WAIT_BASES = ['handling_time', 'no_history', 'nobody_online', 'out_of_hours'] as const;
/** What the server itself says in a conversation. */
export const NOTICES = ['out_of_hours', 'inactivity'] as const;
export const ATTACHMENT_STATES = ['checking', 'ready', 'refused'] as const;
export const TYPING_END_REASONS = [
  'stopped',
  'message',
  'left',
  'disconnected',
  'expired',
  'reassigned',
  'closed',
] as const;

export const Priority = z.enum(PRIORITIES).meta({ id: 'Priority' });
export const Visibility = z
  .enum(VISIBILITIES)
  .meta({ id: 'Visibility', description: '`staff`: an internal note, which never reaches a customer or a bot.' });

/** Metadata on its way out: checked when it came in. */
const Metadata = z.record(z.string(), z.json()).meta({ id: 'Metadata', description: 'Free JSON of the client.' });

export const User = z
  .strictObject({ id: z.string(), name: z.string(), role: z.enum(ROLES) })
  .meta({ id: 'User', description: 'A person or program, as others see it.' });
export type User = z.output<typeof User>;

export const Rating = z
  .strictObject({ score: z.int().min(1).max(5), comment: z.string().nullable(), at: time() })
  .meta({ id: 'Rating' });

export const queueFields = {
  position: z.int().min(1).meta({ description: 'Place in the queue of the department: 1 is next.' }),
  estimatedWaitMs: z.int().min(0).nullable().meta({ description: 'null: cannot be said; `basis` says why.' }),
  basis: z.enum(WAIT_BASES).meta({
    description:
      '`handling_time`: the position times the mean time that the last conversations of the department took, divided by the places of its online agents. `no_history`: none has ended since the server started. `nobody_online`: no agent who takes conversations is. `out_of_hours`: the department is closed, until `opensAt`.',
  }),
  opensAt: time().optional(),
};
export const QueuePlace = z.strictObject(queueFields).meta({ id: 'QueuePlace' });
export type QueuePlace = z.output<typeof QueuePlace>;

export const Agent = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    role: z.enum(ROLES),
    status: z
      .enum(AGENT_STATUSES)
      .meta({ description: 'What agent:status said; `offline` once the lease has ended, whatever it said.' }),
    departments: z.array(z.string()),
    skills: z.array(z.string()),
    activeCount: z.int().min(0).meta({ description: 'Conversations assigned now.' }),
    capacity: z.int().min(0),
  })
  .meta({ id: 'Agent', description: 'Somebody who answers, as the staff see him.' });
export type Agent = z.output<typeof Agent>;

export const Decision = z
  .strictObject({
    strategy: z.enum(ROUTING_STRATEGIES),
    why: z.string(),
    candidates: z
      .array(z.strictObject({ agentId: z.string(), activeCount: z.int().min(0), capacity: z.int().min(0) }))
      .meta({ description: 'Who could take it, the best first: the first was chosen. At most ten.' }),
    skipped: z
      .array(z.strictObject({ agentId: z.string(), reason: z.enum(SKIP_REASONS) }))
      .meta({ description: 'Who works on the department and could not take it. At most ten.' }),
    complete: z.boolean().meta({ description: 'Whether both lists name everybody.' }),
  })
  .meta({ id: 'Decision', description: 'Why the router chose this agent. Staff only.' });
export type Decision = z.output<typeof Decision>;

export const Offer = z
  .strictObject({ offerId: z.string(), agent: User, expiresAt: time(), decision: Decision })
  .meta({ id: 'Offer', description: 'A conversation offered to an agent, who accepts or declines. Staff only.' });
export type Offer = z.output<typeof Offer>;

export const Conversation = z
  .strictObject({
    id: z.string(),
    clientConversationId: z
      .string()
      .nullable()
      .meta({ description: "The client's own name for it; null where the server manages the room." }),
    status: z.enum(STATUSES),
    customer: User,
    assignee: User.nullable().meta({ description: 'Who answers; of a closed conversation, who answered last.' }),
    department: z.string().nullable(),
    priority: Priority,
    skills: z.array(z.string()),
    subject: z.string().nullable(),
    tags: z.array(z.string()).meta({ description: 'Labels of the staff; others see an empty list.' }),
    metadata: Metadata,
    lastSeq: seq().meta({ description: 'The last seq that the reader may see.' }),
    fence: seq(),
    createdAt: time(),
    updatedAt: time(),
    closedAt: time().nullable(),
    rating: Rating.nullable(),
    queue: QueuePlace.nullable(),
  })
  .meta({ id: 'Conversation' });
export type Conversation = z.output<typeof Conversation>;

const linkFields = {
  url: z.string().meta({
    description:
      'Where it is downloaded, for `limits.linkMs`. Without DESKWIRE_PUBLIC_URL it is relative to the address of the server.',
  }),
  expiresAt: time().meta({ description: 'When the links end; attachment:link gives new ones.' }),
};

const thumbnailFields = { width: z.int().min(1), height: z.int().min(1), mediaType: z.string(), size: z.int().min(1) };

/** A small picture of an image. */
export const Thumbnail = z
  .strictObject({ ...thumbnailFields, url: linkFields.url.optional() })
  .meta({ id: 'Thumbnail', description: 'A small picture of it.' });

export const Attachment = z
  .strictObject({
    id: z.string(),
    name: z.string().meta({ description: 'For show; never a path.' }),
    size: z.int().min(0),
    mediaType: z.string().meta({ description: 'What the content is, not what its name says.' }),
    state: z.enum(ATTACHMENT_STATES).meta({
      description:
        '`checking`: its hash, its type and a virus scanner are looked at; it can not be sent yet. `ready`: it can. `refused`: nothing of it was kept.',
    }),
    sha256: z.string().optional().meta({
      description:
        'Of what is downloaded: images are kept without what is said of them, where they were taken above all.',
    }),
    width: z.int().min(1).optional(),
    height: z.int().min(1).optional(),
    thumbnail: Thumbnail.optional(),
    url: linkFields.url.optional(),
    expiresAt: linkFields.expiresAt.optional(),
  })
  .meta({ id: 'Attachment', description: 'A file of a message. It has links where it stands in one.' });
export type Attachment = z.output<typeof Attachment>;

export const AttachmentLink = z
  .strictObject({ ...linkFields, thumbnailUrl: z.string().optional() })
  .meta({ id: 'AttachmentLink' });
export type AttachmentLink = z.output<typeof AttachmentLink>;

const entryFields = {
  id: z.string(),
  conversationId: z.string(),
  seq: seq().min(1),
  at: time(),
  author: User.nullable().meta({ description: 'null: the server itself.' }),
  visibility: Visibility,
};

const entry = <T extends string, F extends z.core.$ZodLooseShape>(
  type: T,
  name: string,
  description: string,
  fields: F,
) => z.strictObject({ ...entryFields, type: z.literal(type), ...fields }).meta({ id: name, description });

const assignmentFields = {
  assignee: User.nullable(),
  previousAssignee: User.nullable(),
  fence: seq(),
  reason: z.enum(ASSIGNMENT_REASONS),
  detail: z.string().optional().meta({ description: 'What the one who acted gave as the reason. Staff only.' }),
  summary: z
    .string()
    .optional()
    .meta({ description: 'What the one who hands over wants the next to know. Staff only.' }),
  decision: Decision.optional(),
};

/** The durable facts: what a conversation's log is made of. The event's name is the entry's `type`. */
export const ENTRIES = {
  'conversation:opened': entry(
    'conversation:opened',
    'ConversationOpened',
    'A conversation was opened; always seq 1.',
    {
      clientConversationId: z.string().nullable(),
      customer: User,
      subject: z.string().nullable(),
      department: z.string().nullable(),
      priority: Priority,
      skills: z.array(z.string()),
      metadata: Metadata,
    },
  ),
  'conversation:assigned': entry(
    'conversation:assigned',
    'ConversationAssigned',
    'Somebody answers this conversation from now on.',
    assignmentFields,
  ),
  'conversation:released': entry(
    'conversation:released',
    'ConversationReleased',
    'The assignee gave the conversation back to the queue, or is gone.',
    assignmentFields,
  ),
  'conversation:transferred': entry(
    'conversation:transferred',
    'ConversationTransferred',
    'The conversation was handed to another agent, or to the queue of another department.',
    {
      ...assignmentFields,
      department: z.string().nullable().meta({ description: 'The department from now on.' }),
    },
  ),
  'conversation:updated': entry('conversation:updated', 'ConversationUpdated', 'What was changed, and only that.', {
    subject: z.string().nullable().optional(),
    tags: z.array(z.string()).optional().meta({ description: 'Staff only.' }),
    priority: Priority.optional(),
    metadata: Metadata.optional(),
    offer: Offer.nullable()
      .optional()
      .meta({ description: 'Offered to this agent from now on; null: to nobody. Staff only.' }),
    offerOutcome: z.enum(OFFER_OUTCOMES).optional().meta({ description: 'How the offer before ended. Staff only.' }),
  }),
  'conversation:closed': entry('conversation:closed', 'ConversationClosed', 'The conversation has ended.', {
    reason: z.string().nullable().meta({ description: '`inactivity`: closed by the server.' }),
    resolutionMs: z.int().min(0).optional().meta({ description: 'Since it was opened, or reopened.' }),
    firstResponseMs: z
      .int()
      .min(0)
      .nullable()
      .optional()
      .meta({ description: 'From then to the first answer of a person; null: there was none.' }),
  }),
  'conversation:reopened': entry(
    'conversation:reopened',
    'ConversationReopened',
    'The conversation waits for an assignee again.',
    { fence: seq() },
  ),
  'conversation:rated': entry('conversation:rated', 'ConversationRated', "The customer's verdict; the latest counts.", {
    score: z.int().min(1).max(5),
    comment: z.string().nullable(),
  }),
  'message:created': entry(
    'message:created',
    'MessageCreated',
    'A message, as it reads now: after an edit with the new text and `editedAt`, after a deletion with `text: null` and `deletedAt`.',
    {
      clientMessageId: z.string(),
      text: z.string().nullable(),
      format: z.enum(FORMATS),
      attachments: z.array(Attachment),
      replyToSeq: seq().optional(),
      metadata: Metadata.optional(),
      notice: z.enum(NOTICES).optional().meta({ description: 'The server says this by itself; `author` is null.' }),
      firstResponseMs: z
        .int()
        .min(0)
        .optional()
        .meta({ description: "On a person's first answer: how long the customer waited for it." }),
      editedAt: time().optional(),
      deletedAt: time().optional(),
    },
  ),
  'message:edited': entry(
    'message:edited',
    'MessageEdited',
    'The author changed a message; `text` is null once the message was deleted.',
    {
      messageId: z.string(),
      text: z.string().nullable(),
    },
  ),
  'message:deleted': entry(
    'message:deleted',
    'MessageDeleted',
    'A message was deleted; its text is gone from the log.',
    { messageId: z.string() },
  ),
} as const;

export type EntryType = keyof typeof ENTRIES;
export type EntryOf<T extends EntryType> = z.output<(typeof ENTRIES)[T]>;
export type Entry = { [T in EntryType]: EntryOf<T> }[EntryType];

const entrySchemas = Object.values(ENTRIES) as unknown as readonly [
  (typeof ENTRIES)['conversation:opened'],
  ...(typeof ENTRIES)[EntryType][],
];
export const Entry = z
  .discriminatedUnion('type', entrySchemas)
  .meta({ id: 'Entry', description: 'One durable, ordered line of a conversation.' });

export const Cursor = z
  .strictObject({ userId: z.string(), deliveredSeq: seq(), readSeq: seq() })
  .meta({ id: 'Cursor', description: 'How far a user has received and read.' });
export type Cursor = z.output<typeof Cursor>;

export const Participant = z
  .strictObject({ id: z.string(), name: z.string(), role: z.enum(ROLES), online: z.boolean() })
  .meta({ id: 'Participant' });
export type Participant = z.output<typeof Participant>;

export const Typing = z.strictObject({ user: User, expiresAt: time() }).meta({ id: 'Typing' });
export type Typing = z.output<typeof Typing>;

export const ErrorObjectSchema = z
  .strictObject({
    code: z.enum(ERROR_CODES),
    message: z.string().meta({ description: 'What was found, what was expected, what to do.' }),
    retryable: z.boolean(),
    retryAfterMs: z.int().min(0).optional(),
    details: z.json().optional(),
  })
  .meta({ id: 'Error' });

/** An id as a client sends it back. */
export const conversationId = () => id().meta({ description: 'Id of the conversation.' });
