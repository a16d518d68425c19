import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import type { Reply, ReplyData } from '../../src/contract/contract.ts';
import { ENTRIES, type Entry } from '../../src/contract/schemas.ts';
import { PYTHON } from '../examples/support.ts';
import { ROOT } from '../gates/project-files.ts';
import type { TestSocket } from '../support/client.ts';
import { tokenFor, type Identity } from '../support/server.ts';
import { until } from '../support/until.ts';

/** What a member has seen. */
export interface Account {
  /** Seq and id of each entry, in the order in which it came. */
  readonly seen: readonly (readonly [seq: number, id: string])[];
  /** Live entries that came again or out of order. */
  readonly faults: readonly string[];
}

/** Somebody who sends numbered messages into a conversation and keeps what he sees in it, and who is never told what happens to nodes. */
export interface Member {
  readonly name: string;
  /** How often he was signed in. */
  readonly sessions: number;
  /** Messages that were acknowledged. */
  readonly sent: number;
  /** Ends the sending, once the last message is acknowledged: `<name>-0` to `<name>-<sent - 1>`. */
  stop(): Promise<void>;
  /** Waits until he has seen the entry of this seq. */
  account(lastSeq: number): Promise<Account>;
  close(): void;
}

export interface MemberOptions {
  readonly url: string;
  readonly identity: Identity;
  readonly conversationId: string;
  readonly paceMs: number;
}

const ACK_TIMEOUT_MS = 5_000;
const RETRY_MS = 100;
const PATIENCE_MS = 30_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A stock JavaScript client that does what the README's three rules say. */
export class JavaScriptMember implements Member {
  readonly name: string;
  readonly #options: MemberOptions;
  readonly #socket: TestSocket;
  readonly #seen: [number, string][] = [];
  readonly #faults: string[] = [];
  readonly #sending: Promise<void>;
  sessions = 0;
  sent = 0;
  #lastSeq = 0;
  #live = false;
  #stopping = false;

  constructor(options: MemberOptions, transports: string[]) {
    this.#options = options;
    this.name = options.identity.sub;
    this.#socket = io(options.url, {
      auth: { token: tokenFor(options.identity) },
      ...{ forceNew: true, transports, withCredentials: true },
      ...{ reconnectionDelay: 200, reconnectionDelayMax: 1_000 },
    });
    this.#socket.on('session:ready', () => {
      this.sessions += 1;
      void this.#join(this.sessions);
    });
    this.#socket.on('disconnect', () => (this.#live = false));
    this.#socket.onAny((event: string, payload: unknown) => {
      if (event in ENTRIES && this.#live) this.#takeLive(payload as Entry);
    });
    this.#sending = this.#keepSending();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#sending;
  }

  async account(lastSeq: number): Promise<Account> {
    await until(`${this.name} to see ${String(lastSeq)}`, () => this.#lastSeq >= lastSeq, PATIENCE_MS);
    return { seen: this.#seen, faults: this.#faults };
  }

  close(): void {
    this.#socket.disconnect();
  }

  #takeLive(entry: Entry): void {
    if (entry.seq !== this.#lastSeq + 1)
      this.#faults.push(`session ${String(this.sessions)}: ${String(entry.seq)} came after ${String(this.#lastSeq)}`);
    this.#take(entry);
  }

  #take({ seq, id }: Entry): void {
    if (seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    this.#seen.push([seq, id]);
  }

  async #join(session: number): Promise<void> {
    const { conversationId } = this.#options;
    while (session === this.sessions && !this.#live) {
      const request = { conversationId, afterSeq: this.#lastSeq, limit: 100 };
      await new Promise<void>((resolve) => {
        const take = (failure: Error | null, reply: Reply<ReplyData<'conversation:join'>>): void => {
          // In the callback: the next event may stand right behind the answer.
          if (failure === null && reply.ok && session === this.sessions && this.#socket.connected) {
            for (const entry of reply.data.entries) this.#take(entry);
            this.#live = !reply.data.hasMore;
          }
          resolve();
        };
        // The types know nothing of the failure that a timeout puts before the reply.
        this.#socket.timeout(ACK_TIMEOUT_MS).emit('conversation:join', request, take as never);
      });
      if (!this.#socket.connected) return;
    }
  }

  async #keepSending(): Promise<void> {
    const { conversationId, paceMs } = this.#options;
    while (!this.#stopping) {
      const text = `${this.name} ${String(this.sent)}`;
      const message = { conversationId, clientMessageId: `${this.name}-${String(this.sent)}`, text };
      const reply = await (
        this.#socket.timeout(ACK_TIMEOUT_MS).emitWithAck('message:send', message) as Promise<Reply>
      ).catch(() => undefined);
      if (reply?.ok === true) {
        this.sent += 1;
        await pause(paceMs);
      } else if (reply !== undefined && !reply.error.retryable) {
        this.#faults.push(`refused: ${JSON.stringify(reply.error)}`);
        return;
      } else await pause(RETRY_MS);
    }
  }
}

/** test/deploy/member.py as a process. */
export class PythonMember implements Member {
  readonly name: string;
  readonly #child: ChildProcess;
  #out = '';
  #err = '';

  constructor({ url, identity, conversationId, paceMs }: MemberOptions) {
    this.name = identity.sub;
    const script = join(ROOT, 'test/deploy/member.py');
    this.#child = spawn(PYTHON, [script, url, this.name, conversationId, String(paceMs)], {
      env: { PATH: process.env['PATH'] ?? '', PYTHONDONTWRITEBYTECODE: '1', TOKEN: tokenFor(identity) },
    });
    this.#child.stdout?.on('data', (bytes: Buffer) => (this.#out += bytes.toString()));
    this.#child.stderr?.on('data', (bytes: Buffer) => (this.#err += bytes.toString()));
  }

  get sessions(): number {
    return this.#lines('ready').length;
  }

  get sent(): number {
    return this.#lines('acknowledged').length;
  }

  async stop(): Promise<void> {
    this.#child.stdin?.write('stop\n');
    await this.#line('stopped');
  }

  async account(lastSeq: number): Promise<Account> {
    this.#child.stdin?.write(`${String(lastSeq)}\n`);
    return JSON.parse(await this.#line('seen')) as Account;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  #lines(field: string): string[] {
    return this.#out.split('\n').filter((line) => line.startsWith('{') && line.includes(`"${field}":`));
  }

  #line(field: string): Promise<string> {
    return until(
      `${this.name} to say ${field}`,
      () => {
        if (this.#child.exitCode !== null) throw new Error(`${this.name} ended: ${this.#err}`);
        // A long line comes in pieces.
        return this.#out.endsWith('\n') ? this.#lines(field)[0] : undefined;
      },
      PATIENCE_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; ${this.#err.slice(-2_000)}`);
    });
  }
}
