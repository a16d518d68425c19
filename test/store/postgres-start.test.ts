import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noMetrics } from '../../src/ports/metrics.ts';
import { migratePostgres } from '../../src/store/postgres/migrate.ts';
import { openPostgresStore } from '../../src/store/postgres/store.ts';
import { StoreStartError } from '../../src/store/start-error.ts';
import { PASSWORD, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { silentLog } from '../support/store.ts';
import { opened } from './builders.ts';

describe('starting the Postgres store', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: false });
    await postgres.query(postgres.url, `CREATE ROLE guest LOGIN PASSWORD '${PASSWORD}'`);
  });
  afterAll(() => postgres.remove());

  const open = (url: string) => openPostgresStore({ url, log: silentLog, metrics: noMetrics });
  const refusal = async (url: string): Promise<StoreStartError> => {
    const error = await open(url).then(
      ({ store }) => store.close().then(() => undefined),
      (reason: unknown) => reason,
    );
    if (!(error instanceof StoreStartError)) throw new Error(`expected a StoreStartError, found ${String(error)}`);
    expect(error.message).toContain('DATABASE_URL');
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'wrong-word'])
      expect(error.message).not.toContain(secret);
    return error;
  };
  /** The same place, for the user without rights. */
  const asGuest = (url: string): string => postgres.urlOf(url.split('/').at(-1) ?? '', 'guest');

  it('migrates an empty database, once', async () => {
    const url = await postgres.newDatabase();
    const versions = await migratePostgres(url);
    expect(versions.from).toBe(0);
    expect(versions.to).toBeGreaterThan(0);
    expect(await migratePostgres(url)).toEqual({ from: versions.to, to: versions.to });
  });

  it('migrates once when several nodes start at once, and all of them serve', async () => {
    const url = await postgres.newDatabase();
    const all = await Promise.all(Array.from({ length: 4 }, () => open(url)));
    const rows = await postgres.query<{ version: number }>(url, 'SELECT version FROM deskwire_schema ORDER BY version');
    expect(rows.map(({ version }) => version)).toEqual(rows.map((_, index) => index + 1));
    for (const { store } of all) {
      await opened(store);
      await store.close();
    }
  });

  it('lives in a schema of its own beside others’ tables', async () => {
    const url = await postgres.newDatabase();
    await postgres.query(url, 'CREATE TABLE theirs (a int); CREATE SCHEMA desk');
    const { store } = await open(`${url}?options=-c%20search_path%3Ddesk`);
    await opened(store);
    await store.close();
    expect(await postgres.query(url, 'SELECT count(*)::int AS count FROM desk.entries')).toEqual([{ count: 1 }]);
  });

  it('takes a schema that only holds an extension’s views for empty', async () => {
    const url = await postgres.newDatabase();
    await postgres.query(url, 'CREATE EXTENSION pg_buffercache');
    const { store } = await open(url);
    await store.close();
  });

  it('[STORE-9] refuses a newer schema, and says what to do', async () => {
    const url = await postgres.newDatabase();
    const { to } = await migratePostgres(url);
    await postgres.query(url, `INSERT INTO deskwire_schema (version) VALUES (${String(to + 1)})`);
    const error = await refusal(url);
    expect(error.versions).toEqual({ found: to + 1, known: to });
    expect(error.message).toMatch(/newer version/);
  });

  it('[STORE-9] refuses tables that are not Deskwire’s, and leaves them alone', async () => {
    const url = await postgres.newDatabase();
    await postgres.query(url, 'CREATE TABLE theirs (a int)');
    expect((await refusal(url)).message).toMatch(/not Deskwire's \(theirs\)/);
    const left = await postgres.query(url, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace");
    expect(left).toEqual([{ relname: 'theirs' }]);
  });

  it('[STORE-9] refuses a database that is not UTF8', async () => {
    const url = await postgres.newDatabase("ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'");
    expect((await refusal(url)).message).toMatch(/SQL_ASCII, expected UTF8/);
  });

  it('[STORE-9] refuses a wrong password, an unknown user and a missing database', async () => {
    expect((await refusal(postgres.urlOf('postgres', 'deskwire', 'wrong-word'))).message).toMatch(
      /refused the password of the user "deskwire"/,
    );
    expect((await refusal(postgres.urlOf('postgres', 'nobody-here'))).message).toMatch(/"nobody-here"/);
    expect((await refusal(postgres.urlOf('no_such'))).message).toMatch(/no database "no_such"/);
  });

  it('[STORE-9] refuses a user who may not create tables, and one who may not use them', async () => {
    const url = await postgres.newDatabase();
    await postgres.query(url, 'REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    expect((await refusal(asGuest(url))).message).toMatch(/GRANT CREATE ON SCHEMA public TO guest/);
    await migratePostgres(url);
    expect((await refusal(asGuest(url))).message).toMatch(/too few rights/);
    await postgres.query(url, 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest');
    expect((await refusal(asGuest(url))).message).toMatch(/may not read and write all.*agents/);
    await postgres.query(url, 'GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest');
    const { store } = await open(asGuest(url));
    await opened(store);
    await store.close();
    await postgres.query(url, `REVOKE CONNECT ON DATABASE ${url.split('/').at(-1) ?? ''} FROM PUBLIC`);
    expect((await refusal(asGuest(url))).message).toMatch(/grant CONNECT/);
  });

  it('[STORE-9] refuses a user, and a database, whose own limit of connections is met, and says which to raise', async () => {
    const url = await postgres.newDatabase();
    const name = url.split('/').at(-1) ?? '';
    await postgres.query(url, 'ALTER ROLE guest CONNECTION LIMIT 0');
    const role = await refusal(asGuest(url));
    await postgres.query(url, `ALTER ROLE guest CONNECTION LIMIT -1; ALTER DATABASE ${name} CONNECTION LIMIT 0`);
    const database = await refusal(asGuest(url));
    expect(role.message).toContain('ALTER ROLE "guest" CONNECTION LIMIT');
    expect(database.message).toContain(`ALTER DATABASE "${name}" CONNECTION LIMIT`);
    for (const { message } of [role, database]) expect(message).not.toContain('max_connections');
  });

  it('[STORE-9] refuses an address without a password where one is asked for', async () => {
    const url = postgres.url.replace(/:[^:@]*@/, '@');
    expect((await refusal(url)).message).toMatch(/^DATABASE_URL has no password, .*asks the user "deskwire" for one/);
    // A password that is kept in the older way is asked for in the older way.
    await postgres.query(postgres.url, `SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD '${PASSWORD}'`);
    const old = postgres.urlOf('postgres', 'old').replace(/:[^:@]*@/, '@');
    expect((await refusal(old)).message).toMatch(/^DATABASE_URL has no password, .*asks the user "old" for one/);
  });

  it.each(['sslrootcert', 'sslcert', 'sslkey'])(
    '[STORE-9] refuses a file of %s that can not be read, by its name',
    async (option) => {
      const { message } = await refusal(`${postgres.url}?${option}=%2Fmissing.pem`);
      expect(message).toContain(`found ${option}=/missing.pem, which can't be read (ENOENT): expected a PEM file`);
    },
  );

  it('[STORE-9] refuses TLS at a server that has none, and says where to mend it', async () => {
    for (const option of ['sslmode=verify-full', 'sslmode=no-verify', 'ssl=true']) {
      expect((await refusal(`${postgres.url}?${option}`)).message).toMatch(/does not speak it: take sslmode .* out of/);
    }
  });

  it('[STORE-9] refuses a search path on which there is no schema', async () => {
    const url = await postgres.newDatabase();
    expect((await refusal(`${url}?options=-c%20search_path%3Dmissing`)).message).toMatch(
      /no schema on the user's search_path/,
    );
  });

  it('[STORE-9] refuses what is not there, and what is no Postgres, by host and port', async () => {
    const stranger = createServer((socket) => socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    );
    await once(stranger, 'listening');
    const { port } = stranger.address() as { port: number };
    const place = (host: string) => `postgres://deskwire:wrong-word@${host}/deskwire`;
    expect((await refusal(place(`127.0.0.1:${String(port)}`))).message).toContain(`127.0.0.1:${String(port)}`);
    stranger.close();
    await once(stranger, 'close');
    const gone = await refusal(place(`127.0.0.1:${String(port)}`));
    expect(gone.message).toMatch(
      new RegExp(`nothing answers at 127.0.0.1:${String(port)} \\(ECONNREFUSED\\): check host and port`),
    );
    expect((await refusal(place('nowhere.invalid:5432'))).message).toContain('nowhere.invalid:5432');
  });

  it.each([
    'postgres://deskwire:wrong-word@127.0.0.1:port/x',
    'postgres://[',
    'postgres://deskwire:wrong-word@host:5432:1/x',
  ])('[STORE-9] refuses %s, which is no URL', async (url) => {
    expect((await refusal(url)).message).toMatch(/expected postgres:\/\/USER:PASSWORD@HOST/);
  });
});
