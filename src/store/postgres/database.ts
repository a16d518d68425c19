import limitConcurrency from 'p-limit';
import { Client, type ClientBase, Pool, type PoolClient, type QueryResult } from 'pg';
import { DeskwireError } from '../../contract/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { type Statement, clientConfig, cut, sessionSettings, within } from './connect.ts';
import { StoreFailure, codeOf, failureOf, readError, reasonOf } from './failures.ts';
import { Silence } from './silence.ts';

export interface DatabaseOptions {
  readonly url: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Connections that are open at once. */
  readonly poolSize: number;
  /** Bound of one statement. */
  readonly statementMs: number;
}

/** Runs statements, one after the other, in one transaction. */
export type Run = <R>(statement: Statement) => Promise<R[]>;

/** How much longer than the database's own bound an answer may take. */
const GRACE_MS = 500;
/** How often a database that did not answer is tried again, and how long each try may take. */
const PROBE_MS = 1_000;
/** After so long without any answer another connection is tried: if that is answered, only the statements are slow. */
const SILENT_MS = 1_500;
const HEALTH_MS = 2_000;
/** How much of the pool reads may use: thousands who join at once must not keep a commit, or the lease of this node, waiting. */
const READERS_SHARE = 0.5;
/** Repeats of a transaction that met others. */
const TRIES = 5;

const CLOSED = 'the store is closed';

const STANDBY: Statement = { text: 'SELECT pg_is_in_recovery() AS standby', values: [] };
/** Of no conversation, and at a random place, so that two nodes do not wait for each other. */
const TRIAL = `
  INSERT INTO entries (conversation, seq, staff, at, body)
  SELECT 0, (random() * 1e15)::bigint, 0, '', string_agg(md5(random()::text), '') FROM generate_series(1, 1000)`;

