import { Command } from 'commander';
import { loadConfig } from '../server/config.ts';
import type { DatabasePlace } from '../server/settings.ts';

// Loaded here, so that the other commands don't load the database driver.
const migrate = async (database: DatabasePlace): Promise<{ from: number; to: number }> => {
  if (database.kind === 'sqlite') return (await import('../store/sqlite/database.ts')).migrateSqlite(database.path);
  return (await import('../store/postgres/migrate.ts')).migratePostgres(database.url);
};

const nameOf = (database: DatabasePlace): string =>
  database.kind === 'sqlite' ? database.path : new URL(database.url).pathname.slice(1);

/** `deskwire migrate`: brings the database to this version's schema; `serve` does the same when it starts. */
export const migrateCommand = (): Command =>
  new Command('migrate').description('Create the database, or bring it up to date.').action(async () => {
    const { database } = loadConfig(process.env);
    const { from, to } = await migrate(database);
    const before = from === 0 ? 'made' : from === to ? 'up to date' : `migrated from version ${String(from)}`;
    process.stdout.write(`${nameOf(database)}: ${before}, schema version ${String(to)}.\n`);
  });
