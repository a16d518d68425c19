import { spawn } from 'node:child_process';
import type { Scanner, Verdict } from '../ports/scanner.ts';

const TIMEOUT_MS = 120_000;
/** Of what it prints, only the start is looked at. */
const MAX_OUTPUT_LENGTH = 65_536;
const CLEAN = 0;
const INFECTED = 1;

/** What clamscan and its kin print: `<path>: <threat> FOUND`. */
const threatIn = (output: string): string => /: (\S[^\n]{0,127}) FOUND$/m.exec(output)?.[1] ?? 'a threat';

/**
 * A program that is given the path of a file as its last argument and ends with 0 (clean) or 1 (infected), as clamscan
 * and clamdscan do (clamscan(1), RETURN CODES). Anything else is no verdict. What it leaves running is not waited for.
 *
 * @param environment all that it gets to see of the server's
 */
export const createScanCommand = (
  command: readonly [program: string, ...args: string[]],
  environment: NodeJS.ProcessEnv,
): Scanner => {
  const [program, ...args] = command;
  return {
    scan: (path, signal) =>
      new Promise<Verdict>((resolve, reject) => {
        const child = spawn(program, [...args, path], {
          env: environment,
          stdio: ['ignore', 'pipe', 'ignore'],
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
          killSignal: 'SIGKILL',
        });
        let output = '';
        child.stdout.setEncoding('utf8');
        child.stdout.on('data', (text: string) => {
          if (output.length < MAX_OUTPUT_LENGTH) output += text;
        });
        const fail = (reason: string, cause?: unknown): void => {
          reject(new Error(`the scanner ${program} gave no verdict: ${reason}`, { cause }));
        };
        child.once('error', (error) => fail(error.message, error));
        child.once('exit', (code, killedBy) => {
          // What it printed may still be on its way; what its own children print does not count.
          setImmediate(() => {
            child.stdout.destroy();
            if (code === CLEAN) resolve({ kind: 'clean' });
            else if (code === INFECTED) resolve({ kind: 'infected', threat: threatIn(output) });
            else fail(code === null ? `it was ended by ${killedBy ?? 'a signal'}` : `it ended with ${String(code)}`);
          });
        });
      }),
  };
};
