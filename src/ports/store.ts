import type { Conversation, Cursor, EntryOf, EntryType, Offer, User } from '../contract/schemas.ts';
import type { ErrorCode } from '../contract/errors.ts';
import type { Audience } from '../contract/roles.ts';
import type { Metadata } from '../contract/text.ts';

/**
 * The log and what is derived from it.
 *
 * In the contract:
 * - Group commit: writes that arrive while a commit is under way are committed together, as few transactions as their kinds allow. A
 *   write resolves after its commit, never before, and those to one conversation's log take effect and resolve in the order in which they were made.
 * - A conversation's seq has no holes and no doubles: a write whose `expectedSeq` is not the conversation's
 *   last seq changes nothing and resolves as `conflict`.
 * - A client id is used once for ever: a write whose `clientKey` stands in the log changes nothing and resolves
 *   as `duplicate`, with the entry it made then. This is decided before `expectedSeq` is looked at.
 * - Each write is done wholly or not at all, together with the conversation's state and tags.
 * - A read sees every write that had resolved when the read was made.
 * - When the store can't be reached, every call rejects with a DeskwireError `unavailable` and nothing was kept;
 *   when it is not known whether a write was kept, it rejects with `timeout`.
 *
 * Not in the contract: who may do what, what an entry means, and the order of writes to different conversations
 * made by different processes.
 */
export interface Store {
  /** Appends to a conversation that exists. */
  append(write: Append): Promise<AppendOutcome>;
  /** Opens a conversation with its first entries. */
  open(write: Open): Promise<OpenOutcome>;
  /** Moves a cursor forward, never back, and gives it as it stands then. */
  moveCursor(move: CursorMove): Promise<CursorRecord>;
  /** What is learned of somebody. Where other processes write, one whose status is newer stays as it is. */
  saveAgent(agent: AgentRecord): Promise<void>;
  /**
   * What somebody says of himself, which counts from now on: where another process has written one that has a later `statusAt`, because it
   * came first or its clock runs ahead, this one's is moved behind it. Gives it as it stands.
   */
  sayStatus(agent: AgentRecord): Promise<AgentRecord>;
  /** Of one person's the latest stays. */
  saveRevocation(revocation: Revocation): Promise<void>;

  conversation(tenant: string, conversationId: string): Promise<ConversationState | null>;
  /** The open conversation of the customer that has no client id, the newest if there are several. */
  currentConversation(tenant: string, customerId: string): Promise<ConversationState | null>;
  /** By the name that the client gave it. */
  namedConversation(
    tenant: string,
    customerId: string,
    clientConversationId: string,
  ): Promise<ConversationState | null>;
  listConversations(query: ConversationQuery): Promise<ConversationPage>;
  /** A page of what is not closed, of all tenants, in the order of opening. */
  openConversations(query: { cursor?: string | undefined; limit: number }): Promise<ConversationPage>;

  /** A page in ascending seq. `lastSeq` is the conversation's, of the same instant as the page; null when there is none such. */
  entries(query: EntryQuery): Promise<EntryPage | null>;
  entry(conversationId: string, seq: number): Promise<StoredEntry | null>;
  /** The message that a client id made, in one conversation, or (without one) in any unnamed conversation of the customer. */
  messageByClientId(query: ClientIdQuery): Promise<StoredEntry<'message:created'> | null>;
  /** The last seq at or before `seq` that everybody may see; 0 if there is none. */
  publicSeqAt(conversationId: string, seq: number): Promise<number>;
  /** Last seqs, for those of the conversations that exist. */
  heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, number>>;

  cursors(conversationId: string): Promise<CursorRecord[]>;
  /** Of all tenants. */
  agents(): Promise<AgentRecord[]>;
  /** Of all tenants. */
  revocations(): Promise<Revocation[]>;
  /** How many conversations are assigned to the agent now. */
  activeCount(tenant: string, agentId: string): Promise<number>;

  /** Begins an attachment, unless its client id has begun one before or a quota is used up. */
  beginAttachment(write: BeginAttachment): Promise<BeginOutcome>;
  /** Of any tenant: who asks makes sure that it is his. */
  attachment(attachmentId: string): Promise<AttachmentRecord | null>;
  /** Replaces the record if it is in the state `from` and in no message; false, and nothing changed, when it is not. */
  changeAttachment(change: { record: AttachmentRecord; from: AttachmentRecord['state'] }): Promise<boolean>;
  /** Deletes the record, and gives its bytes back to the tenant, unless it stands in a message. */
  removeAttachment(record: Pick<AttachmentRecord, 'tenant' | 'id'>): Promise<boolean>;
  /** Those whose time is over, the first first. */
  expiredAttachments(query: { now: string; limit: number }): Promise<AttachmentRecord[]>;
  /** Which of these ids, of any tenant, have a record. */
  knownAttachments(ids: readonly string[]): Promise<ReadonlySet<string>>;

