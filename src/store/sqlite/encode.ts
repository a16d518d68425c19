import { DeskwireError } from '../../contract/errors.ts';
import { personKey } from '../../ports/actor.ts';
import { jsonText } from '../../ports/json-text.ts';
import type {
  AgentRecord,
  Append,
  AttachmentRecord,
  BeginAttachment,
  CursorMove,
  Facts,
  Open,
  StoredEntry,
} from '../../ports/store.ts';
import { columnText } from '../column-text.ts';
import {
  type AgentWrite,
  type AppendExtras,
  type AppendWrite,
  type AttachmentColumns,
  type BeginAttachmentWrite,
  type ChangeAttachmentWrite,
  type Column,
  type ConversationRow,
  type CursorWrite,
  type OpenWrite,
  WRITE,
} from './messages.ts';

const optional = (text: string | null | undefined): string | null =>
  text === null || text === undefined ? null : columnText(text);

/** @throws DeskwireError `internal` when the entries don't follow `lastSeq` one by one: a hole would stay for ever. */
const entryColumns = (entries: readonly StoredEntry[], lastSeq: number): Column[] => {
  const columns: Column[] = [];
  let expected = lastSeq;
  for (const entry of entries) {
    expected++;
    if (entry.seq !== expected) {
      throw new DeskwireError('internal', undefined, {
        cause: `found an entry with seq ${String(entry.seq)}, expected ${String(expected)}`,
      });
    }
    columns.push(
      entry.seq,
      entry.visibility === 'staff' ? 1 : 0,
      entry.at,
      entry.author === null ? null : columnText(personKey(entry.author)),
      entry.type === 'message:created' ? columnText(entry.clientMessageId) : null,
      jsonText(entry),
    );
  }
  return columns;
};

const conversationRow = (facts: Facts): ConversationRow => ({
  tenant: columnText(facts.tenant),
  id: columnText(facts.id),
  customerId: columnText(facts.customer.id),
  clientConversationId: optional(facts.clientConversationId),
  status: facts.status,
  assigneeId: optional(facts.assignee?.id),
  department: optional(facts.department),
  createdAt: facts.createdAt,
  facts: JSON.stringify(facts),
  tags: facts.tags.map(columnText),
});

const extrasOf = ({ facts, amended, capacityGuard, attach, detach, entries }: Append): AppendExtras | null => {
  if ((facts ?? amended ?? capacityGuard ?? attach ?? detach) === undefined) return null;
  return {
    row: facts === undefined ? null : conversationRow(facts),
    amended: (amended ?? []).map((entry) => ({ seq: entry.seq, body: jsonText(entry) })),
    guard:
      capacityGuard === undefined
        ? null
        : { agentId: columnText(capacityGuard.agentId), capacity: capacityGuard.capacity },
    attach: attach
      ? {
          ids: attach.attachmentIds.map(columnText),
          seq: attach.seq,
          staff: attach.visibility === 'staff' ? 1 : 0,
        }
      : null,
    detach: detach ? { ids: detach.map(columnText), at: entries[0]?.at ?? '' } : null,
  };
};

export const appendWrite = (write: Append): AppendWrite => [
  WRITE.append,
  columnText(write.tenant),
  columnText(write.conversationId),
  write.expectedSeq,
  optional(write.clientKey?.authorId),
  optional(write.clientKey?.clientMessageId),
  entryColumns(write.entries, write.expectedSeq),
  extrasOf(write),
];

export const openWrite = (write: Open): OpenWrite => [
  WRITE.open,
  conversationRow(write.facts),
  optional(write.clientKey?.authorId),
  optional(write.clientKey?.clientMessageId),
  entryColumns(write.entries, 0),
];

export const cursorWrite = (move: CursorMove): CursorWrite => [
  WRITE.cursor,
  columnText(move.conversationId),
  columnText(move.userId),
  move.deliveredSeq,
  move.readSeq,
  move.publicDeliveredSeq,
  move.publicReadSeq,
];

export const agentWrite = (agent: AgentRecord): AgentWrite => [
  WRITE.agent,
  columnText(agent.tenant),
  columnText(agent.user.id),
  JSON.stringify(agent),
];

/** What counts for quotas. */
const bytesOf = ({ state, content, announced }: AttachmentRecord): number => {
  if (state === 'refused') return 0;
  return content === null ? announced.size : content.size + (content.thumbnail?.size ?? 0);
};

const attachmentColumns = (record: AttachmentRecord): AttachmentColumns => ({
  id: columnText(record.id),
  tenant: columnText(record.tenant),
  conversationId: columnText(record.conversationId),
  uploaderId: columnText(record.uploaderId),
  clientId: columnText(record.clientAttachmentId),
  state: record.state,
  size: bytesOf(record),
  createdAt: record.createdAt,
  expiresAt: record.expiresAt,
  record: JSON.stringify(record),
});

export const beginAttachmentWrite = ({ record, quota }: BeginAttachment): BeginAttachmentWrite => [
  WRITE.beginAttachment,
  attachmentColumns(record),
  quota,
];

export const changeAttachmentWrite = (record: AttachmentRecord, from: string): ChangeAttachmentWrite => [
  WRITE.changeAttachment,
  attachmentColumns(record),
  from,
];
