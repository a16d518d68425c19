import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { developmentSecret } from '../../src/server/development-secret.ts';

const run = promisify(execFile);

const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-secret-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  return folder;
};

test('it is made once, for its owner alone, and found again', async () => {
  const folder = join(temporaryFolder(), 'a/b');
  const first = await developmentSecret(folder);
  expect(first.created).toBe(true);
  expect(first.secret.length).toBeGreaterThanOrEqual(43);
  expect(statSync(first.path).mode & 0o777).toBe(0o600);
  expect(await developmentSecret(folder)).toEqual({ ...first, created: false });
  expect(readFileSync(first.path, 'utf8').trim()).toBe(first.secret);
});

test(
  'any number of starts at once agree on one, across processes too, and leave nothing behind',
  { timeout: 30_000 },
  async () => {
    const folder = temporaryFolder();
    const module = new URL('../../src/server/development-secret.ts', import.meta.url).href;
    const script = `const { developmentSecret } = await import(${JSON.stringify(module)});
    const all = await Promise.all(Array.from({ length: 20 }, () => developmentSecret(process.argv[1])));
    console.log(JSON.stringify(all));`;
    const outputs = await Promise.all(
      [1, 2, 3].map(() => run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, folder])),
    );
    const all = outputs.flatMap(({ stdout }) => JSON.parse(stdout) as { secret: string; created: boolean }[]);
    expect(all).toHaveLength(60);
    expect(new Set(all.map(({ secret }) => secret)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(['jwt-secret']);
  },
);

test('a file that holds no secret is not replaced without asking', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'jwt-secret'), 'short');
  await expect(developmentSecret(folder)).rejects.toThrow(/Delete it/);
});
