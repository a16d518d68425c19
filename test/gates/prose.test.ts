import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GENERATED_DOCS } from '../../scripts/generated-docs.ts';
import { ERROR_CODES, ERRORS } from '../../src/contract/errors.ts';
import { projectFiles, ROOT } from './project-files.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Put together here, so that this file does not name them itself. */
const MACHINE_PATH = new RegExp(`(?<![\\w.~-])/(?:${['work', 'root'].join('|')})/`);

const REGISTRY_ADDRESS = /"resolved"\s*:\s*"http/;

describe('prose', () => {
  it('no file names a path of the machine it was written on', () => {
    const found = projectFiles().flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) => (MACHINE_PATH.test(line) ? [`${path}:${String(index + 1)}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
    expect(MACHINE_PATH.test(`see ${['', 'work', 'main'].join('/')}`)).toBe(true);
  });

  it('the lock file names no registry', () => {
    expect(REGISTRY_ADDRESS.test('  "resolved": "https://registry.example/x.tgz",')).toBe(true);
    const lines = read('package-lock.json').split('\n');
    expect(lines.filter((line) => REGISTRY_ADDRESS.test(line)).slice(0, 3)).toEqual([]);
  });

  for (const { path, render } of GENERATED_DOCS) {
    it(`${path} says what the sources say`, () => {
      const current = read(path);
      expect(current, 'run: npx tsx scripts/write-docs.ts').toBe(render(current));
    });
  }

  it('docs/errors.md has a row for every error and no other', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z_]+)` \| (\d+) \| (yes|no) \| (.+) \|$/gm)];
    expect(rows.map(([, code, status, retryable]) => ({ code, status: Number(status), retryable }))).toEqual(
      ERROR_CODES.map((code) => ({
        code,
        status: ERRORS[code].status,
        retryable: ERRORS[code].retryable ? 'yes' : 'no',
      })),
    );
  });
});
