import { columnText, fromColumnText } from '../column-text.ts';
import { jsonText } from '../../ports/json-text.ts';
import type { Append, AppendOutcome } from '../../ports/store.ts';
import { type BodyRow, messageOf } from '../queries/entries.ts';
import { type ConversationRow, type EntryRow, conversationRow, entryRows } from '../queries/rows.ts';
import { entriesAt, hasTail } from './floating.ts';
import { jsonArray, numberArray, textArray } from './array-text.ts';
import type { Statement } from './connect.ts';
import type { Run } from './database.ts';
import { type HeadRow, insertEntries, lockFor, lockHead, messageByKey } from './entry-statements.ts';
import { StoreFailure } from './failures.ts';
import type { PlainAppend } from './pending.ts';

/** An append as columns. */
export interface AppendRow {
  readonly tenant: string;
  readonly conversationId: string;
  readonly expectedSeq: number;
  readonly restsOnFacts: number | undefined;
  readonly entries: readonly EntryRow[];
  readonly key: { readonly authorId: string; readonly clientId: string } | null;
  readonly facts: ConversationRow | null;
  readonly amended: readonly { readonly seq: number; readonly body: string }[];
  readonly guard: { readonly agentId: string; readonly capacity: number } | null;
  readonly attach: { readonly ids: readonly string[]; readonly seq: number; readonly staff: number } | null;
  readonly detach: { readonly ids: readonly string[]; readonly at: string } | null;
}

/** @throws DeskwireError `internal` when the entries don't follow one another */
export const appendRow = (write: Append): AppendRow => {
  const { clientKey, facts, amended = [], capacityGuard, attach, detach, restsOnFacts } = write;
  const entries = entryRows(write.entries, write.expectedSeq);
  const floats = restsOnFacts !== undefined && entries.every((entry) => hasTail(entry, write.conversationId));
  return {
    tenant: columnText(write.tenant),
    conversationId: columnText(write.conversationId),
    expectedSeq: write.expectedSeq,
    restsOnFacts: floats ? restsOnFacts : undefined,
    entries,
    key: clientKey
      ? { authorId: columnText(clientKey.authorId), clientId: columnText(clientKey.clientMessageId) }
      : null,
    facts: facts === undefined ? null : conversationRow(facts),
    amended: amended.map((entry) => ({ seq: entry.seq, body: jsonText(entry) })),
    guard: capacityGuard ? { agentId: columnText(capacityGuard.agentId), capacity: capacityGuard.capacity } : null,
    attach: attach
      ? { ids: attach.attachmentIds.map(columnText), seq: attach.seq, staff: attach.visibility === 'staff' ? 1 : 0 }
      : null,
    detach: detach ? { ids: detach.map(columnText), at: write.entries[0]?.at ?? '' } : null,
  };
};

/** Undefined when there is more to it than entries, the client ids in them, and facts. */
export const plainAppend = (row: AppendRow, decided: PlainAppend['decided']): PlainAppend | undefined => {
  const { tenant, conversationId, expectedSeq, restsOnFacts, entries, facts, key } = row;
  if (row.guard ?? row.attach ?? row.detach) return undefined;
  // What facts become is decided on all that is before it.
  if (facts !== null && restsOnFacts !== undefined) return undefined;
  if (row.amended.length > 0 || entries.length === 0) return undefined;
  // The batch looks for the client ids of entries alone.
  const isKey = ({ authorId, clientId }: EntryRow): boolean => authorId === key?.authorId && clientId === key.clientId;
  if (key !== null && !entries.some(isKey)) return undefined;
  return { kind: 'append', tenant, conversationId, expectedSeq, restsOnFacts, entries, facts, decided };
};

const activeCount = (tenant: string, agentId: string): Statement => ({
  name: 'active-count',
  text: "SELECT count(*) AS count FROM conversations WHERE tenant = $1 AND assignee_id = $2 AND status = 'assigned'",
  values: [tenant, agentId],
});

/** Locks them, so that they stay as they are until the message has them. */
const attachable = (tenant: string, conversationId: string, ids: readonly string[]): Statement => ({
  name: 'attachable',
  text: `
    SELECT id FROM attachments
    WHERE id = ANY ($3::text[]) AND tenant = $1 AND conversation_id = $2 AND state = 'ready' AND message_seq IS NULL
    ORDER BY id FOR UPDATE`,
  values: [tenant, conversationId, textArray(ids)],
});