  /** A secret that all who use this store share: the one of this name, or `fresh` if there was none. */
  secret(name: string, fresh: string): Promise<string>;

  /** Whether the store can serve: undefined, or the reason why not. */
  health(): Promise<string | undefined>;
  /** Commits what is under way, then closes. Calls made later reject with `unavailable`. */
  close(): Promise<void>;
}

/** What only the log's keeper needs to know of an entry; never sent. */
interface MessageInternals {
  /** Hash of the message as it was sent, kept once an edit or a deletion changed it: see core/message-content. */
  sentHash?: string;
  /** Seqs of the entries that changed it. */
  editSeqs?: number[];
  deleteSeq?: number;
}

/** An entry as the log keeps it. */
export type StoredEntry<T extends EntryType = EntryType> = T extends 'message:created'
  ? EntryOf<T> & MessageInternals
  : EntryOf<T>;

/** Where a conversation's log stands: what every entry changes. Derived from the entries, not stored beside them. */
export interface Positions {
  lastSeq: number;
  /** The last seq that everybody may see. */
  publicSeq: number;
  updatedAt: string;
  /** `at` of the entry at `publicSeq`. */
  publicUpdatedAt: string;
}

/** What rare entries change: stored with the conversation, in the transaction of the entry that changed it. */
export interface Facts extends Pick<
  Conversation,
  | 'id'
  | 'clientConversationId'
  | 'status'
  | 'customer'
  | 'assignee'
  | 'department'
  | 'priority'
  | 'skills'
  | 'subject'
  | 'tags'
  | 'fence'
  | 'createdAt'
  | 'closedAt'
> {
  tenant: string;
  metadata: Metadata;
  rating: Conversation['rating'];
  /** Ids of those who were assigned before and are not now. */
  formerAssignees: string[];
  /** When it was opened, or reopened last: its age in the queue, and what the times of the desk are counted from. */
  openedAt: string;
  /** When the assignee got it; null: nobody is assigned. */
  assignedAt: string | null;
  /** From openedAt to the first answer of a person since then. */
  firstResponseMs: number | null;
  /** The standing offer. */
  offer: Offer | null;
  /** Who declined it, let an offer of it expire or gave it back since it was opened: when last, and how often. */
  passedBy: { agentId: string; at: string; count: number }[];
  /** A bot handed it over: from then on it is for people. */
  handedOff: boolean;
  /** Seq of the last entry that changed any of this; 0 where it was not noted yet. */
  factsSeq: number;
  /** Seqs of the last entries of their kind; 0: none yet. */
  openedSeq: number;
  closedSeq: number;
  assignedSeq: number;
  ratedSeq: number;
}

/** A conversation: the fold of its entries. */
export interface ConversationState extends Facts, Positions {}

/** A message's client id. `authorId` is the author's personKey. */
export interface ClientKey {
  authorId: string;
  clientMessageId: string;
}

export interface Append {
  tenant: string;
  conversationId: string;
  /** Seq of the last entry that the writer knows; the entries follow it. */
  expectedSeq: number;
  /**
   * Given when the entries rest on the facts alone: a store that other processes write to takes them at the end of the log, wherever that is,
   * if no later entry than this one has changed facts. Their seqs and ids are then those of the place where they stand. Not with facts,
   * amended, guard, attachments.
   */
  restsOnFacts?: number | undefined;
  entries: readonly StoredEntry[];
  clientKey?: ClientKey | undefined;
  /** Given when the entries change more than positions. */
  facts?: Facts | undefined;
  /** Entries that read otherwise from now on (after an edit or a deletion), whole. */
  amended?: readonly StoredEntry[] | undefined;
  /** Refuses the write unless the agent has fewer than `capacity` assigned conversations. */
  capacityGuard?: { agentId: string; capacity: number } | undefined;
  /**
   * Shared by writes that were decided one on the other before those before them were committed. The store sets it to broken with the first
   * that is not committed, and the rest are conflicts: an entry of another process may stand where they expect one of theirs.
   */
  chain?: { broken: boolean } | undefined;
  /** Attachments that stand in the message at `seq` from now on: refused unless each is ready, in no message, and of this conversation. */
  attach?: { attachmentIds: readonly string[]; seq: number; visibility: StoredEntry['visibility'] } | undefined;
  /** Attachments that stood in a message which is deleted: gone from now on, and expired. */
  detach?: readonly string[] | undefined;
}

export type AppendOutcome =
  /** `firstSeq`: where the first entry stands, when that is not where the write said. */
  | { kind: 'committed'; firstSeq?: number }
  | { kind: 'duplicate'; entry: StoredEntry<'message:created'> }
  | { kind: 'conflict' }
  | { kind: 'capacity_reached'; activeCount: number }
  | { kind: 'not_attachable'; attachmentId: string };

