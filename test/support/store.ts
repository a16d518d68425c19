import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../src/ports/log.ts';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { Store } from '../../src/ports/store.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A SQLite store on a file of its own, or on one that is there; `remove` closes and deletes it. */
export const temporaryStore = async (path?: string): Promise<{ store: Store; remove: () => Promise<void> }> => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-store-'));
  const store = await openSqliteStore({
    path: path ?? join(folder, 'deskwire.db'),
    log: silentLog,
    metrics: noMetrics,
  });
  return {
    store,
    remove: async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
