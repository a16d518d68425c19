// `tsx scripts/write-docs.ts` writes the pages that come from tables in the sources;
// with --check it only compares, and exits with 1 when one of them is out of date.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GENERATED_DOCS } from './generated-docs.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const checkOnly = process.argv.includes('--check');

for (const { path, render } of GENERATED_DOCS) {
  const file = join(root, path);
  const current = existsSync(file) ? readFileSync(file, 'utf8') : '';
  let expected: string;
  try {
    expected = render(current);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    continue;
  }
  if (expected === current) continue;
  if (checkOnly) {
    process.stderr.write(`${path} differs from the sources; run: npx tsx scripts/write-docs.ts\n`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, expected);
    process.stdout.write(`Wrote ${path}\n`);
  }
}
