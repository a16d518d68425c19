import { type Clock, systemClock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { Nodes } from '../../ports/nodes.ts';
import type { Store } from '../../ports/store.ts';
import { batchStatement } from './batch-statement.ts';
import { type Batch, type BatchResult, type BatchRow, batchResult } from './batch.ts';
import { Database } from './database.ts';
import { failureOf } from './failures.ts';
import { Lanes } from './lanes.ts';
import { migratePostgres } from './migrate.ts';
import { PostgresNodes } from './nodes.ts';
import { PostgresStore } from './postgres-store.ts';

export interface PostgresStoreOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with what `pg` reads besides (`sslmode`, `options`). */
  readonly url: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** @default systemClock */
  readonly clock?: Clock;
  /**
   * Connections at once. Beyond it calls wait for one another.
   * @default 10
   */
  readonly poolSize?: number;
  /**
   * Bound of one statement, waiting for locks included. A database that answers nothing for so long counts as out of reach.
   * @default 5_000
   */
  readonly statementMs?: number;
}

export const DEFAULT_POOL_SIZE = 10;
export const DEFAULT_STATEMENT_MS = 5_000;
/** Transactions besides the batch; the other connections are for reads. */
const TRANSACTIONS = 4;

const NOTHING: BatchResult = { made: [], failed: [], left: [] };

/** One that a write of it spoils, or that met others, is made write by write. */
const committer =
  (database: Database) =>
  async (batch: Batch, waits: boolean): Promise<BatchResult> => {
    if (batch.sent.length === 0) return NOTHING;
    try {
      return batchResult(batch, await database.write<BatchRow>(batchStatement(batch, waits)));
    } catch (error) {
      const failure = failureOf(error, true);
      if (failure.kind === 'refused' || failure.kind === 'repeat') return { ...NOTHING, left: batch.sent };
      throw failure;
    }
  };

/**
 * The store of many nodes: a Postgres database, 14 or newer, that this program brings to its schema. Connections are direct, or through a
 * pooler that gives each client a session of its own.
 *
 * @throws StoreStartError when the database can't be reached or used, has foreign tables, or was written by a newer version; its message
 *   names DATABASE_URL and what to do, and never has the password
 */
export const openPostgresStore = async (options: PostgresStoreOptions): Promise<{ store: Store; nodes: Nodes }> => {
  const { url, log, metrics, clock = systemClock } = options;
  const migrated = await migratePostgres(url);
  if (migrated.from !== migrated.to) log.info(migrated, 'the store was migrated');
  const database = new Database({
    url,
    log,
    clock,
    poolSize: options.poolSize ?? DEFAULT_POOL_SIZE,
    statementMs: options.statementMs ?? DEFAULT_STATEMENT_MS,
  });
  const lanes = new Lanes({ commit: committer(database), log, metrics, transactions: TRANSACTIONS });
  return { store: new PostgresStore(database, lanes), nodes: new PostgresNodes(database) };
};
