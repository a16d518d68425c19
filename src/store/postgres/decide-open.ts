import type { Open, OpenOutcome } from '../../ports/store.ts';
import { columnText } from '../column-text.ts';
import { type StateRow, currentConversation, namedConversation, stateOf } from '../queries/conversations.ts';
import { type BodyRow, messageOf } from '../queries/entries.ts';
import { type ConversationRow, type EntryRow, conversationRow, entryRows } from '../queries/rows.ts';
import { textArray } from './array-text.ts';
import { postgresQueries, statementOf } from './compiler.ts';
import type { Statement } from './connect.ts';
import type { Run } from './database.ts';
import { insertEntries, lockFor, unnamedMessage } from './entry-statements.ts';

/** An opening as columns. */
export interface OpenRow {
  readonly conversation: ConversationRow;
  readonly entries: readonly EntryRow[];
  readonly key: { readonly authorId: string; readonly clientId: string } | null;
}

/** @throws DeskwireError `internal` when the entries don't follow one another */
export const openRow = ({ facts, entries, clientKey }: Open): OpenRow => ({
  conversation: conversationRow(facts),
  entries: entryRows(entries, 0),
  key: clientKey ? { authorId: columnText(clientKey.authorId), clientId: columnText(clientKey.clientMessageId) } : null,
});

const insertConversation = (row: ConversationRow): Statement => ({
  name: 'insert-conversation',
  text: `
    WITH opened AS (
      INSERT INTO conversations
        (id, tenant, customer_id, client_conversation_id, status, assignee_id, department, created_at, facts)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
      RETURNING n, id, tenant
    ), headed AS (
      INSERT INTO heads (id, n, tenant, last_seq, facts_seq) SELECT id, n, tenant, 0, 0 FROM opened
    ), tagged AS (
      INSERT INTO conversation_tags (conversation, tag, tenant)
      SELECT o.n, t.tag, o.tenant FROM opened o CROSS JOIN unnest($10::text[]) AS t(tag)
    )
    SELECT n FROM opened`,
  values: [
    row.id,
    row.tenant,
    row.customerId,
    row.clientConversationId,
    row.status,
    row.assigneeId,
    row.department,
    row.createdAt,
    row.facts,
    textArray(row.tags),
  ],
});

const stateFound = async (run: Run, statement: Statement): Promise<OpenOutcome | undefined> => {
  const [row] = await run<StateRow>(statement);
  return row === undefined ? undefined : { kind: 'exists', state: stateOf(row) };
};

/** Decides and makes an opening within a transaction. */
export const decideOpen = async (run: Run, { conversation: row, entries, key }: OpenRow): Promise<OpenOutcome> => {
  const { tenant, customerId, clientConversationId } = row;
  // One opening of a customer at a time; what is read after it sees those before it.
  await run(lockFor('open', tenant, customerId));
  if (clientConversationId !== null) {
    const named = namedConversation(postgresQueries, tenant, customerId, clientConversationId);
    const found = await stateFound(run, statementOf(named));
    if (found !== undefined) return found;
  } else {
    if (key !== null) {
      const [known] = await run<BodyRow>(unnamedMessage(tenant, customerId, key.authorId, key.clientId));
      if (known !== undefined) return { kind: 'duplicate', entry: messageOf(known) };
    }
    const found = await stateFound(run, statementOf(currentConversation(postgresQueries, tenant, customerId)));
    if (found !== undefined) return found;
  }
  const [opened] = await run<{ n: number }>(insertConversation(row));
  if (opened === undefined) throw new TypeError('expected a row');
  await run(insertEntries({ n: opened.n, id: row.id }, entries, row.factsSeq));
  return { kind: 'committed' };
};
