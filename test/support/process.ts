import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { SECRET } from './server.ts';
import { until } from './until.ts';

const ROOT = resolve(import.meta.dirname, '../..');
export const CLI = [resolve(ROOT, 'dist/cli/main.js')];

/** A server as a process of its own, as an operator runs it. */
export class ServerProcess {
  readonly child: ChildProcess;
  #out = '';
  #err = '';

  constructor(env: Record<string, string>) {
    this.child = spawn(process.execPath, [...CLI, 'serve'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOST: '127.0.0.1',
        PORT: '0',
        NODE_ENV: 'production',
        DESKWIRE_JWT_SECRET: SECRET,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.#out += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.#err += chunk.toString()));
  }

  get stdout(): string {
    return this.#out;
  }
  get stderr(): string {
    return this.#err;
  }

  /** The URL of the ready line. */
  async url(): Promise<string> {
    const line = await until(
      'the ready line',
      () => {
        if (this.child.exitCode !== null)
          throw new Error(`the server ended with ${String(this.child.exitCode)}: ${this.#err}`);
        return this.#out.split('\n').find((text) => text.includes('"msg":"listening"'));
      },
      30_000,
    );
    return (JSON.parse(line) as { url: string }).url;
  }

  /** Sends a signal and waits for the end; gives the exit code, null after SIGKILL. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
    return this.child.exitCode;
  }
}
