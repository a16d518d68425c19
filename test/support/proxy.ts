import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './redis.ts';

const CONFIGURATION = new URL('../../deploy/nginx.conf', import.meta.url);

const running = new Set<ChildProcess>();
// A test that fails half-way leaves nothing behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** One request, as the proxy's log has it. */
export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Where it was sent, `host:port`; several when the first did not answer. */
  readonly triedAt: readonly string[];
}

export interface TestProxy {
  readonly port: number;
  /** By host name: some clients keep no cookies of hosts that are addresses. */
  readonly url: string;
  /** Requests that are over, oldest first; a WebSocket is one. */
  requests(): ProxiedRequest[];
  /** What nginx complained of. */
  complaints(): string;
  stop(): Promise<void>;
}

/** Debian keeps it off the path of those who are not root. */
const program = (): string => (existsSync('/usr/sbin/nginx') ? '/usr/sbin/nginx' : 'nginx');

/**
 * deploy/nginx.conf for nodes at other addresses: `host:port` of each in the place of those of docker-compose.yml, and another folder in
 * the place of /tmp.
 */
export const configurationFor = (nodes: readonly string[], port: number, folder: string): string => {
  let text = readFileSync(CONFIGURATION, 'utf8');
  const put = (from: string, to: string): void => {
    if (!text.includes(from)) throw new Error(`deploy/nginx.conf does not have ${from} any more`);
    text = text.replaceAll(from, to);
  };
  for (const [index, node] of nodes.entries()) put(`10.77.0.${String(11 + index)}:3000`, node);
  put('listen 8080;', `listen 127.0.0.1:${String(port)};`);
  put('/tmp/', `${folder}/`);
  put('/dev/stdout', `${folder}/access.log`);
  return text;
};

const LOG_LINE = /^\S+ \[[^\]]*\] "(\S+) (\S*)" (\d+) \d+ [\d.]+ (.*)$/;

const readLog = (file: string): ProxiedRequest[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, method = '', path = '', status, upstreams = ''] = LOG_LINE.exec(line) ?? [];
      if (status === undefined) throw new Error(`a line of the proxy's log that can't be read: ${line}`);
      return {
        method,
        path,
        status: Number(status),
        triedAt: upstreams.split(/,? (?:: )?/).filter((address) => address !== '-'),
      };
    });

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** nginx with deploy/nginx.conf, before three nodes at these addresses. */
export const startProxy = async (nodes: readonly [string, string, string]): Promise<TestProxy> => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-proxy-'));
  const [port = 0] = await freePorts(1);
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configurationFor(nodes, port, folder));
  // As root, workers would become somebody who may not enter the folder.
  const directives = ['daemon off;', ...(process.getuid?.() === 0 ? ['user root;'] : [])].join(' ');
  const child = spawn(program(), ['-p', folder, '-e', 'stderr', '-c', file, '-g', directives], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const deadline = Date.now() + 10_000;
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${String(child.exitCode)}: ${said}`);
    if (Date.now() > deadline) throw new Error(`nginx does not listen: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return {
    port,
    url: `http://localhost:${String(port)}`,
    requests: () => readLog(join(folder, 'access.log')),
    complaints: () => said,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
