import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { CLI } from './process.ts';
import { SECRET } from './server.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CLOCK = new URL('../chaos/clock-step.mjs', import.meta.url).href;
const KEPT_ERROR_BYTES = 4_000;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface NodeProcessOptions {
  /** Free; the node comes back on it. */
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
  /** The node has ended although nobody asked it to. */
  readonly onCrash: (what: string) => void;
}

/** One node as a process that can be killed, frozen and started again, and whose clock can be stepped. */
export class NodeProcess {
  /** Lines of its log above `info`, by level and message, over all its lives. */
  readonly complaints = new Map<string, number>();
  /** Starts that were given up because Postgres or Redis was away. */
  failedStarts = 0;
  readonly #options: NodeProcessOptions;
  #child: ChildProcess | undefined;
  /** Each start, and each end that is asked for, begins another. */
  #life = 0;

  constructor(options: NodeProcessOptions) {
    this.#options = options;
  }

  /** Starts it, as a service manager does: again and again until it listens. */
  async start(timeoutMs = 60_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    this.#life += 1;
    const life = this.#life;
    for (;;) {
      const problem = await this.#startOnce();
      if (problem === undefined || life !== this.#life) return;
      this.failedStarts += 1;
      if (Date.now() > deadline) throw new Error(`a node did not start: ${problem}`);
      await new Promise((wait) => setTimeout(wait, 200));
    }
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  /** Its wall clock goes on from here, by so much off. */
  setClock(offsetMs: number): void {
    if (this.#child?.connected === true) this.#child.send({ offsetMs }, () => undefined);
  }

  async kill(): Promise<void> {
    this.#life += 1;
    const child = this.#child;
    this.#child = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** @returns why it did not start */
  async #startOnce(): Promise<string | undefined> {
    const { port, env, onCrash } = this.#options;
    const child = spawn(process.execPath, ['--import', CLOCK, ...CLI, 'serve'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOST: '127.0.0.1',
        PORT: String(port),
        NODE_ENV: 'production',
        DESKWIRE_JWT_SECRET: SECRET,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    running.add(child);
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => (said = (said + bytes.toString()).slice(-KEPT_ERROR_BYTES)));
    let listening = false;
    const ready = new Promise<string | undefined>((settle) => {
      let line = '';
      child.stdout?.on('data', (bytes: Buffer) => {
        const lines = (line + bytes.toString()).split('\n');
        line = lines.pop() ?? '';
        for (const text of lines) if (this.#read(text) === 'listening') settle(undefined);
      });
      child.once('exit', (code, signal) => {
        running.delete(child);
        settle(`${signal ?? String(code)}: ${said}`);
        // A child that was killed is no longer the one of this node.
        if (listening && this.#child === child) {
          this.#child = undefined;
          onCrash(`ended by itself with ${signal ?? String(code)}: ${said}`);
        }
      });
    });
    const problem = await ready;
    listening = problem === undefined;
    return problem;
  }

  #read(line: string): string | undefined {
    try {
      const { level, msg } = JSON.parse(line) as { level: string; msg: string };
      if (level !== 'info' && level !== 'debug') {
        const key = `${level}: ${msg}`;
        this.complaints.set(key, (this.complaints.get(key) ?? 0) + 1);
      }
      return msg;
    } catch {
      this.complaints.set(line, (this.complaints.get(line) ?? 0) + 1);
      return undefined;
    }
  }
}
