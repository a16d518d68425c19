import type { Dialect } from 'kysely';
import { DummyDriver, Kysely } from 'kysely';
import type { QueryBuilder, StoreTables } from './tables.ts';

/**
 * A builder whose queries are compiled here and run elsewhere: in a worker, or through a pool of connections.
 *
 * @param dialect the parts that say how SQL is written; its driver is never used
 */
export const queryBuilder = (
  dialect: Pick<Dialect, 'createAdapter' | 'createIntrospector' | 'createQueryCompiler'>,
): QueryBuilder => new Kysely<StoreTables>({ dialect: { ...dialect, createDriver: () => new DummyDriver() } });
