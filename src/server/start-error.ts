import { RedisStartError } from '../cluster/start-error.ts';
import { StoreStartError } from '../store/start-error.ts';

/** BSD's EX_CONFIG: a process manager should not start the program again before somebody changed something. */
const EXIT_CONFIG = 78;
const EXIT_FAILURE = 1;

/** The program can't start, and the message says all that there is to say: no stack is shown. */
export class StartError extends Error {
  readonly exitCode: number = EXIT_FAILURE;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StartError';
  }
}

export interface ConfigProblem {
  /** Name of the setting. */
  readonly setting: string;
  /** What was found, what was expected, what to do. Never the value of a secret. */
  readonly message: string;
}

/** Everything that is wrong with the configuration, in one error. */
export class ConfigError extends StartError {
  override readonly exitCode = EXIT_CONFIG;
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ setting, message }) => `  ${setting}: ${message}`);
    super(['The configuration is wrong:', ...lines].join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const explain = (error: NodeJS.ErrnoException & { address?: string; port?: number }): string | undefined => {
  const place = `${error.address ?? 'HOST'}:${String(error.port ?? 'PORT')}`;
  switch (error.code ?? '') {
    case 'EADDRINUSE':
      return `Can't listen on ${place}: another program does. Stop it, or set PORT to a free port (0 picks one).`;
    case 'EACCES':
      return error.syscall === 'listen'
        ? `Can't listen on ${place}: not allowed. Ports below 1024 need a privilege; set PORT to a higher one.`
        : `Can't use ${error.path ?? 'a file'}: not allowed. Give this user the right to read and write it, or set DATA_DIR.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `Can't listen on ${place}: this machine has no such address. Set HOST to one that it has, or to 0.0.0.0.`;
    case 'ENOENT':
      return error.syscall === 'mkdir'
        ? `Can't make the folder ${error.path ?? ''}: its place can't hold folders. Set DATA_DIR to a place that can be written.`
        : undefined;
    case 'EROFS':
    case 'ENOSPC':
      return `Can't write ${error.path ?? 'a file'}: ${error.code === 'EROFS' ? 'it is read-only' : 'the disk is full'}. Set DATA_DIR to a place that can be written.`;
    default:
      return undefined;
  }
};

/** What to print on standard error when a start failed, and the exit code to end with. */
export const describeStartError = (error: unknown): { message: string; exitCode: number } => {
  if (error instanceof StartError) return { message: error.message, exitCode: error.exitCode };
  if (error instanceof StoreStartError || error instanceof RedisStartError)
    return { message: error.message, exitCode: EXIT_FAILURE };
  if (!(error instanceof Error)) return { message: `Failed: ${String(error)}`, exitCode: EXIT_FAILURE };
  return { message: explain(error) ?? `Failed: ${error.message}`, exitCode: EXIT_FAILURE };
};
