import type { CompiledQuery } from 'kysely';
import type { QueryBuilder } from './tables.ts';

/**
 * Builds a query of texts once and fills in its parameters from then on: building and compiling one costs more than running it.
 * The query must be the same for all values, and use each as it is given.
 */
export const compileOnce = <A extends readonly string[], R>(
  build: (db: QueryBuilder, ...values: A) => CompiledQuery<R>,
): ((db: QueryBuilder, ...values: A) => CompiledQuery<R>) => {
  const compiled = new WeakMap<QueryBuilder, { query: CompiledQuery<R>; sources: readonly number[] }>();
  return (db, ...values) => {
    let known = compiled.get(db);
    if (known === undefined) {
      // Built with marks in the place of the values, so that it shows where each of them goes.
      const marks = values.map((_, index) => `\u0000${String(index)}`);
      const query = build(db, ...(marks as unknown as A));
      known = { query, sources: query.parameters.map((parameter) => marks.indexOf(parameter as string)) };
      compiled.set(db, known);
    }
    const { query, sources } = known;
    const parameters = query.parameters.map((parameter, at) => {
      const source = sources[at] ?? -1;
      return source < 0 ? parameter : values[source];
    });
    return { ...query, parameters };
  };
};
