import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Entry } from '../../src/contract/schemas.ts';
import type { TestClient } from '../support/client.ts';
import { ServerProcess } from '../support/process.ts';
import type { Random } from '../support/random.ts';
import { tokenFor, type Identity } from '../support/server.ts';
import { until } from '../support/until.ts';

export const EXAMPLES = resolve(import.meta.dirname, '../../examples');
/** Debian's, which has the modules; another one may come first in PATH. */
export const PYTHON = '/usr/bin/python3';

/** Conversations wait until somebody takes them. */
export const MANUAL = { DESKWIRE_ROUTING: 'manual' };
/** Bots get new conversations before people do. */
export const BOTS_FIRST = { DESKWIRE_DEPARTMENTS: JSON.stringify({ '*': { botsFirst: true } }) };

/** How the tests' own clients come back: stock behaviour, only sooner. */
export const COMES_BACK = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };

/** A server that is killed and started again on the same port and data. */
export class Desk {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'deskwire-examples-'));
  readonly #env: Record<string, string>;
  #server: ServerProcess | undefined;
  url = '';

  /** `env`: settings of the server. */
  constructor(env: Record<string, string> = {}) {
    this.#env = env;
  }

  async start(): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port;
    this.#server = new ServerProcess({ DATA_DIR: this.dataDir, PORT: port, NODE_ENV: 'development', ...this.#env });
    this.url = await this.#server.url();
  }

  async kill(): Promise<void> {
    await this.#server?.end('SIGKILL');
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** An example, run as its user runs it. */
export class Example {
  readonly #child: ChildProcess;
  #out = '';
  #err = '';

  constructor(command: string, args: string[], token: string, more: Record<string, string> = {}) {
    const env = {
      PATH: process.env['PATH'] ?? '',
      PYTHONUNBUFFERED: '1',
      PYTHONDONTWRITEBYTECODE: '1',
      TOKEN: token,
      ...more,
    };
    this.#child = spawn(command, args, { cwd: resolve(EXAMPLES, '..'), env });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.#out += chunk.toString()));
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#err += chunk.toString()));
  }

  static of(command: string, args: string[], identity: Identity): Example {
    return new Example(command, args, tokenFor(identity));
  }

  get lines(): string[] {
    return this.#out.split('\n').filter((line) => line !== '');
  }

  get errors(): string {
    return this.#err;
  }

  /** Waits until a line fits; by default one that no earlier call has waited for need not be new. */
  async line(fits: string | RegExp, timeoutMs = 20_000): Promise<string> {
    const matches = (line: string): boolean => (typeof fits === 'string' ? line === fits : fits.test(line));
    return until(`the line ${String(fits)}`, () => this.lines.find(matches), timeoutMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; printed: ${this.#out}${this.#err}`);
    });
  }

  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  async exitCode(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exitCode();
  }
}

/** The whole log, page by page. */
export const wholeLog = async (client: TestClient, conversationId: string): Promise<Entry[]> => {
  const entries: Entry[] = [];
  for (;;) {
    const afterSeq = entries.at(-1)?.seq ?? 0;
    const page = await client.request('conversation:history', { conversationId, afterSeq });
    entries.push(...page.entries);
    if (!page.hasMore) return entries;
  }
};

/** `Ann: Hello` for each message of the log. */
export const spoken = (log: readonly Entry[]): string[] =>
  log.flatMap((entry) =>
    entry.type === 'message:created' ? [`${String(entry.author?.name)}: ${String(entry.text)}`] : [],
  );

/** A log without holes begins at 1 and counts on. */
export const inOrder = (log: readonly Entry[]): boolean => log.every(({ seq }, index) => seq === index + 1);

/** Lines of text that a seed tells: as many bytes as are asked for, the same for the same seed. */
export const seededText = (seed: number, bytes: number): Buffer => {
  const line = (index: number): string =>
    `${createHash('sha256')
      .update(`${String(seed)}:${String(index)}`)
      .digest('hex')}\n`;
  return Buffer.from(Array.from({ length: Math.ceil(bytes / 65) }, (_, index) => line(index)).join('')).subarray(
    0,
    bytes,
  );
};

export const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

/** Places in a transfer of so many bytes, one in each of `count` equal parts of it, as the random numbers say. */
export const placesIn = (random: Random, bytes: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) =>
    Math.floor(((index + random.next()) / count) * bytes * 0.9 + bytes * 0.05),
  );
