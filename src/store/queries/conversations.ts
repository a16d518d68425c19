import { type AliasedExpression, type CompiledQuery, sql } from 'kysely';
import type { ConversationPage, ConversationQuery, ConversationState, Facts } from '../../ports/store.ts';
import { compileOnce } from './compile-once.ts';
import type { QueryBuilder } from './tables.ts';

/** A conversation's stored part and where its log stands. */
export interface StateRow {
  n: number;
  facts: string;
  last_seq: number;
  last_at: string;
  public_seq: number | null;
  public_at: string | null;
}

export const stateOf = (row: StateRow): ConversationState => {
  const facts = JSON.parse(row.facts) as Facts;
  return {
    ...facts,
    lastSeq: row.last_seq,
    publicSeq: row.public_seq ?? 0,
    updatedAt: row.last_at,
    publicUpdatedAt: row.public_at ?? facts.createdAt,
  };
};

const conversations = (db: QueryBuilder) =>
  db.selectFrom('conversations').select(['conversations.n', 'conversations.facts']);

/**
 * Looks at the log's tail of the picked conversations alone: each is two steps in the index of entries. The last seq is asked for as the
 * first from the end, not as the greatest: for that a planner that knows little reads the whole conversation.
 */
const statesOf = (
  db: QueryBuilder,
  picked: AliasedExpression<{ n: number; facts: string }, 'c'>,
  order: 'asc' | 'desc' = 'desc',
): CompiledQuery<StateRow> =>
  db
    .selectFrom(picked)
    .innerJoin('entries as tail', (join) =>
      join
        .onRef('tail.conversation', '=', 'c.n')
        .on('tail.seq', '=', (eb) =>
          eb
            .selectFrom('entries as e')
            .whereRef('e.conversation', '=', 'c.n')
            .select('e.seq')
            .orderBy('e.seq', 'desc')
            .limit(1),
        ),
    )
    .leftJoin('entries as shown', (join) =>
      join
        .onRef('shown.conversation', '=', 'c.n')
        .on('shown.seq', '=', (eb) =>
          eb
            .selectFrom('entries as e')
            .whereRef('e.conversation', '=', 'c.n')
            .where('e.staff', '=', 0)
            .select('e.seq')
            .orderBy('e.seq', 'desc')
            .limit(1),
        ),
    )
    .select([
      'c.n',
      'c.facts',
      'tail.seq as last_seq',
      'tail.at as last_at',
      'shown.seq as public_seq',
      'shown.at as public_at',
    ])
    .orderBy('c.n', order)
    .compile();

export const conversationById = compileOnce((db, tenant: string, conversationId: string) =>
  statesOf(db, conversations(db).where('id', '=', conversationId).where('tenant', '=', tenant).as('c')),
);

export const currentConversation = compileOnce((db, tenant: string, customerId: string) =>
  statesOf(
    db,
    conversations(db)
      .where('tenant', '=', tenant)
      .where('customer_id', '=', customerId)
      .where('client_conversation_id', 'is', null)
      .where('status', '!=', 'closed')
      .orderBy('n', 'desc')
      .limit(1)
      .as('c'),
  ),
);

export const namedConversation = compileOnce((db, tenant: string, customerId: string, clientConversationId: string) =>
  statesOf(
    db,
    conversations(db)
      .where('tenant', '=', tenant)
      .where('customer_id', '=', customerId)
      .where('client_conversation_id', '=', clientConversationId)
      .as('c'),
  ),
);

/** One more than `limit`: it tells whether there is a next page. */
export const conversationList = (db: QueryBuilder, query: ConversationQuery): CompiledQuery<StateRow> => {
  const { tenant, cursor, status, assigneeId, department, customerId, tag } = query;
  /** A cursor is the id of the last conversation shown: a number would tell how many there are, in all tenants. */
  const before = db
    .selectFrom('conversations as last')
    .select('last.n')
    .where('last.tenant', '=', tenant)
    .where('last.id', '=', cursor ?? '');
  let picked = conversations(db)
    .where('conversations.tenant', '=', tenant)
    .limit(query.limit + 1);
  if (cursor !== undefined) picked = picked.where('conversations.n', '<', before);
  if (status !== undefined) picked = picked.where('status', '=', status);
  if (assigneeId === null) picked = picked.where('assignee_id', 'is', null);
  else if (assigneeId !== undefined) picked = picked.where('assignee_id', '=', assigneeId);
  if (department !== undefined) picked = picked.where('department', '=', department);
  if (customerId !== undefined) picked = picked.where('customer_id', '=', customerId);
  if (tag === undefined) return statesOf(db, picked.orderBy('conversations.n', 'desc').as('c'));

  // Said of the tags' own column, so that their index gives the order and the place to start.
  let tagged = picked
    .innerJoin('conversation_tags as t', 't.conversation', 'conversations.n')
    .where('t.tenant', '=', tenant)
    .where('t.tag', '=', tag)
    .orderBy('t.conversation', 'desc');
  if (cursor !== undefined) tagged = tagged.where('t.conversation', '<', before);
  return statesOf(db, tagged.as('c'));
};

/** One more than `limit`, of all tenants, the oldest first. */
export const openConversationList = (
  db: QueryBuilder,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): CompiledQuery<StateRow> => {
  let picked = conversations(db)
    // A literal, so that the index of open ones can be seen to fit.
    .where(sql<boolean>`status != 'closed'`)
    .orderBy('n')
    .limit(limit + 1);
  if (cursor !== undefined) {
    picked = picked.where('n', '>', (eb) =>
      eb.selectFrom('conversations as last').select('last.n').where('last.id', '=', cursor),
    );
  }
  return statesOf(db, picked.as('c'), 'asc');
};

export const conversationPage = (rows: readonly StateRow[], limit: number): ConversationPage => {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    conversations: shown.map(stateOf),
    nextCursor: rows.length > limit && last !== undefined ? stateOf(last).id : null,
  };
};

export const activeCount = (db: QueryBuilder, tenant: string, agentId: string): CompiledQuery<{ count: number }> =>
  db
    .selectFrom('conversations')
    .where('tenant', '=', tenant)
    .where('assignee_id', '=', agentId)
    .where('status', '=', 'assigned')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .compile();
