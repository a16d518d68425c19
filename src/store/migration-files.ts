import { readdirSync } from 'node:fs';
import { StoreStartError } from './start-error.ts';

const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;

/** The schema's version before and after. */
export interface Migrated {
  readonly from: number;
  readonly to: number;
}

/** File names by version - 1. @throws StoreStartError for a gap, which would leave a step out silently */
export const migrationFiles = (folder: URL): string[] => {
  const files = readdirSync(folder)
    .filter((name) => FILE_NAME.test(name))
    .sort();
  files.forEach((name, index) => {
    if (Number(FILE_NAME.exec(name)?.[1]) !== index + 1) {
      throw new StoreStartError(
        `Migration ${name} stands where number ${String(index + 1)} is expected: this installation is incomplete; install it again.`,
      );
    }
  });
  return files;
};