export interface Open {
  facts: Facts;
  entries: readonly StoredEntry[];
  clientKey?: ClientKey;
}

/**
 * `exists`: the customer has a conversation of this name, or, when it has no name, an open one without a name.
 * `duplicate`: the client id stands in one of the customer's unnamed conversations.
 */
export type OpenOutcome =
  | { kind: 'committed' }
  | { kind: 'exists'; state: ConversationState }
  | { kind: 'duplicate'; entry: StoredEntry<'message:created'> };

export interface EntryQuery {
  conversationId: string;
  audience: Audience;
  /** Entries after it, the oldest first. */
  afterSeq?: number;
  /** Entries before it, the newest of them. Neither: the newest. */
  beforeSeq?: number;
  limit: number;
  /** The page ends before it has more bytes of JSON than this, but for its first entry. @default no bound */
  maxBytes?: number;
  /** @default false */
  withCursors?: boolean;
}
export interface EntryPage {
  entries: StoredEntry[];
  /** The conversation's, of the same instant; none where they were not asked for. */
  cursors: CursorRecord[];
  /** More of the same audience beyond the page: after it with `afterSeq`, else before it. */
  hasMore: boolean;
  lastSeq: number;
}

export interface ClientIdQuery extends ClientKey {
  tenant: string;
  conversationId?: string;
}

export interface ConversationQuery {
  tenant: string;
  status?: Conversation['status'] | undefined;
  /** An agent's id; null: nobody. */
  assigneeId?: string | null | undefined;
  department?: string | undefined;
  customerId?: string | undefined;
  tag?: string | undefined;
  /** From an earlier page: the id of its last conversation. After one that the tenant does not have there is nothing. */
  cursor?: string | undefined;
  limit: number;
}
export interface ConversationPage {
  conversations: ConversationState[];
  nextCursor: string | null;
}

/** A cursor, its `userId` a personKey, with what those may see of it who don't see staff entries. */
export interface CursorRecord extends Cursor {
  publicDeliveredSeq: number;
  publicReadSeq: number;
}
export interface CursorMove extends CursorRecord {
  conversationId: string;
}

export interface AgentRecord {
  tenant: string;
  user: User;
  status: 'online' | 'away' | 'offline';
  /** When he said so. What was assigned to somebody before he went offline is to be given back, what he claimed since is not. */
  statusAt: string;
  /** Set with agent:status; null: the token's, or the limit's. */
  capacity: number | null;
  /** The `maxChats` of the last token; null: it had none. */
  maxChats: number | null;
  departments: readonly string[];
  skills: readonly string[];
  /** Not gone when last heard of: with the next start he has the time of a lease to come back in. */
  present: boolean;
}

/** Tokens of a `sub` that are not to be taken any more: those that were issued until then. */
export interface Revocation {
  tenant: string;
  userId: string;
  revokedAt: string;
}

/** What was found when an attachment was finished. */
export interface AttachmentContent {
  size: number;
  mediaType: string;
  sha256: string;
  width?: number;
  height?: number;
  thumbnail?: { width: number; height: number; mediaType: string; size: number };
}

/** A file on its way into a message, or in one. */
export interface AttachmentRecord {
  id: string;
  tenant: string;
  conversationId: string;
  /** personKey of who began it. */
  uploaderId: string;
  clientAttachmentId: string;
  name: string;
  /** As attachment:begin said. */
  announced: { size: number; mediaType: string | null; sha256: string | null };
  /**
   * `receiving` until it is finished; `refused` keeps the refusal and no bytes; `gone`: its message was deleted, or its time is over,
   * and what is left of it is being removed.
   */
  state: 'receiving' | 'ready' | 'refused' | 'gone';
  content: AttachmentContent | null;
  refusal: { code: ErrorCode; message: string; details?: unknown } | null;
  createdAt: string;
  /** When it is removed; null: it stands in a message. */
  expiresAt: string | null;
  /** The message that it stands in. Set by Append alone. */
  message: { seq: number; visibility: StoredEntry['visibility'] } | null;
}

export interface BeginAttachment {
  record: AttachmentRecord;
  quota: {
    /** Attachments of the uploader that stand in no message. */
    uploads: number;
    /** Bytes of the uploader's since `since`. */
    userBytes: number;
    since: string;
    tenantBytes: number;
  };
}

export type BeginOutcome =
  | { kind: 'begun' }
  | { kind: 'exists'; record: AttachmentRecord }
  | { kind: 'quota_exceeded'; quota: 'uploads' | 'userBytes' | 'tenantBytes'; used: number };
