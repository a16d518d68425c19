/** The people and things of the examples, so that one story runs through the document. */
import type { Agent, Attachment, Conversation, EntryOf, User } from './schemas.ts';

export const ann: User = { id: 'customer-ann', name: 'Ann', role: 'customer' };
export const bob: User = { id: 'agent-bob', name: 'Bob', role: 'agent' };
export const cleo: User = { id: 'agent-cleo', name: 'Cleo', role: 'agent' };
export const bobAtWork: Agent = {
  ...bob,
  status: 'online',
  departments: ['orders'],
  skills: ['german'],
  activeCount: 2,
  capacity: 5,
};
export const OFFER_ID = 'o_t5Kq8Wn2Zp4Xv7Lr';
export const AT = '2026-01-15T09:30:00.000Z';
export const CONVERSATION_ID = 'c_V7bGq2Xw9LkPz4Rt';

const common = { conversationId: CONVERSATION_ID, at: AT, visibility: 'all' } as const;
const entryId = (seq: number) => `${CONVERSATION_ID}-${String(seq)}`;

export const ATTACHMENT_ID = 'a_d3Nf7Qm1Yc9Bs6Hx';
const SHA256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bc2d6d4f6f3f1e7a1c0de';
export const upload = { clientAttachmentId: 'photo-1', name: 'parcel.jpg', size: 183_204, mediaType: 'image/jpeg' };
export const attachment: Attachment = {
  id: ATTACHMENT_ID,
  name: upload.name,
  size: upload.size,
  mediaType: upload.mediaType,
  state: 'ready',
  sha256: SHA256,
  width: 1600,
  height: 1200,
  thumbnail: { width: 320, height: 240, mediaType: 'image/webp', size: 9_120 },
};
export const uploadHash = SHA256;
export const link = {
  url: `/v1/attachments/${ATTACHMENT_ID}?expires=1768473000000&signature=Yk3s`,
  expiresAt: '2026-01-15T10:30:00.000Z',
  thumbnailUrl: `/v1/attachments/${ATTACHMENT_ID}?expires=1768473000000&thumbnail=1&signature=p0Qd`,
};

export const opened: EntryOf<'conversation:opened'> = {
  ...common,
  id: entryId(1),
  seq: 1,
  type: 'conversation:opened',
  author: ann,
  clientConversationId: null,
  customer: ann,
  subject: 'Where is my order?',
  department: null,
  priority: 'normal',
  skills: [],
  metadata: { order: '1042' },
};
export const created: EntryOf<'message:created'> = {
  ...common,
  id: entryId(2),
  seq: 2,
  type: 'message:created',
  author: ann,
  clientMessageId: '5f0c2d1e',
  text: 'Hello, where is my order?',
  format: 'plain',
  attachments: [],
};
export const assigned: EntryOf<'conversation:assigned'> = {
  ...common,
  id: entryId(3),
  seq: 3,
  type: 'conversation:assigned',
  author: bob,
  assignee: bob,
  previousAssignee: null,
  fence: 1,
  reason: 'claimed',
};
export const routed: EntryOf<'conversation:assigned'> = {
  ...assigned,
  author: null,
  reason: 'routed',
  decision: {
    strategy: 'least-busy',
    why: 'the smallest share of capacity in use',
    candidates: [{ agentId: bob.id, activeCount: 1, capacity: 5 }],
    skipped: [{ agentId: cleo.id, reason: 'away' }],
    complete: true,
  },
};
export const released: EntryOf<'conversation:released'> = {
  ...common,
  id: entryId(4),
  seq: 4,
  type: 'conversation:released',
  author: bob,
  assignee: null,
  previousAssignee: bob,
  fence: 2,
  reason: 'released',
};
export const transferred: EntryOf<'conversation:transferred'> = {
  ...common,
  id: entryId(4),
  seq: 4,
  type: 'conversation:transferred',
  author: bob,
  assignee: cleo,
  previousAssignee: bob,
  fence: 2,
  reason: 'transferred',
  department: null,
  summary: 'Wants a refund.',
};
export const edited: EntryOf<'message:edited'> = {
  ...common,
  id: entryId(5),
  seq: 5,
  type: 'message:edited',
  author: ann,
  messageId: created.id,
  text: 'Hello, where is my order 1042?',
};
export const deleted: EntryOf<'message:deleted'> = {
  ...common,
  id: entryId(6),
  seq: 6,
  type: 'message:deleted',
  author: ann,
  messageId: created.id,
};
export const updated: EntryOf<'conversation:updated'> = {
  ...common,
  id: entryId(7),
  seq: 7,
  type: 'conversation:updated',
  author: bob,
  subject: 'Order 1042',
  priority: 'high',
};
export const closed: EntryOf<'conversation:closed'> = {
  ...common,
  id: entryId(8),
  seq: 8,
  type: 'conversation:closed',
  author: bob,
  reason: 'Solved',
  resolutionMs: 480_000,
  firstResponseMs: 21_000,
};
export const reopened: EntryOf<'conversation:reopened'> = {
  ...common,
  id: entryId(9),
  seq: 9,
  type: 'conversation:reopened',
  author: ann,
  fence: 3,
};
export const rated: EntryOf<'conversation:rated'> = {
  ...common,
  id: entryId(10),
  seq: 10,
  type: 'conversation:rated',
  author: ann,
  score: 5,
  comment: 'Quick and kind.',
};

/** The conversation after `entries` of the story. */
export const conversation = (lastSeq: number, change: Partial<Conversation> = {}): Conversation => ({
  id: CONVERSATION_ID,
  clientConversationId: null,
  status: 'queued',
  customer: ann,
  assignee: null,
  department: null,
  priority: 'normal',
  skills: [],
  subject: 'Where is my order?',
  tags: [],
  metadata: { order: '1042' },
  lastSeq,
  fence: 0,
  createdAt: AT,
  updatedAt: AT,
  closedAt: null,
  rating: null,
  queue: null,
  ...change,
});
