import { readFileSync } from 'node:fs';
import { type Migrated, migrationFiles } from '../migration-files.ts';
import { StoreStartError } from '../start-error.ts';
import { type Connection, rowsOf } from './driver.ts';

const FOLDER = new URL('../migrations/sqlite/', import.meta.url);
const single = (db: Connection, sql: string): number => Number(rowsOf(db, sql)()[0]?.[0] ?? 0);

/** Brings an open database to this program's schema, a transaction for each step. The version is SQLite's `user_version`. */
export const migrateConnection = (db: Connection, path: string): Migrated => {
  const files = migrationFiles(FOLDER);
  const from = single(db, 'PRAGMA user_version');
  const known = files.length;
  if (from > known) {
    throw new StoreStartError(
      `${path} has schema version ${String(from)}; this version of Deskwire knows up to ${String(known)}. ` +
        'A newer version has written to it: start that version, or restore a copy from before the upgrade.',
      { versions: { found: from, known } },
    );
  }
  if (from === 0 && single(db, 'SELECT count(*) FROM sqlite_schema') > 0) {
    throw new StoreStartError(
      `${path} is a SQLite database with tables that are not Deskwire's: name another file, or one that does not exist yet.`,
    );
  }
  for (let version = from + 1; version <= known; version++) {
    const sql = readFileSync(new URL(files[version - 1] ?? '', FOLDER), 'utf8');
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(`PRAGMA user_version = ${String(version)}`);
      db.exec(sql);
      db.exec('COMMIT');
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }
  return { from, to: known };
};
