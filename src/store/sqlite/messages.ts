import type { ErrorCode } from '../../contract/errors.ts';
import type { BeginAttachment } from '../../ports/store.ts';
import type { AttachmentRow } from '../queries/attachments.ts';
import type { AttachmentColumns, ConversationRow } from '../queries/rows.ts';
import type { SchemaVersions } from '../start-error.ts';
import type { StateRow } from '../queries/conversations.ts';

/**
 * What the store and its worker say to each other. Appends are most of it and travel as flat arrays: an object costs
 * a clone of its keys each time.
 */
export type Column = string | number | null;

export const WRITE = {
  append: 0,
  open: 1,
  cursor: 2,
  agent: 3,
  beginAttachment: 4,
  changeAttachment: 5,
  removeAttachment: 6,
  secret: 7,
  revocation: 8,
} as const;

/** Six of them for each entry: seq, staff, at, author's id, client id, body. */
export type EntryColumns = readonly Column[];
export const COLUMNS_PER_ENTRY = 6;

/** What few appends carry. */
export interface AppendExtras {
  row: ConversationRow | null;
  amended: { seq: number; body: string }[];
  guard: { agentId: string; capacity: number } | null;
  attach: AttachWrite | null;
  detach: DetachWrite | null;
}

export interface AttachWrite {
  ids: readonly string[];
  seq: number;
  staff: number;
}
export interface DetachWrite {
  ids: readonly string[];
  at: string;
}

export type AppendWrite = readonly [
  kind: typeof WRITE.append,
  tenant: string,
  conversationId: string,
  expectedSeq: number,
  keyAuthorId: string | null,
  keyClientId: string | null,
  entries: EntryColumns,
  extras: AppendExtras | null,
];
export type OpenWrite = readonly [
  kind: typeof WRITE.open,
  row: ConversationRow,
  keyAuthorId: string | null,
  keyClientId: string | null,
  entries: EntryColumns,
];
export type CursorWrite = readonly [
  kind: typeof WRITE.cursor,
  conversationId: string,
  userId: string,
  deliveredSeq: number,
  readSeq: number,
  publicDeliveredSeq: number,
  publicReadSeq: number,
];
export type AgentWrite = readonly [kind: typeof WRITE.agent, tenant: string, agentId: string, record: string];
export type BeginAttachmentWrite = readonly [
  kind: typeof WRITE.beginAttachment,
  row: AttachmentColumns,
  quota: BeginAttachment['quota'],
];
export type ChangeAttachmentWrite = readonly [
  kind: typeof WRITE.changeAttachment,
  row: AttachmentColumns,
  from: string,
];
export type RemoveAttachmentWrite = readonly [kind: typeof WRITE.removeAttachment, tenant: string, id: string];
export type SecretWrite = readonly [kind: typeof WRITE.secret, name: string, fresh: string];
export type RevocationWrite = readonly [
  kind: typeof WRITE.revocation,
  tenant: string,
  userId: string,
  revokedAt: string,
];
export type Write =
  | AppendWrite
  | OpenWrite
  | CursorWrite
  | AgentWrite
  | BeginAttachmentWrite
  | ChangeAttachmentWrite
  | RemoveAttachmentWrite
  | SecretWrite
  | RevocationWrite;

/** The two outcomes that nearly all writes have are numbers, for the same reason. */
export const COMMITTED = 0;
export const CONFLICT = 1;
export type CursorColumns = readonly [
  deliveredSeq: number,
  readSeq: number,
  publicDeliveredSeq: number,
  publicReadSeq: number,
];
export type Outcome =
  | typeof COMMITTED
  | typeof CONFLICT
  | { kind: 'duplicate'; body: string }
  | { kind: 'exists'; state: StateRow }
  | { kind: 'capacity_reached'; activeCount: number }
  | { kind: 'not_attachable'; attachmentId: string }
  | { kind: 'cursor'; columns: CursorColumns }
  | { kind: 'attachment_exists'; row: AttachmentRow }
  | { kind: 'quota_exceeded'; quota: 'uploads' | 'userBytes' | 'tenantBytes'; used: number }
  | { kind: 'secret'; value: string }
  | Failure;
export interface Failure {
  kind: 'failed';
  code: ErrorCode;
  /** The driver's code, for the log. */
  cause: string;
}

export interface Query {
  readonly sql: string;
  readonly parameters: readonly Column[];
}

/** Queries of one read see the same instant: the worker does one thing at a time and nobody else writes. */
export type Request =
  | { kind: 'batch'; writes: readonly Write[] }
  | { kind: 'read'; queries: readonly Query[] }
  /** For a message of this client id in any unnamed conversation of the customer. */
  | { kind: 'find'; tenant: string; customerId: string; clientId: string }
  | { kind: 'probe' }
  | { kind: 'close' };

/** In the order of the requests, one for each. */
export type Answer =
  | { kind: 'outcomes'; outcomes: readonly Outcome[] }
  | { kind: 'rows'; rows: readonly (readonly unknown[])[] }
  | { kind: 'done' }
  | Failure;

export interface WorkerOptions {
  path: string;
  cachedKeys: number;
  checkpointPages: number;
}

/** The first thing a worker says. */
export type Hello =
  | { kind: 'ready'; from: number; to: number }
  | { kind: 'refused'; message: string; versions: SchemaVersions | undefined };
