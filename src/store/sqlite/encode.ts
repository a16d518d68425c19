import { DeskwireError } from '../../contract/errors.ts';
import { personKey } from '../../ports/actor.ts';
import { jsonText } from '../../ports/json-text.ts';
import type { AgentRecord, Append, CursorMove, Facts, Open, StoredEntry } from '../../ports/store.ts';
import { columnText } from '../column-text.ts';
import {
  type AgentWrite,
  type AppendExtras,
  type AppendWrite,
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

const extrasOf = ({ facts, amended, capacityGuard }: Append): AppendExtras | null => {
  if (facts === undefined && amended === undefined && capacityGuard === undefined) return null;
  return {
    row: facts === undefined ? null : conversationRow(facts),
    amended: (amended ?? []).map((entry) => ({ seq: entry.seq, body: jsonText(entry) })),
    guard:
      capacityGuard === undefined
        ? null
        : { agentId: columnText(capacityGuard.agentId), capacity: capacityGuard.capacity },
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
