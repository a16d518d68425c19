import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { tokenFor, type Identity } from './server.ts';
import { until } from './until.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const PROGRAM = `
import { io } from 'socket.io-client';
const [url, token, capacity] = process.argv.slice(1);
const socket = io(url, { auth: { token }, transports: ['websocket'], reconnection: false });
await new Promise((ready) => socket.on('session:ready', ready));
await socket.emitWithAck('agent:status', { status: 'online', capacity: Number(capacity) });
process.stdout.write('online');
`;

/** An agent's client as a process of its own, to be frozen or killed as a whole. */
export class AgentProcess {
  readonly #child: ChildProcess;
  #out = '';

  constructor(url: string, identity: Identity, capacity: number) {
    const args = ['--input-type=module', '-e', PROGRAM, url, tokenFor(identity), String(capacity)];
    this.#child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.#out += chunk.toString()));
  }

  /** Connected, and online. */
  static async start(url: string, identity: Identity, capacity: number): Promise<AgentProcess> {
    const agent = new AgentProcess(url, identity, capacity);
    await until('the agent to be online', () => agent.#out.includes('online'));
    return agent;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
