import { fork, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { until } from '../support/until.ts';
import type { ClientTotals, FromClients, Head, Progress, SeatDump, Setup, ToClients } from './messages.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PROGRAM = resolve(import.meta.dirname, 'clients.ts');

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** One process of clients, as the run sees it. */
class ClientProcess {
  readonly child: ChildProcess;
  conversationIds: readonly string[] | undefined;
  progress: Progress = { issued: 0, acknowledged: 0, done: false };
  problems: readonly string[] | undefined;
  readonly seats: SeatDump[] = [];
  totals: ClientTotals | undefined;

  constructor(setup: Setup) {
    this.child = fork(PROGRAM, [], { cwd: ROOT, execArgv: ['--import', 'tsx'], serialization: 'advanced' });
    running.add(this.child);
    this.child.once('exit', () => running.delete(this.child));
    this.child.on('message', (message: FromClients) => this.#take(message));
    this.send({ kind: 'setup', setup });
  }

  send(message: ToClients): void {
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  #take(message: FromClients): void {
    switch (message.kind) {
      case 'ready':
        this.conversationIds = message.conversationIds;
        break;
      case 'progress':
        this.progress = message;
        break;
      case 'arrived':
        this.problems = message.problems;
        break;
      case 'seat':
        this.seats.push(message.seat);
        break;
      case 'dumped':
        this.totals = message.totals;
        break;
    }
  }
}

/** All client processes together. */
export class Crowd {
  readonly #processes: readonly ClientProcess[];

  constructor(setups: readonly Setup[]) {
    this.#processes = setups.map((setup) => new ClientProcess(setup));
  }

  tell(message: ToClients): void {
    for (const process of this.#processes) process.send(message);
  }

  get progress(): Progress {
    const all = this.#processes.map(({ progress }) => progress);
    return {
      issued: all.reduce((sum, { issued }) => sum + issued, 0),
      acknowledged: all.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
      done: all.every(({ done }) => done),
    };
  }

  /** All have opened their conversations and joined. */
  async ready(): Promise<string[]> {
    return this.#all('the clients to be ready', 120_000, ({ conversationIds }) => conversationIds).then((ids) =>
      ids.flat(),
    );
  }

  /** @returns who did not come to the end of which conversation in time */
  async arrive(heads: Readonly<Record<string, Head>>, withinMs: number): Promise<string[]> {
    this.tell({ kind: 'arrive', heads, withinMs });
    return this.#all('the clients to arrive', withinMs + 10_000, ({ problems }) => problems).then((all) => all.flat());
  }

  async dump(): Promise<{ readonly seats: SeatDump[]; readonly totals: ClientTotals[] }> {
    this.tell({ kind: 'dump' });
    const totals = await this.#all('what the clients saw', 120_000, (process) => process.totals);
    return { seats: this.#processes.flatMap(({ seats }) => seats), totals };
  }

  /** Waits until every process has something; fails when one has ended. */
  async #all<T>(what: string, timeoutMs: number, of: (process: ClientProcess) => T | undefined): Promise<T[]> {
    return until(
      what,
      () => {
        this.check();
        const all = this.#processes.map(of).filter((value) => value !== undefined);
        return all.length === this.#processes.length && all;
      },
      timeoutMs,
    );
  }

  /** @throws Error when a process of clients has ended */
  check(): void {
    const ended = this.#processes.find(({ child }) => child.exitCode !== null || child.signalCode !== null);
    if (ended !== undefined)
      throw new Error(`a process of clients ended with ${String(ended.child.exitCode ?? ended.child.signalCode)}`);
  }

  stop(): void {
    for (const { child } of this.#processes) child.kill('SIGKILL');
  }
}
