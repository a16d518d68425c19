import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const NOT_OURS = new Set(['.git', 'node_modules', 'dist', 'data', 'coverage']);

const walk = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((item) => {
    const path = folder === '' ? item.name : `${folder}/${item.name}`;
    if (NOT_OURS.has(item.name)) return [];
    return item.isDirectory() ? walk(path) : [path];
  });

/** Paths, from the top, of the files that are or would be committed; of a copy without Git, of all but what is built. */
export const projectFiles = (): string[] => {
  let listed: string[];
  try {
    const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    listed = output.split('\0').filter((path) => path !== '');
  } catch {
    // No Git here, or no checkout.
    listed = walk('');
  }
  return listed.filter((path) => existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).isFile());
};
