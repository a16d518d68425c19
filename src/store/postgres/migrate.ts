import { readFileSync } from 'node:fs';
import type { Client } from 'pg';
import { type Migrated, migrationFiles } from '../migration-files.ts';
import { StoreStartError } from '../start-error.ts';
import { type Welcome, explainStatement, firstConnection } from './start-refusal.ts';

const FOLDER = new URL('../migrations/postgres/', import.meta.url);
/** What stands in the schema and is neither Deskwire's nor an extension's. */
const FOREIGN = `
  SELECT c.relname AS name FROM pg_class c
  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  ORDER BY c.relname LIMIT 3`;

const RIGHTS = `
  SELECT c.relname AS name FROM pg_class c
  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
    AND c.relname = ANY ('{deskwire_schema,conversations,heads,entries,conversation_tags,cursors,agents,attachments,attachment_usage,secrets,nodes,presences,revocations}')
    AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
      AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
  ORDER BY c.relname LIMIT 3`;

const namesOf = async (client: Client, sql: string): Promise<string[]> =>
  (await client.query<{ name: string }>(sql)).rows.map(({ name }) => name);

const versionOf = async (client: Client): Promise<number> => {
  const { rows } = await client.query<{ version: number | null }>(
    'SELECT max(version) AS version FROM deskwire_schema',
  );
  return rows[0]?.version ?? 0;
};

const hasVersions = async (client: Client): Promise<boolean> => {
  // Read from the table itself: what a connection remembers of the catalog may be older than the lock it has waited for.
  const { rows } = await client.query(
    "SELECT 1 FROM pg_class WHERE relname = 'deskwire_schema' AND relnamespace = quote_ident(current_schema())::regnamespace",
  );
  return rows.length > 0;
};

const checkEmpty = async ({ client, database, schema, creates, user }: Welcome): Promise<void> => {
  const foreign = await namesOf(client, FOREIGN);
  if (foreign.length > 0) {
    throw new StoreStartError(
      `DATABASE_URL: the schema "${schema}" of the database "${database}" has tables that are not Deskwire's (${foreign.join(', ')}): name another database, or one that is empty.`,
    );
  }
  if (!creates) {
    throw new StoreStartError(
      `DATABASE_URL: the user "${user}" may not create tables in the schema "${schema}" of the database "${database}": GRANT CREATE ON SCHEMA ${schema} TO ${user}, or make it the owner of the database.`,
    );
  }
};

/** The next step, if there is one, in a transaction of its own. One program at a time: the others find it done. */
const step = async (welcome: Welcome, files: readonly string[]): Promise<number> => {
  const { client } = welcome;
  await client.query('BEGIN');
  try {
    await client.query("SELECT pg_advisory_xact_lock(hashtextextended('deskwire migration', 0))");
    if (!(await hasVersions(client))) {
      await checkEmpty(welcome);
      await client.query(
        'CREATE TABLE deskwire_schema (version int PRIMARY KEY, migrated_at timestamptz NOT NULL DEFAULT clock_timestamp())',
      );
    }
    const found = await versionOf(client);
    const file = files[found];
    if (file !== undefined) {
      await client.query('INSERT INTO deskwire_schema (version) VALUES ($1)', [found + 1]);
      await client.query(readFileSync(new URL(file, FOLDER), 'utf8'));
    }
    await client.query('COMMIT');
    return found;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
};

/**
 * Brings a database to this program's schema, and makes it if there is none. Several programs may do so at once.
 *
 * @returns the schema's version before (0: an empty database) and after
 * @throws StoreStartError when the database can't be reached or used, or has a newer schema
 */
export const migratePostgres = async (url: string): Promise<Migrated> => {
  const files = migrationFiles(FOLDER);
  const known = files.length;
  const welcome = await firstConnection(url);
  const { client, database } = welcome;
  try {
    // Elsewhere another program may be at it for long.
    await client.query('SET statement_timeout = 0');
    let found = (await hasVersions(client)) ? await versionOf(client) : 0;
    let from = found;
    for (let steps = 0; found < known; steps++) {
      const before = await step(welcome, files);
      if (steps === 0) from = before;
      found = Math.max(before, Math.min(before + 1, known));
    }
    if (found > known) {
      throw new StoreStartError(
        `DATABASE_URL: the database "${database}" has schema version ${String(found)}; this version of Deskwire knows up to ${String(known)}. ` +
          'A newer version has written to it: start that version, or restore a copy from before the upgrade.',
        { versions: { found, known } },
      );
    }
    const missing = await namesOf(client, RIGHTS);
    if (missing.length > 0) {
      throw new StoreStartError(
        `DATABASE_URL: the user "${welcome.user}" may not read and write all of Deskwire's tables in the database "${database}" (${missing.join(', ')}): grant SELECT, INSERT, UPDATE and DELETE on them.`,
      );
    }
    return { from, to: known };
  } catch (error) {
    throw explainStatement(error, welcome);
  } finally {
    welcome.close();
  }
};
