import type { CompiledQuery } from 'kysely';
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import { queryBuilder } from '../queries/compiler.ts';
import { columnText } from '../column-text.ts';
import type { Column, Query } from './messages.ts';

export const sqliteQueries = queryBuilder({
  createAdapter: () => new SqliteAdapter(),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
});

/** A query as it travels; its texts are ids, tenants and the like, never bodies. */
export const encoded = ({ sql, parameters }: CompiledQuery): Query => ({
  sql,
  parameters: (parameters as readonly Column[]).map((value) => (typeof value === 'string' ? columnText(value) : value)),
});
