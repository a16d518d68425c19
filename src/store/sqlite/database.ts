import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { makeFolder } from '../make-folder.ts';
import { StoreStartError } from '../start-error.ts';
import { type Connection, connect, rowsOf, sqliteCode } from './driver.ts';
import type { Migrated } from '../migration-files.ts';
import { migrateConnection } from './migrate.ts';

export interface OpenDatabase {
  readonly db: Connection;
  readonly migrated: Migrated;
  close(): void;
}

/** See SqliteStoreOptions. */
export const DEFAULT_CHECKPOINT_PAGES = 1_000;

/** The WAL is cut to this after a burst; it stays below it otherwise. */
const WAL_KEPT_BYTES = 16 * 1024 * 1024;
const PAGE_CACHE_KIB = 32 * 1024;

/** Turns what SQLite or the file system says into what the one who runs the server can do. */
const explain = (path: string, error: unknown): StoreStartError => {
  if (error instanceof StoreStartError) return error;
  const code = sqliteCode(error);
  const text = error instanceof Error ? error.message : String(error);
  const say = (message: string): StoreStartError => new StoreStartError(message, { cause: error });
  if (code === 'SQLITE_NOTADB') {
    return say(`${path} is not a SQLite database: name another file, or restore a copy of the database there.`);
  }
  if (code.startsWith('SQLITE_CORRUPT')) {
    return say(`${path} is damaged (${text}): restore a copy of the database there.`);
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return say(`${path} is locked by another program that writes to it: end that program, then start again.`);
  }
  if (code === 'SQLITE_FULL' || code === 'ENOSPC') return say(`${path} can't grow: the disk is full; free some space.`);
  return say(
    `${path} can't be opened for writing (${text}): check that the folder and the file belong to the user that runs this program.`,
  );
};

const checkPath = (given: string): string => {
  if (given === '' || given.startsWith(':memory:')) {
    throw new StoreStartError(
      `Found "${given}" as the database's path, expected a file: entries are acknowledged once they are on disk, so a database in memory is not supported.`,
    );
  }
  const path = resolve(given);
  try {
    makeFolder(dirname(path));
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
      throw new StoreStartError(`${path} is a folder, expected a file: name a file in it.`);
    }
  } catch (error) {
    throw explain(path, error);
  }
  return path;
};

/**
 * One process writes: it decides by what it has in memory. The lock is a second, empty database, because a lock on the
 * main file would keep out readers and copies too. The system frees it when the process ends, however that happens.
 */
const lock = (path: string): Connection => {
  const lockPath = `${path}.lock`;
  let held: Connection | undefined;
  try {
    held = connect(lockPath, 0);
    // No journal file beside it, which a killed process would leave.
    held.exec('PRAGMA journal_mode = MEMORY');
    held.exec('BEGIN EXCLUSIVE');
    return held;
  } catch (error) {
    held?.close();
    if (!sqliteCode(error).startsWith('SQLITE_BUSY')) throw explain(lockPath, error);
    throw new StoreStartError(
      `${path} is in use by another process (it holds ${lockPath}): stop that process, or give this one its own file.`,
      { cause: error },
    );
  }
};

/**
 * Opens, locks and migrates. Copies can be made at any time from a connection of their own (`sqlite3 file .backup`,
 * `VACUUM INTO`): they see one commit's state, and no writer waits for them.
 *
 * @param checkpointPages pages in the WAL at which a commit also moves them into the database
 * @throws StoreStartError
 */
export const openDatabase = (given: string, checkpointPages: number): OpenDatabase => {
  const path = checkPath(given);
  const held = lock(path);
  let db: Connection | undefined;
  try {
    db = connect(path);
    const mode = rowsOf(db, 'PRAGMA journal_mode = WAL')()[0]?.[0];
    if (mode !== 'wal') {
      throw new StoreStartError(
        `${path} can't have a write-ahead log (SQLite answers "${String(mode)}"): put it on a local disk.`,
      );
    }
    // FULL: a commit is on disk when it returns, so that what was acknowledged outlives a power cut.
    for (const pragma of [
      'synchronous = FULL',
      `wal_autocheckpoint = ${String(checkpointPages)}`,
      `journal_size_limit = ${String(WAL_KEPT_BYTES)}`,
      `cache_size = -${String(PAGE_CACHE_KIB)}`,
      'temp_store = MEMORY',
    ]) {
      db.exec(`PRAGMA ${pragma}`);
    }
    const migrated = migrateConnection(db, path);
    const open = db;
    return {
      db: open,
      migrated,
      close: () => {
        try {
          // The driver leaves the write-ahead log in place when it closes; once that is empty, the file is whole by itself.
          rowsOf(open, 'PRAGMA wal_checkpoint(TRUNCATE)')();
        } finally {
          open.close();
          held.close();
        }
      },
    };
  } catch (error) {
    db?.close();
    held.close();
    throw explain(path, error);
  }
};

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
