import type { CompiledQuery } from 'kysely';
import type { ClientKey, EntryPage, EntryQuery, StoredEntry } from '../../ports/store.ts';
import { type CursorRow, cursorOf } from './cursors.ts';
import type { QueryBuilder } from './tables.ts';

export interface BodyRow {
  body: string;
}

export const entryOf = (row: BodyRow): StoredEntry => JSON.parse(row.body) as StoredEntry;

export const messageOf = (row: BodyRow): StoredEntry<'message:created'> =>
  JSON.parse(row.body) as StoredEntry<'message:created'>;

/** No row: no such conversation. */
export const lastSeqOf = (db: QueryBuilder, conversationId: string): CompiledQuery<{ last_seq: number | null }> =>
  db
    .selectFrom('conversations as c')
    .where('c.id', '=', conversationId)
    .select((eb) =>
      eb
        .selectFrom('entries as e')
        .whereRef('e.conversation', '=', 'c.n')
        .select((max) => max.fn.max('e.seq').as('seq'))
        .as('last_seq'),
    )
    .compile();

const inConversation = (db: QueryBuilder, conversationId: string) =>
  db
    .selectFrom('entries as e')
    .where('e.conversation', '=', (eb) => eb.selectFrom('conversations').select('n').where('id', '=', conversationId));

/** One more than `limit`, from the end at which the page starts. */
export const entryList = (db: QueryBuilder, query: EntryQuery): CompiledQuery<BodyRow> => {
  let rows = inConversation(db, query.conversationId)
    .select('e.body')
    .orderBy('e.seq', query.afterSeq === undefined ? 'desc' : 'asc')
    .limit(query.limit + 1);
  if (query.afterSeq !== undefined) rows = rows.where('e.seq', '>', query.afterSeq);
  if (query.beforeSeq !== undefined) rows = rows.where('e.seq', '<', query.beforeSeq);
  if (query.audience === 'public') rows = rows.where('e.staff', '=', 0);
  return rows.compile();
};

export const entryPage = (
  rows: readonly BodyRow[],
  query: EntryQuery,
  lastSeq: number,
  cursors: readonly CursorRow[],
): EntryPage => {
  let bytes = 0;
  const end = rows.findIndex(({ body }, index) => {
    bytes += body.length;
    return index === query.limit || (index > 0 && bytes > (query.maxBytes ?? Infinity));
  });
  const entries = (end === -1 ? rows : rows.slice(0, end)).map(entryOf);
  if (query.afterSeq === undefined) entries.reverse();
  return { entries, hasMore: end !== -1, lastSeq, cursors: cursors.map(cursorOf) };
};

export const entryAt = (db: QueryBuilder, conversationId: string, seq: number): CompiledQuery<BodyRow> =>
  inConversation(db, conversationId).select('e.body').where('e.seq', '=', seq).compile();

/** Reads a whole conversation: for the odd repeat that can't be sent any more, not for every message. */
const messageByKey = (db: QueryBuilder, tenant: string, key: ClientKey) =>
  db
    .selectFrom('conversations as c')
    .innerJoin('entries as e', 'e.conversation', 'c.n')
    .where('c.tenant', '=', tenant)
    .where('e.author_id', '=', key.authorId)
    .where('e.client_id', '=', key.clientMessageId)
    .select('e.body')
    .orderBy('c.n')
    .orderBy('e.seq')
    .limit(1);

export const messageInConversation = (
  db: QueryBuilder,
  tenant: string,
  conversationId: string,
  key: ClientKey,
): CompiledQuery<BodyRow> => messageByKey(db, tenant, key).where('c.id', '=', conversationId).compile();

/** No row: nothing that everybody may see. */
export const publicSeqAt = (db: QueryBuilder, conversationId: string, seq: number): CompiledQuery<{ seq: number }> =>
  inConversation(db, conversationId)
    .where('e.staff', '=', 0)
    .where('e.seq', '<=', seq)
    .select('e.seq')
    .orderBy('e.seq', 'desc')
    .limit(1)
    .compile();
