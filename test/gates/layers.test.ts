import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What each layer stands on, written down a second time so that a change of the lint configuration shows. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  contract: [],
  ports: ['contract'],
  core: ['contract', 'ports'],
  feed: ['contract', 'ports', 'core'],
  dispatch: ['contract', 'ports', 'core', 'feed'],
  transport: ['contract', 'ports', 'core', 'feed', 'dispatch'],
  auth: ['contract', 'ports'],
  store: ['contract', 'ports'],
  media: ['contract', 'ports'],
  cluster: ['contract', 'ports'],
  spec: ['contract'],
  server: ['contract', 'ports', 'core', 'feed', 'dispatch', 'transport', 'auth', 'store', 'media', 'cluster', 'spec'],
  cli: [
    'contract',
    'ports',
    'core',
    'feed',
    'dispatch',
    'transport',
    'auth',
    'store',
    'media',
    'cluster',
    'spec',
    'server',
  ],
};
const LAYERS = Object.keys(MAY_IMPORT);

// The files linted here do not exist, so the rules that need their types are left out.
const untyped = new ESLint({
  cwd: ROOT,
  overrideConfig: [{ ...tseslint.configs.disableTypeChecked, files: ['**/*.ts'] }],
});

const lint = async (filePath: string, code: string): Promise<string[]> => {
  const [result] = await untyped.lintText(code, { filePath: `${ROOT}${filePath}` });
  return (result?.messages ?? []).map(({ ruleId, message }) => `${ruleId ?? 'fatal'}: ${message}`);
};

const importing = (path: string): string => `import { probe } from '${path}';\nexport const found = probe;\n`;

describe('layers', () => {
  for (const layer of LAYERS) {
    const allowed = MAY_IMPORT[layer] ?? [];
    const refused = LAYERS.filter((other) => other !== layer && !allowed.includes(other));

    it(`src/${layer} may import ${allowed.join(', ') || 'no other layer'}`, async () => {
      for (const other of [layer, ...allowed]) {
        expect(await lint(`src/${layer}/probe.ts`, importing(`../${other}/target.ts`)), other).toEqual([]);
      }
    });

    it(`src/${layer} may not import what is not shipped`, async () => {
      const found = await lint(`src/${layer}/probe.ts`, importing('../../test/support.ts'));
      expect(found.join('\n')).toContain('src is built and shipped by itself');
    });

    if (refused.length === 0) continue;
    it(`src/${layer} may not import ${refused.join(', ')}`, async () => {
      for (const other of refused) {
        const expected = [
          expect.stringMatching(
            `^import-x/no-restricted-paths: .*src/${layer} may import ${allowed.join(', ') || 'no other layer'}: .{20,}`,
          ) as string,
        ];
        expect(await lint(`src/${layer}/probe.ts`, importing(`../${other}/target.ts`)), other).toEqual(expected);
        const types = `import type { Probe } from '../../${other}/deep/target.ts';\nexport type Found = Probe;\n`;
        expect(await lint(`src/${layer}/deep/probe.ts`, types), `types of ${other}`).toEqual(expected);
      }
    });
  }
});

describe('other bounds', () => {
  it('src/contract imports zod alone', async () => {
    const message = 'src/contract runs in browsers too: it may import zod and nothing else.';
    for (const name of ['node:fs', 'fs', 'socket.io', '@types/node', 'zod/v3']) {
      expect((await lint('src/contract/probe.ts', importing(name))).join(), name).toContain(message);
    }
    expect(await lint('src/contract/requests/probe.ts', importing('zod'))).toEqual([]);
  });

  it('src/contract has no globals of Node', async () => {
    const found = await lint('src/contract/probe.ts', 'export const found = Buffer.from(process.title);\n');
    expect(found.filter((line) => line.includes('which do not have it'))).toHaveLength(2);
  });

  it('the environment is read by src/server/config.ts and src/cli alone', async () => {
    const message = 'The environment is read once';
    const read = 'export const port = process.env.PORT;\n';
    const imported = "import { env } from 'node:process';\nexport const port = env.PORT;\n";
    for (const file of ['src/server/serve.ts', 'src/core/probe.ts']) {
      expect((await lint(file, read)).join(), file).toContain(message);
      expect((await lint(file, imported)).join(), file).toContain(message);
    }
    for (const file of ['src/server/config.ts', 'src/cli/probe.ts']) expect(await lint(file, read), file).toEqual([]);
  });

  it('only src/cli writes to the console', async () => {
    const code = "console.log('hello');\n";
    expect(await lint('src/server/probe.ts', code)).toEqual([expect.stringContaining('no-console') as string]);
    expect(await lint('src/cli/probe.ts', code)).toEqual([]);
  });

  it('a type is imported as a type', async () => {
    const code = "import { Limits } from '../contract/limits.ts';\nexport const read = (limits: Limits) => limits;\n";
    expect((await lint('src/ports/probe.ts', code)).join()).toContain('consistent-type-imports');
  });

  it('a floating promise is found', async () => {
    const typed = new ESLint({ cwd: ROOT });
    const code = 'export const probe = async (): Promise<void> => {};\nprobe();\n';
    const [result] = await typed.lintText(code, { filePath: `${ROOT}src/ports/clock.ts` });
    expect(result?.messages.map(({ ruleId }) => ruleId)).toContain('@typescript-eslint/no-floating-promises');
  });

  it('a cycle is found', async () => {
    const code = "import { createContract } from './contract.ts';\nexport const found = createContract;\n";
    expect((await lint('src/contract/define-probe.ts', code)).join()).not.toContain('no-cycle');
    expect((await lint('src/contract/text.ts', code)).join()).toContain('import-x/no-cycle');
  });
});
