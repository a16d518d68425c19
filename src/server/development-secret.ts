import { randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MIN_SECRET_BYTES } from '../auth/keys.ts';
import { makeFolder } from '../store/make-folder.ts';
import { StartError } from './start-error.ts';

const FILE_NAME = 'jwt-secret';

const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

const read = async (path: string): Promise<string | undefined> => {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  if (Buffer.byteLength(text) >= MIN_SECRET_BYTES) return text;
  throw new StartError(
    `${path} should hold a secret of at least ${String(MIN_SECRET_BYTES)} bytes, and does not. Delete it, and the next start makes a new one; tokens signed before are then refused.`,
  );
};

export interface DevelopmentSecret {
  readonly secret: string;
  readonly path: string;
  /** Whether it was made just now. */
  readonly created: boolean;
}

/**
 * The secret of a server that was given no key, for development: made once, kept in `<dataDir>/jwt-secret`,
 * readable by its owner alone. Of any number of starts at once all get the same one: whoever links the file first.
 */
export const developmentSecret = async (dataDir: string): Promise<DevelopmentSecret> => {
  const path = join(dataDir, FILE_NAME);
  const existing = await read(path);
  if (existing !== undefined) return { secret: existing, path, created: false };

  makeFolder(dataDir);
  const secret = randomBytes(32).toString('base64url');
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  try {
    // A link appears whole or not at all, and fails when the name is taken; a rename would replace the winner's.
    await link(draft, path);
    return { secret, path, created: true };
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    const winner = await read(path);
    if (winner === undefined) throw error;
    return { secret: winner, path, created: false };
  } finally {
    await unlink(draft);
  }
};