const attach = ({ ids, seq, staff }: NonNullable<AppendRow['attach']>): Statement => ({
  name: 'attach',
  text: 'UPDATE attachments SET message_seq = $2, staff = $3, expires_at = NULL WHERE id = ANY ($1::text[])',
  values: [textArray(ids), seq, staff],
});

const detach = (tenant: string, conversationId: string, { ids, at }: NonNullable<AppendRow['detach']>): Statement => ({
  name: 'detach',
  text: `
    UPDATE attachments SET state = 'gone', expires_at = $4
    WHERE id = ANY ($3::text[]) AND tenant = $1 AND conversation_id = $2`,
  values: [tenant, conversationId, textArray(ids), at],
});

const amend = (n: number, amended: AppendRow['amended']): Statement => ({
  name: 'amend',
  text: `
    UPDATE entries e SET body = a.body FROM unnest($2::bigint[], $3::text[]) AS a(seq, body)
    WHERE e.conversation = $1 AND e.seq = a.seq RETURNING e.seq`,
  values: [n, numberArray(amended.map(({ seq }) => seq)), jsonArray(amended.map(({ body }) => body))],
});

const changeFacts = (n: number, row: ConversationRow): Statement => ({
  name: 'change-facts',
  text: `
    WITH changed AS (
      UPDATE conversations SET status = $2, assignee_id = $3, department = $4, facts = $5 WHERE n = $1::bigint
    ), untagged AS (
      DELETE FROM conversation_tags WHERE conversation = $1 AND tag <> ALL ($7::text[])
    )
    INSERT INTO conversation_tags (conversation, tag, tenant) SELECT $1, t.tag, $6 FROM unnest($7::text[]) AS t(tag)
    ON CONFLICT DO NOTHING`,
  values: [n, row.status, row.assigneeId, row.department, row.facts, row.tenant, textArray(row.tags)],
});

/** Decides and makes an append within a transaction. */
export const decideAppend = async (run: Run, row: AppendRow): Promise<AppendOutcome> => {
  const { tenant, conversationId, key, guard } = row;
  const [head] = await run<HeadRow>(lockHead(conversationId));
  if (head?.tenant !== tenant) return { kind: 'conflict' };
  if (key !== null) {
    const [known] = await run<BodyRow>(messageByKey(head.n, key.authorId, key.clientId));
    if (known !== undefined) return { kind: 'duplicate', entry: messageOf(known) };
  }
  const floats = row.restsOnFacts !== undefined;
  if (floats ? head.facts_seq !== row.restsOnFacts : head.last_seq !== row.expectedSeq) return { kind: 'conflict' };
  if (guard !== null) {
    // Of all that would be assigned to the agent one at a time counts; the count sees those before it.
    await run(lockFor('capacity', tenant, guard.agentId));
    const [found] = await run<{ count: number }>(activeCount(tenant, guard.agentId));
    const count = found?.count ?? 0;
    if (count >= guard.capacity) return { kind: 'capacity_reached', activeCount: count };
  }
  if (row.attach !== null) {
    const found = await run<{ id: string }>(attachable(tenant, conversationId, row.attach.ids));
    const ready = new Set(found.map(({ id }) => id));
    const refused = row.attach.ids.findIndex((id) => !ready.has(id));
    if (refused !== -1) return { kind: 'not_attachable', attachmentId: fromColumnText(row.attach.ids[refused] ?? '') };
  }
  const entries = floats ? entriesAt(row.entries, conversationId, head.last_seq + 1) : row.entries;
  if (entries.length > 0) await run(insertEntries({ n: head.n, id: conversationId }, entries, row.facts?.factsSeq));
  if (row.facts !== null) await run(changeFacts(head.n, row.facts));
  if (row.attach !== null) await run(attach(row.attach));
  if (row.detach !== null) await run(detach(tenant, conversationId, row.detach));
  if (row.amended.length > 0) {
    const made = await run<{ seq: number }>(amend(head.n, row.amended));
    if (made.length !== row.amended.length) {
      throw new StoreFailure(
        'refused',
        `expected ${String(row.amended.length)} entries to amend, found ${String(made.length)}`,
      );
    }
  }
  return floats ? { kind: 'committed', firstSeq: head.last_seq + 1 } : { kind: 'committed' };
};
