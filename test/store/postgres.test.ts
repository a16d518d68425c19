import { afterAll, beforeAll } from 'vitest';
import { noMetrics } from '../../src/ports/metrics.ts';
import { openPostgresStore } from '../../src/store/postgres/store.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { silentLog } from '../support/store.ts';
import { storeContractSuite } from './contract-suite.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres({ fsync: false });
});
afterAll(() => postgres.remove());

storeContractSuite('Postgres', async () => {
  const url = await postgres.newDatabase();
  const { store } = await openPostgresStore({ url, log: silentLog, metrics: noMetrics });
  return { store, remove: () => store.close() };
});
