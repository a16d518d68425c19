import { readFileSync } from 'node:fs';
import { Client, DatabaseError } from 'pg';
import { StoreStartError } from '../start-error.ts';
import { clientConfig, cut, within } from './connect.ts';
import { codeOf, reasonOf } from './failures.ts';

/** The first connection, and what the one who runs the server is told when there can be none. */

const CONNECT_MS = 10_000;
/** xid8 and the functions that nodes find each other's news with. */
const OLDEST_VERSION = 140_000;
const VARIABLE = 'DATABASE_URL';

/** Where a client goes: never with the password. */
interface Place {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
  /** What was given, or found in the environment; never to be said. */
  readonly password?: unknown;
}

const nameOf = ({ host, port }: Place): string =>
  host.startsWith('/') ? `the socket in ${host}` : `${host}:${String(port)}`;

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'ENOENT',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** Whose limit of connections was met; the server's own is what is left. By the routine, because the words come in many languages. */
const limited = (error: unknown): 'role' | 'database' | 'server' => {
  const { routine, message } = error instanceof DatabaseError ? error : { routine: '', message: '' };
  if (routine === 'InitializeSessionUserId' || message.includes('for role')) return 'role';
  if (routine === 'CheckMyDatabase' || message.includes('for database')) return 'database';
  return 'server';
};

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const explain = (error: unknown, place: Place): StoreStartError => {
  const say = (message: string): StoreStartError => new StoreStartError(message, { cause: error });
  const code = codeOf(error) ?? '';
  const reason = reasonOf(error);
  const user = String(place.user);
  const database = String(place.database);
  // Without a password pg sends none where the server asks for one in the present way, and the word null in the older one.
  if (reason.includes('password must be a') || (code === '28P01' && (place.password ?? '') === '')) {
    return say(
      `${VARIABLE} has no password, and ${nameOf(place)} asks the user "${user}" for one: write postgres://${user}:PASSWORD@…, with what has a meaning in a URL as %XX, or let the user in without one in pg_hba.conf.`,
    );
  }
  if (reason.includes('does not support SSL')) {
    return say(
      `${VARIABLE} asks for TLS, and ${nameOf(place)} does not speak it: take sslmode (and ssl) out of the URL, or turn TLS on at the server (ssl = on, with a certificate).`,
    );
  }
  switch (code) {
    case '28P01':
      return say(`${VARIABLE}: ${nameOf(place)} refused the password of the user "${user}": check user and password.`);
    case '28000':
      return say(
        `${VARIABLE}: ${nameOf(place)} does not let the user "${user}" in (${reason}): check that the role exists and may log in, and what pg_hba.conf says of it.`,
      );
    case '3D000':
      return say(`${VARIABLE}: ${nameOf(place)} has no database "${database}": create it, or name another.`);
    case '42501':
      return say(
        `${VARIABLE}: the user "${user}" may not use the database "${database}" (${reason}): grant CONNECT on it.`,
      );
    case '53300':
      if (limited(error) === 'role') {
        return say(
          `${VARIABLE}: the user "${user}" has no connection left at ${nameOf(place)} (${reason}): raise its limit with ALTER ROLE ${quoted(user)} CONNECTION LIMIT n (-1: none), or end its other connections.`,
        );
      }
      if (limited(error) === 'database') {
        return say(
          `${VARIABLE}: the database "${database}" at ${nameOf(place)} has no connection left (${reason}): raise its limit with ALTER DATABASE ${quoted(database)} CONNECTION LIMIT n (-1: none), or end other connections to it.`,
        );
      }
      return say(
        `${VARIABLE}: ${nameOf(place)} has no connection left: raise its max_connections, or end other programs' connections.`,
      );
    case '57P03':
      return say(`${VARIABLE}: ${nameOf(place)} takes no connections yet (${reason}): start again when it is up.`);
  }
  if (UNREACHABLE.has(code) || (code === '' && /timeout|no answer/.test(reason))) {
    return say(
      `${VARIABLE}: nothing answers at ${nameOf(place)} (${code === '' ? reason : code}): check host and port, that the database runs, and that this machine may reach it.`,
    );
  }
  return say(`${VARIABLE}: ${nameOf(place)} can't be used (${reason}).`);
};

