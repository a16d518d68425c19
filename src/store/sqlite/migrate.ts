import { DEFAULT_CHECKPOINT_PAGES, openDatabase } from './database.ts';
import type { Migrated } from './schema.ts';

/**
 * Brings a database to this program's schema, and makes it if it is not there. Opening a store does the same.
 *
 * @returns the schema's version before (0: a new database) and after
 * @throws StoreStartError when the file can't be used, is in use, or has a newer schema
 */
export const migrateSqlite = (path: string): Migrated => {
  const database = openDatabase(path, DEFAULT_CHECKPOINT_PAGES);
  database.close();
  return database.migrated;
};
