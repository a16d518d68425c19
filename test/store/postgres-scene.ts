import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { Store } from '../../src/ports/store.ts';
import { type PostgresStoreOptions, openPostgresStore } from '../../src/store/postgres/store.ts';
import { type PostgresOptions, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { silentLog } from '../support/store.ts';
import { until } from '../support/until.ts';

/** A server for the tests of a `describe`, and for each of them a database, with stores that are closed after it. */
export const postgresScene = (serverOptions: PostgresOptions = { fsync: false }) => {
  let postgres: TestPostgres;
  let url: string;
  let stores: Store[];
  beforeAll(async () => {
    postgres = await startPostgres(serverOptions);
  });
  afterAll(() => postgres.remove());
  beforeEach(async () => {
    await postgres.start();
    url = await postgres.newDatabase();
    stores = [];
  });
  afterEach(async () => {
    postgres.resume();
    await Promise.all(stores.map((store) => store.close()));
  });

  /** A node's view of the database. */
  const openNode = async (options: Partial<PostgresStoreOptions> = {}) => {
    const node = await openPostgresStore({ url, log: silentLog, metrics: noMetrics, ...options });
    stores.push(node.store);
    return node;
  };
  const open = async (options: Partial<PostgresStoreOptions> = {}): Promise<Store> => (await openNode(options)).store;

  return {
    /** There once the tests run, as all of this. */
    get postgres(): TestPostgres {
      return postgres;
    },
    get url(): string {
      return url;
    },
    openNode,
    open,
    two: async (): Promise<[Store, Store]> => [await open(), await open()],
    /** A connection of somebody else, in a transaction that has said this. */
    transaction: async (...statements: readonly string[]): Promise<Client> => {
      const client = new Client({ connectionString: url });
      await client.connect();
      await client.query('BEGIN');
      for (const sql of statements) await client.query(sql);
      return client;
    },
    end: async (client: Client, how: 'COMMIT' | 'ROLLBACK'): Promise<void> => {
      await client.query(how);
      await client.end();
    },
    untilWaiters: (count: number): Promise<unknown> =>
      until(`${String(count)} that wait for locks`, async () => {
        const rows = await postgres.query(url, 'SELECT FROM pg_locks WHERE NOT granted');
        return rows.length >= count;
      }),
  };
};

/** Held until its transaction ends. */
export const lockOf = ({ id }: { id: string }): string => `SELECT FROM heads WHERE id = '${id}' FOR UPDATE`;
