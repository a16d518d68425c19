import type { ClientIdQuery, EntryQuery } from '../../ports/store.ts';
import { columnText } from '../column-text.ts';
import { textArray } from './array-text.ts';
import type { Statement } from './connect.ts';
import { unnamedMessage } from './entry-statements.ts';

/** Reads that this database says otherwise than the shared queries do: in one statement, or with lists as one value. */

/** Beyond all seqs. */
const NO_SEQ = Number.MAX_SAFE_INTEGER;

export interface PageRow {
  readonly last_seq: number;
  /** Null in the only row of a page without entries. */
  readonly body: string | null;
  /** JSON of CursorRow[] in one row, if they are asked for and there are any. */
  readonly cursors: string | null;
}

const CURSORS = `
  CASE WHEN row_number() OVER () = 1 THEN (
    SELECT json_agg(k)::text FROM (
      SELECT c.user_id, c.delivered_seq, c.read_seq, c.public_delivered_seq, c.public_read_seq
      FROM cursors c WHERE c.conversation = h.n ORDER BY c.user_id
    ) AS k
  ) END`;

/** One more entry than `limit`, from the end at which the page starts, each with the last seq. No row: no such conversation. */
export const pageOf = (query: EntryQuery): Statement => {
  const order = query.afterSeq === undefined ? 'DESC' : 'ASC';
  const staff = query.audience === 'public' ? 'AND e.staff = 0' : '';
  return {
    name: `page-${query.audience}-${order}${query.withCursors === true ? '-cursors' : ''}`,
    text: `
      SELECT h.last_seq, p.body, ${query.withCursors === true ? CURSORS : 'NULL'} AS cursors FROM heads h
      LEFT JOIN LATERAL (
        SELECT e.seq, e.body FROM entries e
        WHERE e.conversation = h.n AND e.seq > $2 AND e.seq < $3 ${staff}
        ORDER BY e.seq ${order} LIMIT $4
      ) AS p ON true
      WHERE h.id = $1 ORDER BY p.seq ${order}`,
    values: [columnText(query.conversationId), query.afterSeq ?? 0, query.beforeSeq ?? NO_SEQ, query.limit + 1],
  };
};

export const headsOf = (conversationIds: readonly string[]): Statement => ({
  name: 'heads',
  text: 'SELECT id, last_seq FROM heads WHERE id = ANY ($1::text[])',
  values: [textArray(conversationIds.map(columnText))],
});

export const knownOf = (attachmentIds: readonly string[]): Statement => ({
  name: 'known-attachments',
  text: 'SELECT id FROM attachments WHERE id = ANY ($1::text[])',
  values: [textArray(attachmentIds.map(columnText))],
});

/** In any conversation of the customer that has no name. */
export const unnamedOf = ({ tenant, authorId, clientMessageId }: ClientIdQuery): Statement =>
  unnamedMessage(columnText(tenant), columnText(authorId), columnText(authorId), columnText(clientMessageId));