/** Files that a URL may name: pg reads them while it reads the URL, and says of one that it can't read not whose it is. */
const FILES = ['sslrootcert', 'sslcert', 'sslkey'];

const checkFiles = (url: string): void => {
  const options = URL.canParse(url) ? new URL(url).searchParams : new URLSearchParams();
  for (const option of FILES) {
    const file = options.get(option) ?? '';
    if (file === '') continue;
    try {
      readFileSync(file);
    } catch (error) {
      throw new StoreStartError(
        `${VARIABLE}: found ${option}=${file}, which can't be read (${codeOf(error) ?? 'unreadable'}): expected a PEM file that this process may read; name it by its absolute path.`,
        { cause: error },
      );
    }
  }
};

const parsed = (url: string): Client => {
  try {
    return new Client(clientConfig(url, CONNECT_MS));
  } catch {
    throw new StoreStartError(
      `${VARIABLE} is not a URL that names a Postgres database: expected postgres://USER:PASSWORD@HOST:5432/DATABASE; in user and password, write what has a meaning in a URL as %XX.`,
    );
  }
};

interface Server {
  version: string;
  number: number;
  encoding: string;
  standby: boolean;
  schema: string | null;
  creates: boolean;
}

const SERVER = `
  SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
    current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby, current_schema() AS schema,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS creates`;

const check = (server: Server, database: string): void => {
  if (server.number < OLDEST_VERSION) {
    throw new StoreStartError(
      `${VARIABLE}: the server is Postgres ${server.version}, expected 14 or newer: upgrade it, or name another.`,
    );
  }
  if (server.encoding !== 'UTF8') {
    throw new StoreStartError(
      `${VARIABLE}: the database "${database}" has the encoding ${server.encoding}, expected UTF8: create it with ENCODING 'UTF8' TEMPLATE template0.`,
    );
  }
  if (server.standby) {
    throw new StoreStartError(`${VARIABLE}: the server is a standby, which takes no writes: name the primary.`);
  }
  if (server.schema === null) {
    throw new StoreStartError(
      `${VARIABLE}: no schema on the user's search_path exists in "${database}", or the user may not use it: create one and grant USAGE and CREATE on it.`,
    );
  }
};

/** A server that fits, and a connection to it. */
export interface Welcome {
  readonly client: Client;
  readonly user: string;
  readonly database: string;
  readonly schema: string;
  /** The user may make tables in the schema. */
  readonly creates: boolean;
  close(): void;
}

/** @throws StoreStartError that names DATABASE_URL and what to do, never the password */
export const firstConnection = async (url: string): Promise<Welcome> => {
  checkFiles(url);
  const client = parsed(url);
  client.on('error', () => undefined);
  const place: Place = client;
  const database = String(place.database);
  const late = (): Error => new Error('no answer');
  try {
    await within(client.connect(), CONNECT_MS + 1_000, late);
    const { rows } = await within(client.query<Server>(SERVER), CONNECT_MS, late);
    const [server] = rows;
    if (server === undefined) throw new TypeError('expected a row');
    check(server, database);
    return {
      client,
      user: String(place.user),
      database,
      schema: String(server.schema),
      creates: server.creates,
      close: () => cut(client),
    };
  } catch (error) {
    cut(client);
    throw error instanceof StoreStartError ? error : explain(error, place);
  }
};

/** What a statement of a migration or of the checks before it failed with. */
export const explainStatement = (error: unknown, { schema, user }: Welcome): StoreStartError => {
  if (error instanceof StoreStartError) return error;
  const reason = reasonOf(error);
  return new StoreStartError(
    codeOf(error) === '42501'
      ? `${VARIABLE}: the user "${user}" has too few rights in the schema "${schema}" (${reason}): make it the owner of Deskwire's tables, and GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${user}.`
      : `${VARIABLE}: the schema "${schema}" can't be brought up to date (${reason}).`,
    { cause: error },
  );
};
