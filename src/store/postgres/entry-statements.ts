import type { EntryRow } from '../queries/rows.ts';
import { jsonArray, numberArray, textArray } from './array-text.ts';
import type { Statement } from './connect.ts';

/** Statements on the log that several kinds of writes share. */

/** Waits until nobody else who holds it has the same lock, then holds it until the transaction ends. */
export const lockFor = (...words: readonly string[]): Statement => ({
  name: 'lock',
  text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))',
  // The length keeps two lists of words from making one text; a collision of hashes costs a wait.
  values: [words.map((word) => `${String(word.length)}:${word}`).join('')],
});

export interface HeadRow {
  readonly n: number;
  readonly tenant: string;
  readonly last_seq: number;
  readonly facts_seq: number;
}

/** What is read after it in the transaction, in other statements, is as it stays until the transaction ends. */
export const lockHead = (conversationId: string): Statement => ({
  name: 'lock-head',
  text: 'SELECT n, tenant, last_seq, facts_seq FROM heads WHERE id = $1 FOR NO KEY UPDATE',
  values: [conversationId],
});

/** Without repeats within the write: the first keeps the client id. */
const withFirstClientIds = (entries: readonly EntryRow[]): readonly EntryRow[] => {
  if (entries.length === 1) return entries;
  const seen = new Set<string>();
  return entries.map((entry) => {
    if (entry.authorId === null || entry.clientId === null) return entry;
    const key = JSON.stringify([entry.authorId, entry.clientId]);
    if (seen.has(key)) return { ...entry, clientId: null };
    seen.add(key);
    return entry;
  });
};

/**
 * Adds entries and moves the head, which the transaction has locked.
 *
 * @param factsSeq given: facts were changed with them, last by this seq, and nodes are to hear of it
 */
export const insertEntries = (
  head: { n: number; id: string },
  entries: readonly EntryRow[],
  factsSeq: number | undefined,
): Statement => {
  const rows = withFirstClientIds(entries);
  return {
    name: 'insert-entries',
    text: `
      WITH moved AS (
        UPDATE heads SET last_seq = $2, facts_seq = coalesce($3::bigint, facts_seq) WHERE id = $10
      )
      INSERT INTO entries (conversation, seq, desk, staff, at, author_id, client_id, body)
      SELECT $1::bigint, f.seq, CASE WHEN $3::bigint IS NOT NULL THEN pg_current_xact_id() END, f.staff, f.at, f.author_id,
        CASE WHEN NOT EXISTS (
          SELECT FROM entries e WHERE e.conversation = $1 AND e.author_id = f.author_id AND e.client_id = f.client_id
        ) THEN f.client_id END,
        f.body
      FROM unnest($4::bigint[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::text[])
        AS f(seq, staff, at, author_id, client_id, body)`,
    values: [
      head.n,
      rows.at(-1)?.seq ?? 0,
      factsSeq ?? null,
      numberArray(rows.map(({ seq }) => seq)),
      numberArray(rows.map(({ staff }) => staff)),
      textArray(rows.map(({ at }) => at)),
      textArray(rows.map(({ authorId }) => authorId)),
      textArray(rows.map(({ clientId }) => clientId)),
      jsonArray(rows.map(({ body }) => body)),
      head.id,
    ],
  };
};

export const messageByKey = (n: number, authorId: string, clientId: string): Statement => ({
  name: 'message-by-key',
  text: 'SELECT body FROM entries WHERE conversation = $1 AND author_id = $2 AND client_id = $3',
  values: [n, authorId, clientId],
});

/** In any conversation of the customer that has no name; asked with every message that names no conversation. */
export const unnamedMessage = (tenant: string, customerId: string, authorId: string, clientId: string): Statement => ({
  name: 'unnamed-message',
  text: `
    SELECT e.body FROM conversations c
    CROSS JOIN LATERAL (
      SELECT k.body FROM entries k
      WHERE k.conversation = c.n AND k.author_id = $3 AND k.client_id = $4 LIMIT 1
    ) AS e
    WHERE c.tenant = $1 AND c.customer_id = $2 AND c.client_conversation_id IS NULL
    ORDER BY c.n DESC LIMIT 1`,
  values: [tenant, customerId, authorId, clientId],
});
