import { readFileSync, readdirSync } from 'node:fs';
import { StoreStartError } from '../start-error.ts';
import { type Connection, rowsOf } from './driver.ts';

const FOLDER = new URL('../migrations/sqlite/', import.meta.url);
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;

/** The schema's version before and after. */
export interface Migrated {
  from: number;
  to: number;
}

/** File names by version - 1. A gap would leave a step out silently. */
const migrationFiles = (): string[] => {
  const files = readdirSync(FOLDER)
    .filter((name) => FILE_NAME.test(name))
    .sort();
  files.forEach((name, index) => {
    if (Number(FILE_NAME.exec(name)?.[1]) !== index + 1) {
      throw new StoreStartError(
        `Migration ${name} stands where number ${String(index + 1)} is expected: this installation is incomplete; install it again.`,
      );
    }
  });
  return files;
};

const single = (db: Connection, sql: string): number => Number(rowsOf(db, sql)()[0]?.[0] ?? 0);

/** Brings an open database to this program's schema, a transaction for each step. The version is SQLite's `user_version`. */
export const migrateConnection = (db: Connection, path: string): Migrated => {
  const files = migrationFiles();
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
