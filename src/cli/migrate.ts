import { Command } from 'commander';
import { loadConfig } from '../server/config.ts';

/** `deskwire migrate`: brings the database to this version's schema; `serve` does the same when it starts. */
export const migrateCommand = (): Command =>
  new Command('migrate').description('Create the database, or bring it up to date.').action(async () => {
    const { databasePath } = loadConfig(process.env);
    // Loaded here, so that the other commands don't load the database driver.
    const { migrateSqlite } = await import('../store/sqlite/database.ts');
    const { from, to } = migrateSqlite(databasePath);
    const before = from === 0 ? 'made' : from === to ? 'up to date' : `migrated from version ${String(from)}`;
    process.stdout.write(`${databasePath}: ${before}, schema version ${String(to)}.\n`);
  });