/**
 * Connections to one database. It may go away and come back: those that are cut are made anew. One that does not answer is worse,
 * because each call would wait its time: after the first, calls fail at once until a try of its own is answered.
 */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #answerMs: number;
  readonly #settings: string;
  readonly #prepared = new WeakSet<ClientBase>();
  readonly #inReadTurn: ReturnType<typeof limitConcurrency>;
  readonly #silence: Silence;
  #open = new Set<PoolClient>();
  #pool: Pool;
  /** Why calls fail at once. */
  #shut: string | undefined;
  /** Why the last write failed. */
  #failing: string | undefined;
  #closed = false;
  /** Those who wait for a connection. */
  readonly #waiting = new Set<(error: Error) => void>();
  #cancelProbe: () => void = () => undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#answerMs = options.statementMs + GRACE_MS;
    this.#settings = sessionSettings(options.statementMs);
    this.#pool = this.#makePool();
    this.#silence = new Silence({
      clock: options.clock,
      silentMs: SILENT_MS,
      confirm: async () => this.#shut === undefined && !this.#closed && (await this.#tryAnother()) !== 'answers',
      onSilent: () => {
        this.#hangs(SILENT_MS);
      },
    });
    this.#inReadTurn = limitConcurrency(Math.max(1, Math.floor(options.poolSize * READERS_SHARE)));
  }

  /** @throws DeskwireError `unavailable` */
  async read<R>(statement: Statement): Promise<R[]> {
    try {
      return await this.#inReadTurn(() => this.#borrow((client) => this.#ask<R>(client, statement, 'not_kept')));
    } catch (error) {
      throw readError(error);
    }
  }

  /** A statement that is a transaction by itself. @throws StoreFailure */
  async write<R>(statement: Statement): Promise<R[]> {
    return this.#noted(() =>
      this.#borrow(async (client) => {
        try {
          return await this.#ask<R>(client, statement, 'unknown');
        } catch (error) {
          throw failureOf(error, true);
        }
      }),
    );
  }

  /** All that `work` runs, or nothing. It is run again when others came between. @throws StoreFailure, or what `work` throws */
  async transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return this.#noted(async () => {
      for (let tried = 1; ; tried++) {
        try {
          return await this.#borrow((client) => this.#transact(client, work));
        } catch (error) {
          if (!(error instanceof StoreFailure) || error.kind !== 'repeat' || tried === TRIES) throw error;
        }
      }
    });
  }

  /** Undefined, or why the database can't serve. */
  async health(): Promise<string | undefined> {
    if (this.#closed) return CLOSED;
    if (this.#shut !== undefined) return this.#shut;
    const failing = this.#failing;
    const asked = this.#borrow(async (client) => {
      // After a failure only a write tells whether it takes writes again; nobody else may come to try.
      if (failing !== undefined) await this.#tryWrite(client);
      return await this.#ask<{ standby: boolean }>(client, STANDBY, 'not_kept');
    });
    try {
      const [row] = await within(
        asked,
        HEALTH_MS,
        () => new Error(`the database has not answered within ${String(HEALTH_MS)} ms`),
      );
      if (row?.standby === true) return 'the database is a standby, which takes no writes';
      if (failing !== undefined) this.#failing = undefined;
      return undefined;
    } catch (error) {
      return error instanceof DeskwireError ? error.message : `the database can't be used: ${reasonOf(error)}`;
    }
  }

  /** Waits for what is under way; every call fails from now on. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelProbe();
    await this.#pool.end();
  }

  #makePool(): Pool {
    const { url, poolSize, log } = this.#options;
    const pool = new Pool({
      ...clientConfig(url, this.#answerMs),
      max: poolSize,
      idleTimeoutMillis: 60_000,
    });
    const open = new Set<PoolClient>();
    this.#open = open;
    // Without a listener an idle connection that dies would end the process. Whoever asks next finds out by himself.
    pool.on('error', (error) => log.warn({ reason: reasonOf(error) }, 'a connection to the database was lost'));
    pool.on('connect', (client) => {
      open.add(client);
      client.on('error', () => undefined);
    });
    pool.on('remove', (client) => open.delete(client));
    return pool;
  }

  /** Runs `use` with a connection of its own; one that failed is not used again. */
  async #borrow<T>(use: (client: PoolClient) => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreFailure('not_kept', CLOSED);
    if (this.#shut !== undefined) throw new StoreFailure('not_kept', this.#shut);
    const client = await this.#connect();
    let broken = false;
    try {
      return await use(client);
    } catch (error) {
      broken = isOfConnection(error);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async #connect(): Promise<PoolClient> {
    const client = await this.#takeClient();
    if (this.#prepared.has(client)) return client;
    try {
      await this.#ask(client, { text: this.#settings, values: [] }, 'not_kept');
    } catch (error) {
      client.release(true);
      throw failureOf(error, false);
    }
    this.#prepared.add(client);
    return client;
  }

  /** From the pool; not any more once the database is known to hang. */
  #takeClient(): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      let waiting = true;
      const giveUp = (error: Error): void => {
        waiting = false;
        this.#waiting.delete(giveUp);
        reject(error);
      };
      this.#waiting.add(giveUp);
      this.#pool.connect().then(
        (client) => {
          this.#waiting.delete(giveUp);
          if (waiting) resolve(client);
          else client.release(true);
        },
        (error: unknown) => {
          // The driver says in words alone that a connection was not made in time; that all of them are in use is no failure of the database.
          if (codeOf(error) === undefined && reasonOf(error).includes('connection timeout'))
            this.#hangs(this.#answerMs);
          giveUp(failureOf(error, false));
        },
      );
    });
  }

  /** @param lost what is known of the statement when there is no answer in time */
  async #ask<R>(client: ClientBase, statement: Statement, lost: 'not_kept' | 'unknown'): Promise<R[]> {
    const { name, text, values } = statement;
    // Several statements in one text have a result each, and can't have values.
    const query =
      values.length === 0 && name === undefined
        ? { text }
        : { ...(name === undefined ? {} : { name }), text, values: values as (string | number | null)[] };
    const asked: Promise<QueryResult> = client.query(query);
    this.#silence.asked();
    asked.then(
      () => this.#silence.answered(),
      // That it was refused is an answer; that the connection is gone is none.
      (error: unknown) => (codeOf(error) === undefined ? this.#silence.givenUp() : this.#silence.answered()),
    );
    const { rows } = await within(asked, this.#answerMs, () => {
      cut(client);
      return new StoreFailure(lost, this.#hangs(this.#answerMs));
    });
    return rows as R[];
  }

  async #transact<T>(client: PoolClient, work: (run: Run) => Promise<T>): Promise<T> {
    const run: Run = (statement) => this.#ask(client, statement, 'not_kept');
    try {
      await run({ text: 'BEGIN', values: [] });
      const result = await work(run);
      try {
        await this.#ask(client, { text: 'COMMIT', values: [] }, 'unknown');
      } catch (error) {
        throw failureOf(error, true);
      }
      return result;
    } catch (error) {
      if (isOfConnection(error)) throw failureOf(error, false);
      await run({ text: 'ROLLBACK', values: [] });
      throw error instanceof DeskwireError ? error : failureOf(error, false);
    }
  }

  async #noted<T>(write: () => Promise<T>): Promise<T> {
    try {
      // That one write succeeds does not show that others do: a full disk still takes what fits into what is there.
      return await write();
    } catch (error) {
      if (error instanceof StoreFailure && (error.kind === 'not_kept' || error.kind === 'unknown')) {
        this.#failing = error.message;
      }
      throw error;
    }
  }

  /** An entry that is larger than what may be left in the table, and that is not kept. */
  async #tryWrite(client: ClientBase): Promise<void> {
    await this.#ask(client, { text: 'BEGIN', values: [] }, 'not_kept');
    try {
      await this.#ask(client, { text: TRIAL, values: [] }, 'not_kept');
    } finally {
      await this.#ask(client, { text: 'ROLLBACK', values: [] }, 'not_kept');
    }
  }

  /** The database did not answer: its other connections are not to be trusted either. */
  #hangs(silentMs: number): string {
    const reason = `the database has not answered within ${String(silentMs)} ms`;
    if (this.#shut !== undefined || this.#closed) return reason;
    this.#shut = reason;
    this.#options.log.error({ reason }, 'the store is out of reach');
    const [pool, open] = [this.#pool, this.#open];
    this.#pool = this.#makePool();
    // Those that are in use end with the calls that use them.
    void pool.end().catch(() => undefined);
    for (const giveUp of this.#waiting) giveUp(new StoreFailure('not_kept', reason));
    for (const client of open) cut(client);
    this.#probeLater();
    return reason;
  }

  #probeLater(): void {
    this.#cancelProbe = this.#options.clock.after(PROBE_MS, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    const state = await this.#tryAnother();
    if (state === 'silent') {
      this.#probeLater();
      return;
    }
    // One that is gone refuses calls by itself, at once.
    this.#shut = undefined;
    if (state === 'answers') this.#options.log.info({}, 'the store is back');
  }

  /** What comes of another connection. */
  async #tryAnother(): Promise<'answers' | 'silent' | 'gone'> {
    const client = new Client(clientConfig(this.#options.url, PROBE_MS));
    client.on('error', () => undefined);
    const late = (): Error => new Error('no answer');
    try {
      await within(client.connect(), PROBE_MS, late);
      await within(client.query('SELECT 1'), PROBE_MS, late);
      return 'answers';
    } catch (error) {
      return codeOf(error) === undefined ? 'silent' : 'gone';
    } finally {
      cut(client);
    }
  }
}

/** Errors of the database leave the connection as it was, unless they are its end. */
const isOfConnection = (error: unknown): boolean => {
  if (error instanceof DeskwireError) return false;
  if (error instanceof StoreFailure && (error.kind === 'refused' || error.kind === 'repeat')) return false;
  const cause = error instanceof StoreFailure ? error.cause : error;
  return !(cause instanceof Error && 'severity' in cause && cause.severity === 'ERROR');
};
