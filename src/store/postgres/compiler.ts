import { type CompiledQuery, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { columnText } from '../column-text.ts';
import { queryBuilder } from '../queries/compiler.ts';
import type { Statement } from './connect.ts';

export const postgresQueries = queryBuilder({
  createAdapter: () => new PostgresAdapter(),
  createIntrospector: (db) => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
});

/** Filters make many queries; those that come after so many are not prepared, as each would stay on every connection. */
const MAX_NAMES = 100;
const names = new Map<string, string>();

const nameOf = (text: string): string | undefined => {
  const known = names.get(text);
  if (known !== undefined || names.size >= MAX_NAMES) return known;
  const name = `query-${String(names.size)}`;
  names.set(text, name);
  return name;
};

/** A query whose texts are column texts already. */
export const statementOf = ({ sql: text, parameters }: CompiledQuery): Statement => {
  const name = nameOf(text);
  return { ...(name === undefined ? {} : { name }), text, values: parameters as Statement['values'] };
};

/** A query whose texts are ids, tenants and the like as callers have them. */
export const encoded = (query: CompiledQuery): Statement => {
  const statement = statementOf(query);
  return {
    ...statement,
    values: statement.values.map((value) => (typeof value === 'string' ? columnText(value) : value)),
  };
};
