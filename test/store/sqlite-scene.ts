import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { Store } from '../../src/ports/store.ts';
import { type SqliteStoreOptions, openSqliteStore } from '../../src/store/sqlite/store.ts';
import { silentLog } from '../support/store.ts';

/** For each test a folder, and stores on files in it, which are closed and deleted after it. */
export const sqliteScene = () => {
  let folder: string;
  let path: string;
  let stores: Store[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'deskwire-sqlite-'));
    path = join(folder, 'deskwire.db');
    stores = [];
  });
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    /** There once the tests run, as `path` is. */
    get folder(): string {
      return folder;
    },
    get path(): string {
      return path;
    },
    open: async (options: Partial<SqliteStoreOptions> = {}): Promise<Store> => {
      const store = await openSqliteStore({ path, log: silentLog, metrics: noMetrics, ...options });
      stores.push(store);
      return store;
    },
  };
};
