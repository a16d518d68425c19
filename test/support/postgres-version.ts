import { fetchPostgres, isOtherVersion } from './other-postgres.ts';

/** Before all tests: TEST_POSTGRES=14 has them use that Postgres instead of the installed one. */
export default async (): Promise<(() => void) | undefined> => {
  const text = process.env['TEST_POSTGRES'];
  if (text === undefined) return undefined;
  const version = Number(text);
  if (!isOtherVersion(version)) throw new Error(`TEST_POSTGRES is ${text}, expected 13, 14 or 18`);
  const other = await fetchPostgres(version);
  process.env['TEST_POSTGRES_BIN'] = other.programs;
  return () => other.remove();
};
