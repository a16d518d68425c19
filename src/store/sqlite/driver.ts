import Database from 'libsql';
import { LRUCache } from 'lru-cache';
import type { Column, Query } from './messages.ts';

/** A connection. `libsql` has better-sqlite3's interface on SQLite 3.45. */
export type Connection = Database.Database;

/** How long a write waits for another program that holds the database, which none should. */
const BUSY_TIMEOUT_MS = 1_000;

export const connect = (path: string, busyTimeoutMs = BUSY_TIMEOUT_MS): Connection =>
  new Database(path, { timeout: busyTimeoutMs });

/** `SQLITE_…`, or the error's name when it isn't SQLite's. */
export const sqliteCode = (error: unknown): string => {
  if (!(error instanceof Error)) return 'unknown';
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code !== '' ? code : error.name;
};

/**
 * A statement that gives rows, as arrays. Always read to the end: the driver's `get` leaves a statement half done,
 * and runs one that `all` has used with the former parameters.
 */
export const rowsOf = (db: Connection, sql: string): ((...parameters: readonly Column[]) => Column[][]) => {
  const statement = db.prepare<[readonly Column[]]>(sql).raw();
  return (...parameters) => statement.all(parameters) as Column[][];
};

/** A statement that gives none; its answer has the rowid of what it inserted and the number of rows it changed. */
export const effectOf = (db: Connection, sql: string): ((...parameters: readonly Column[]) => Database.RunResult) => {
  const statement = db.prepare<[readonly Column[]]>(sql);
  return (...parameters) => statement.run(parameters);
};

const MAX_KEPT_STATEMENTS = 200;

/** Runs queries that were compiled elsewhere; rows are objects. */
export class QueryRunner {
  readonly #db: Connection;
  readonly #statements = new LRUCache<string, Database.Statement<[readonly Column[]]>>({ max: MAX_KEPT_STATEMENTS });

  constructor(db: Connection) {
    this.#db = db;
  }

  run(query: Query): unknown[] {
    let statement = this.#statements.get(query.sql);
    if (statement === undefined) {
      statement = this.#db.prepare<[readonly Column[]]>(query.sql);
      this.#statements.set(query.sql, statement);
    }
    return statement.all(query.parameters);
  }
}
