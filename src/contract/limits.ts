/**
 * Every number a client may meet. All are published in `session:ready`, and each can be set by its
 * name in `DESKWIRE_LIMITS`. Units are in the names; a `…Bytes` of text is counted in UTF-8.
 */
interface LimitRow {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  /** What it bounds, what happens there, and what it protects. */
  readonly description: string;
}

const MINUTE_MS = 60_000;

export const LIMITS = {
  textBytes: {
    default: 16_384,
    min: 1,
    max: 1_048_576,
    description: 'Text of one message. A longer one is refused with payload_too_large.',
  },
  previewBytes: {
    default: 2_000,
    min: 0,
    max: 65_536,
    description: 'Preview in typing:start. A longer one is refused with payload_too_large.',
  },
  subjectBytes: {
    default: 500,
    min: 1,
    max: 65_536,
    description: 'Subject of a conversation, reason of a close, comment of a rating.',
  },
  summaryBytes: { default: 8_192, min: 1, max: 1_048_576, description: 'Summary of a hand-over.' },
  metadataBytes: {
    default: 8_192,
    min: 2,
    max: 1_048_576,
    description: 'Metadata, as JSON; at most 8 levels deep. Larger is refused with payload_too_large.',
  },
  tagCount: { default: 32, min: 0, max: 1_000, description: 'Tags of one conversation.' },
  pageEntries: {
    default: 200,
    min: 1,
    max: 1_000,
    description: 'Largest page of entries; asked for with `limit`, 50 by default.',
  },
  pageBytes: {
    default: 524_288,
    min: 1_024,
    max: 16_777_216,
    description: 'A page of entries ends here, but for its first entry; the rest follows with the next page.',
  },
  pageConversations: {
    default: 100,
    min: 1,
    max: 1_000,
    description: 'Largest page of conversations; asked for with `limit`, 50 by default.',
  },
  payloadBytes: {
    default: 262_144,
    min: 1_024,
    max: 16_777_216,
    description: 'One request. A larger one is refused with payload_too_large, unread.',
  },
  frameBytes: {
    default: 16_777_216,
    min: 65_536,
    max: 134_217_728,
    description: 'One transport frame. A larger one ends the connection, before it is held in memory.',
  },
  attachmentsPerMessage: {
    default: 10,
    min: 0,
    max: 100,
    description: 'Attachments of one message; each may be named once.',
  },
  attachmentBytes: {
    default: 26_214_400,
    min: 1,
    max: 1_073_741_824,
    description: 'One attachment. A larger one is refused at attachment:begin with payload_too_large.',
  },
  attachmentNameBytes: { default: 255, min: 1, max: 1_024, description: "An attachment's file name." },
  chunkBytes: {
    default: 65_536,
    min: 1_024,
    max: 1_048_576,
    description: 'One chunk of an upload. Larger ones keep small messages of the same connection waiting.',
  },
  chunksPerSecond: {
    default: 400,
    min: 1,
    max: 1_000_000,
    description:
      'Chunks of one connection in any second, which do not count as requests; beyond it, rate_limited with retryAfterMs.',
  },
  chunksInFlight: {
    default: 4,
    min: 1,
    max: 1_000,
    description: 'Unanswered chunks of one connection; beyond it, rate_limited. Two are enough to keep a line busy.',
  },
  uploadBytesPerSecond: {
    default: 8_388_608,
    min: 1_024,
    max: 1_000_000_000_000,
    description:
      'Bytes of all uploads that one server takes in a second, so that messages stay quick beside them. Chunks are answered later; far beyond it, rate_limited with retryAfterMs.',
  },
  uploadsPerUser: {
    default: 100,
    min: 1,
    max: 100_000,
    description: 'Attachments of one user that stand in no message yet; beyond it, quota_exceeded.',
  },
  attachmentBytesPerUser: {
    default: 1_073_741_824,
    min: 0,
    max: 1_000_000_000_000_000,
    description: 'Bytes of attachments that one user has begun in the last 24 hours; beyond it, quota_exceeded.',
  },
  attachmentBytesPerTenant: {
    default: 1_099_511_627_776,
    min: 0,
    max: 1_000_000_000_000_000,
    description: 'Bytes of attachments that are kept for one tenant; beyond it, quota_exceeded.',
  },
  uploadMs: {
    default: 24 * 60 * MINUTE_MS,
    min: 1_000,
    max: 365 * 24 * 60 * MINUTE_MS,
    description: 'An attachment that stands in no message this long after it was begun, or finished, is removed.',
  },
  linkMs: {
    default: 60 * MINUTE_MS,
    min: 1_000,
    max: 7 * 24 * 60 * MINUTE_MS,
    description: 'A link to an attachment can be used this long; attachment:link gives a new one.',
  },
  imagePixels: {
    default: 64_000_000,
    min: 1,
    max: 1_000_000_000,
    description:
      'Width times height of an image. A larger one is refused with payload_too_large, and is never unpacked.',
  },
  imageFrames: {
    default: 2_000,
    min: 1,
    max: 100_000,
    description: 'Frames of an animated image. One with more is refused with payload_too_large, and is never unpacked.',
  },
  thumbnailPixels: {
    default: 320,
    min: 16,
    max: 2_048,
    description: "Longest side of an image's thumbnail.",
  },
  typingMs: {
    default: 6_000,
    min: 500,
    max: MINUTE_MS,
    description: 'Typing ends by itself after this long without another typing:start.',
  },
  typingRepeatMs: {
    default: 1_000,
    min: 0,
    max: MINUTE_MS,
    description: 'A repeated typing:start is announced again at most this often.',
  },
  editWindowMs: {
    default: 15 * MINUTE_MS,
    min: 0,
    max: 365 * 24 * 60 * MINUTE_MS,
    description: 'A message can be edited this long after it was sent; then edit_window_passed.',
  },
  nodeLeaseMs: {
    default: 5_000,
    min: 1_000,
    max: 10 * MINUTE_MS,
    description:
      'A node of which nothing is heard counts as dead after at most this long; others take over what it did for all of them.',
  },
  agentLeaseMs: {
    default: 10_000,
    min: 1_000,
    max: 10 * MINUTE_MS,
    description:
      'An agent of whom nothing is heard counts as gone after at most this long; the conversations go back to the queue.',
  },
  offerMs: {
    default: 30_000,
    min: 500,
    max: 60 * MINUTE_MS,
    description: 'An offered conversation goes to the next agent if it is not accepted by then.',
  },
  passMs: {
    default: 2 * MINUTE_MS,
    min: 0,
    max: 24 * 60 * MINUTE_MS,
    description:
      'An agent who declined a conversation, let the offer expire or gave it back is not chosen for it again this long; each further time doubles it, up to 32 times.',
  },
  queueUpdateMs: {
    default: 1_000,
    min: 50,
    max: MINUTE_MS,
    description: 'Places in a queue are told (queue:updated) at most this often.',
  },
  inactivityRemindMs: {
    default: 0,
    min: 0,
    max: 365 * 24 * 60 * MINUTE_MS,
    description: 'A customer silent this long after an answer is reminded; 0: never.',
  },
  inactivityCloseMs: {
    default: 0,
    min: 0,
    max: 365 * 24 * 60 * MINUTE_MS,
    description:
      'A conversation is closed this long after the reminder (or after the answer, without reminders), if the customer stays silent; 0: never.',
  },
  agentCapacity: {
    default: 10,
    min: 0,
    max: 10_000,
    description:
      'Conversations one agent can hold, unless the token (maxChats) or agent:status says otherwise; beyond it, capacity_reached.',
  },
  sessionExpiringMs: {
    default: MINUTE_MS,
    min: 0,
    max: 60 * MINUTE_MS,
    description: 'session:expiring is sent this long before the token expires.',
  },
  requestTimeoutMs: {
    default: 10_000,
    min: 100,
    max: 10 * MINUTE_MS,
    description: 'A request not answered by then is answered with timeout.',
  },
  requestsPerSecond: {
    default: 100,
    min: 1,
    max: 1_000_000,
    description: 'Requests of one connection in any second; beyond it, rate_limited with retryAfterMs.',
  },
  requestsInFlight: {
    default: 256,
    min: 1,
    max: 100_000,
    description: 'Unanswered requests of one connection; beyond it, rate_limited.',
  },
  conversationsPerConnection: {
    default: 1_000,
    min: 1,
    max: 1_000_000,
    description: 'Conversations one connection can have joined; beyond it, quota_exceeded.',
  },
  connectionsPerUser: {
    default: 100,
    min: 1,
    max: 1_000_000,
    description:
      'Connections of one user on a node; one beyond it is closed once its token is read, and a stock client comes back for it until there is room.',
  },
  connectionsPerAddress: {
    default: 2_000,
    min: 1,
    max: 10_000_000,
    description: 'Connections from one network address; beyond it, HTTP 429 with Retry-After.',
  },
  handshakesPerSecond: {
    default: 200,
    min: 1,
    max: 1_000_000,
    description: 'Handshakes from one network address in any second; beyond it, HTTP 429 with Retry-After.',
  },
  slowReaderBytes: {
    default: 1_048_576,
    min: 65_536,
    max: 134_217_728,
    description:
      'Bytes waiting for one connection beyond which it gets no ephemeral events, and is closed after slowReaderMs; at four times as many it is closed at once.',
  },
  slowReaderMs: {
    default: 5_000,
    min: 500,
    max: MINUTE_MS,
    description: 'How long a connection may stay beyond slowReaderBytes before it is closed.',
  },
} as const satisfies Record<string, LimitRow>;

export type LimitName = keyof typeof LIMITS;
export const LIMIT_NAMES = Object.keys(LIMITS) as LimitName[];
export type Limits = Readonly<Record<LimitName, number>>;

export const DEFAULT_LIMITS: Limits = Object.freeze(
  Object.fromEntries(LIMIT_NAMES.map((name) => [name, LIMITS[name].default])) as Record<LimitName, number>,
);

/** Entries or conversations in a page when the client does not say. */
export const DEFAULT_PAGE = 50;
