import { execFile } from 'node:child_process';
import type { Scanner, Verdict } from '../ports/scanner.ts';

const TIMEOUT_MS = 120_000;
const MAX_OUTPUT_BYTES = 65_536;
const INFECTED = 1;

/** What clamscan and its kin print: `<path>: <threat> FOUND`. */
const threatIn = (output: string): string => /: (\S[^\n]{0,127}) FOUND$/m.exec(output)?.[1] ?? 'unnamed';

/**
 * A program that is given the path of a file as its last argument and ends with 0 (clean) or 1 (infected), as clamscan
 * and clamdscan do (clamscan(1), RETURN CODES). Anything else is no verdict.
 */
export const createScanCommand = (command: readonly [program: string, ...args: string[]]): Scanner => {
  const [program, ...args] = command;
  return {
    scan: (path) =>
      new Promise<Verdict>((resolve, reject) => {
        execFile(
          program,
          [...args, path],
          { timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES },
          (error, stdout) => {
            if (error === null) resolve({ kind: 'clean' });
            else if (error.code === INFECTED && !error.killed) resolve({ kind: 'infected', threat: threatIn(stdout) });
            else
              reject(
                new Error(`the scanner ${program} gave no verdict: ${error.message.slice(0, 500)}`, { cause: error }),
              );
          },
        );
      }),
  };
};
