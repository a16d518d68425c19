import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { loadConfig } from '../server/config.ts';

/** `deskwire migrate`: brings the database to this version's schema; `serve` does the same when it starts. */
export const migrateCommand = (): Command =>
  new Command('migrate').description('Create the database, or bring it up to date.').action(async () => {
    const { databasePath } = loadConfig(process.env);
    const { migrateSqlite } = await import('../store/sqlite/migrate.ts');
    await mkdir(dirname(databasePath), { recursive: true });
    await migrateSqlite(databasePath);
    process.stdout.write(`${databasePath} is up to date.\n`);
  });
