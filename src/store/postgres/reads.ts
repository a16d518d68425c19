import type { Audience } from '../../contract/roles.ts';
import type { ClientIdQuery, ConversationState, EntryPage, EntryQuery } from '../../ports/store.ts';
import { columnText } from '../column-text.ts';
import { type StateRow, stateOf } from '../queries/conversations.ts';
import type { CursorRow } from '../queries/cursors.ts';
import { type BodyRow, entryPage } from '../queries/entries.ts';
import { numberArray, textArray } from './array-text.ts';
import type { Statement } from './connect.ts';
import { unnamedMessage } from './entry-statements.ts';

/** Reads that this database says otherwise than the shared queries do: of many in one statement, or with lists as one value. */

/** Beyond all seqs. */
const NO_SEQ = Number.MAX_SAFE_INTEGER;

/** Of one page, or of one of its entries. */
export interface PageRow {
  /** Which of the queries it answers, from 1. */
  readonly place: number;
  /** Null: an entry's. */
  readonly last_seq: number | null;
  /** Null: the page's own. */
  readonly body: string | null;
  /** JSON of CursorRow[] in a page's row, if they are asked for and there are any. */
  readonly cursors: string | null;
}

/** From which end pages start, and what they show: the two that make other statements. */
export type PageKind = `${Audience} ${'newest' | 'oldest'} first`;

export const pageKindOf = ({ audience, afterSeq }: EntryQuery): PageKind =>
  `${audience} ${afterSeq === undefined ? 'newest' : 'oldest'} first`;

/** Of each query one more entry than `limit`, from the end at which the pages start, after the page's own row. No row: no such conversation. */
export const pagesOf = (kind: PageKind, queries: readonly EntryQuery[]): Statement => {
  const order = kind.endsWith('newest first') ? 'DESC' : 'ASC';
  const staff = kind.startsWith('public') ? 'AND e.staff = 0' : '';
  return {
    name: `pages ${kind}`,
    text: `
      WITH page AS MATERIALIZED (
        SELECT q.*, h.n, h.last_seq
        FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[], $5::bool[])
          WITH ORDINALITY AS q(id, after_seq, before_seq, entry_limit, with_cursors, place)
        JOIN heads h ON h.id = q.id
      )
      SELECT p.place, NULL::bigint AS seq, p.last_seq, NULL AS body, CASE WHEN p.with_cursors THEN (
        SELECT json_agg(k)::text FROM (
          SELECT c.user_id, c.delivered_seq, c.read_seq, c.public_delivered_seq, c.public_read_seq
          FROM cursors c WHERE c.conversation = p.n ORDER BY c.user_id
        ) AS k
      ) END AS cursors
      FROM page p
      UNION ALL
      SELECT p.place, f.seq, NULL, f.body, NULL FROM page p CROSS JOIN LATERAL (
        SELECT e.seq, e.body FROM entries e
        WHERE e.conversation = p.n AND e.seq > p.after_seq AND e.seq < p.before_seq ${staff}
        ORDER BY e.seq ${order} LIMIT p.entry_limit
      ) AS f
      ORDER BY place, seq ${order} NULLS FIRST`,
    values: [
      textArray(queries.map(({ conversationId }) => columnText(conversationId))),
      numberArray(queries.map(({ afterSeq }) => afterSeq ?? 0)),
      numberArray(queries.map(({ beforeSeq }) => beforeSeq ?? NO_SEQ)),
      numberArray(queries.map(({ limit }) => limit + 1)),
      `{${queries.map(({ withCursors }) => withCursors === true).join(',')}}`,
    ],
  };
};

/** What belongs to each query, in their order. */
export const pagesFrom = (queries: readonly EntryQuery[], rows: readonly PageRow[]): (EntryPage | null)[] => {
  const pages = queries.map((): { own?: PageRow; bodies: BodyRow[] } => ({ bodies: [] }));
  for (const row of rows) {
    const page = pages[row.place - 1];
    if (row.body === null) Object.assign(page ?? {}, { own: row });
    else page?.bodies.push({ body: row.body });
  }
  return queries.map((query, index) => {
    const { own, bodies = [] } = pages[index] ?? {};
    if (own === undefined) return null;
    const cursors = own.cursors === null ? [] : (JSON.parse(own.cursors) as CursorRow[]);
    return entryPage(bodies, query, own.last_seq ?? 0, cursors);
  });
};

/** A conversation as its tenant asks for it. */
export interface StateQuery {
  readonly tenant: string;
  readonly conversationId: string;
}

export interface PlacedStateRow extends StateRow {
  /** Which of the queries it answers, from 1. */
  readonly place: number;
}

/** A row for each that there is. */
export const statesOf = (queries: readonly StateQuery[]): Statement => ({
  name: 'states',
  text: `
    SELECT q.place, c.n, c.facts, tail.seq AS last_seq, tail.at AS last_at, shown.seq AS public_seq, shown.at AS public_at
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS q(tenant, id, place)
    JOIN conversations c ON c.id = q.id AND c.tenant = q.tenant
    CROSS JOIN LATERAL (
      SELECT e.seq, e.at FROM entries e WHERE e.conversation = c.n ORDER BY e.seq DESC LIMIT 1
    ) AS tail
    LEFT JOIN LATERAL (
      SELECT e.seq, e.at FROM entries e WHERE e.conversation = c.n AND e.staff = 0 ORDER BY e.seq DESC LIMIT 1
    ) AS shown ON true`,
  values: [
    textArray(queries.map(({ tenant }) => columnText(tenant))),
    textArray(queries.map(({ conversationId }) => columnText(conversationId))),
  ],
});

/** What belongs to each query, in their order. */
export const statesFrom = (
  queries: readonly StateQuery[],
  rows: readonly PlacedStateRow[],
): (ConversationState | null)[] => {
  const states = new Map(rows.map((row) => [row.place, stateOf(row)]));
  return queries.map((_, index) => states.get(index + 1) ?? null);
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
