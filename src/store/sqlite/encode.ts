import { jsonText } from '../../ports/json-text.ts';
import type {
  AgentRecord,
  Append,
  AttachmentRecord,
  BeginAttachment,
  CursorMove,
  Open,
  Revocation,
  StoredEntry,
} from '../../ports/store.ts';
import { columnText } from '../column-text.ts';
import { attachmentColumns, conversationRow, entryRows, optionalText } from '../queries/rows.ts';
import {
  type AgentWrite,
  type AppendExtras,
  type AppendWrite,
  type BeginAttachmentWrite,
  type ChangeAttachmentWrite,
  type Column,
  type CursorWrite,
  type OpenWrite,
  type RevocationWrite,
  WRITE,
} from './messages.ts';

const entryColumns = (entries: readonly StoredEntry[], lastSeq: number): Column[] =>
  entryRows(entries, lastSeq).flatMap(({ seq, staff, at, authorId, clientId, body }) => [
    seq,
    staff,
    at,
    authorId,
    clientId,
    body,
  ]);

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
  optionalText(write.clientKey?.authorId),
  optionalText(write.clientKey?.clientMessageId),
  entryColumns(write.entries, write.expectedSeq),
  extrasOf(write),
];

export const openWrite = (write: Open): OpenWrite => [
  WRITE.open,
  conversationRow(write.facts),
  optionalText(write.clientKey?.authorId),
  optionalText(write.clientKey?.clientMessageId),
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

export const revocationWrite = ({ tenant, userId, revokedAt }: Revocation): RevocationWrite => [
  WRITE.revocation,
  columnText(tenant),
  columnText(userId),
  revokedAt,
];

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
