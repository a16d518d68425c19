import type { ClientBase, ClientConfig } from 'pg';
import { types } from 'pg';

/** How connections are made, and what is set on each before it is used. */

/** A statement: one with a name is prepared once on each connection, so names are few. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
  readonly values: readonly (string | number | null)[];
}

const INT8 = 20;

const parserOf = types.getTypeParser as (oid: number, format?: string) => (text: string) => unknown;

/** Seqs, counts and bytes come as numbers: all are below 2^53. */
const getTypeParser = ((oid: number, format?: string) =>
  oid === INT8 ? Number : parserOf(oid, format)) as typeof types.getTypeParser;

export const clientConfig = (url: string, connectTimeoutMs: number): ClientConfig => ({
  connectionString: url,
  connectionTimeoutMillis: connectTimeoutMs,
  fallback_application_name: 'deskwire',
  // So that a machine that is gone is noticed on connections that only wait.
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  types: { getTypeParser },
});

/**
 * Run on each new connection, not sent with its start: poolers refuse what they don't know there.
 *
 * @param statementMs bound of a statement, waiting for locks included
 */
export const sessionSettings = (statementMs: number): string =>
  [
    `SET statement_timeout = ${String(statementMs)}`,
    // A node that freezes within a transaction holds its locks no longer than others wait for them.
    `SET idle_in_transaction_session_timeout = ${String(Math.ceil(statementMs / 2))}`,
    `SET default_transaction_isolation = 'read committed'`,
    'SET default_transaction_read_only = off',
    // What is acknowledged is on disk. Stricter settings, which wait for replicas too, stay.
    `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`,
    // Every query here has an index that gives its order. A plan made while a table was small must not stay when it has grown.
    'SET enable_seqscan = off',
    'SET enable_bitmapscan = off',
    'SET enable_mergejoin = off',
    'SET jit = off',
  ].join('; ');

/**
 * The promise's outcome, or `late()` thrown after so long. What the promise does later is of no interest. A process that was held up
 * reads first what has arrived meanwhile.
 */
export const within = async <T>(promise: Promise<T>, ms: number, late: () => Error): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  let turn: NodeJS.Immediate | undefined;
  const bound = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      turn = setImmediate(() => reject(late()));
    }, ms);
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, bound]);
  } finally {
    clearTimeout(timer);
    clearImmediate(turn);
  }
};

/** Cuts a connection without a word: for one that does not answer. */
export const cut = (client: ClientBase): void => {
  (client as ClientBase & { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
};
