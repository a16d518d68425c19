import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { DEFAULT_LIMITS } from '../contract/limits.ts';
import { StartError } from '../server/start-error.ts';

interface SpecFlags {
  readonly write?: string;
  readonly check?: string;
}

const describeDifference = (file: string, found: string, expected: string): string => {
  const foundLines = found.split('\n');
  const expectedLines = expected.split('\n');
  const index = expectedLines.findIndex((line, at) => line !== foundLines[at]);
  // Nothing missing from the file up to its expected end: what differs is what follows there.
  const at = index === -1 ? expectedLines.length : index;
  const show = (line: string | undefined): string => (line === undefined ? '(end of file)' : JSON.stringify(line));
  return `${file} is not up to date. Line ${String(at + 1)}: found ${show(foundLines[at])}; expected ${show(expectedLines[at])}. Run \`deskwire spec --write ${file}\`.`;
};

/** `deskwire spec`: the AsyncAPI document, with the default limits, so that it is the same everywhere. */
export const specCommand = (): Command =>
  new Command('spec')
    .description('Print the AsyncAPI document (YAML).')
    .option('--write <file>', 'write it there instead')
    .option('--check <file>', 'compare it with a file; exit code 1 and the first difference when they differ')
    .action(async ({ write, check }: SpecFlags) => {
      const { asyncapiYaml } = await import('../spec/document.ts');
      const yaml = asyncapiYaml(DEFAULT_LIMITS);
      if (write !== undefined) await writeFile(write, yaml);
      if (check !== undefined) {
        const found = await readFile(check, 'utf8').catch((error: unknown) => {
          throw new StartError(`Can't read ${check}. Run \`deskwire spec --write ${check}\`.`, { cause: error });
        });
        if (found !== yaml) throw new StartError(describeDifference(check, found, yaml));
      }
      if (write === undefined && check === undefined) process.stdout.write(yaml);
    });
