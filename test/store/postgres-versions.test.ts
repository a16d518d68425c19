import { afterAll, beforeAll, expect, it } from 'vitest';
import { noMetrics } from '../../src/ports/metrics.ts';
import { openPostgresStore } from '../../src/store/postgres/store.ts';
import { fetchPostgres, type OtherPostgres } from '../support/other-postgres.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { silentLog } from '../support/store.ts';

let old: OtherPostgres;
let postgres: TestPostgres;
beforeAll(async () => {
  old = await fetchPostgres(13);
  postgres = await startPostgres({ fsync: false, programs: old.programs });
});
afterAll(async () => {
  await postgres.remove();
  old.remove();
});

it('[STORE-9] refuses Postgres 13, by its version, and makes nothing in it', async () => {
  const url = await postgres.newDatabase();
  await expect(openPostgresStore({ url, log: silentLog, metrics: noMetrics })).rejects.toThrow(
    /^DATABASE_URL: the server is Postgres 13\.\d+.*, expected 14 or newer: upgrade it, or name another\.$/,
  );
  const tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace";
  expect(await postgres.query(url, tables)).toEqual([]);
});
