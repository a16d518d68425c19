import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));

export interface Built {
  readonly deskwire: string;
  readonly relay: string;
  readonly load: string;
  readonly memoryHook: string;
  readonly routing: string;
}

/** Under node_modules, from where the peer's imports resolve as ours do. */
const benchFolder = join(root, 'node_modules', '.cache', 'deskwire-bench');

/** Compiles the program and the other processes of the benchmark: measured is what plain Node runs, with no loader inside. */
export const build = (): Built => {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  const copyAssets = join(root, 'scripts', 'copy-assets.mjs');
  if (existsSync(copyAssets)) execFileSync(process.execPath, [copyAssets], { cwd: root, stdio: ['ignore', 2, 2] });

  mkdirSync(benchFolder, { recursive: true });
  writeFileSync(join(benchFolder, 'package.json'), '{ "type": "module" }\n');
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    rewriteRelativeImportExtensions: true,
  };
  const sources = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' });
  for (const name of sources.filter((file) => file.endsWith('.ts'))) {
    const { outputText } = ts.transpileModule(readFileSync(join(import.meta.dirname, name), 'utf8'), {
      compilerOptions,
    });
    // What a benchmark takes from the program is the built program.
    const target = join(benchFolder, name.replace(/\.ts$/, '.js'));
    const built = outputText.replaceAll(/"(?:\.\.\/)+src\//g, `"${relative(dirname(target), join(root, 'dist'))}/`);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, built);
  }
  return {
    deskwire: join(root, 'dist', 'cli', 'main.js'),
    relay: join(benchFolder, 'relay.js'),
    load: join(benchFolder, 'load.js'),
    memoryHook: join(benchFolder, 'memory-hook.js'),
    routing: join(benchFolder, 'routing-process.js'),
  };
};
