import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { Clients } from '../support/client.ts';
import { ServerProcess } from '../support/process.ts';
import { customer } from '../support/server.ts';
import { until } from '../support/until.ts';

const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

const dataFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-start-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
};

const start = (env: Record<string, string>): ServerProcess => {
  const server = new ServerProcess(env);
  onTestFinished(() => server.end('SIGKILL').then(() => undefined));
  return server;
};

/** The code a process ends with by itself. */
const exitCode = ({ child }: ServerProcess): Promise<number> =>
  until('the process to end', () => child.exitCode, 20_000);

const DEVELOPMENT = { NODE_ENV: 'development', DESKWIRE_JWT_SECRET: '' };
const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;

describe('a start', () => {
  it('[AUTH-4] in production without a key is refused: exit code 78, and the setting by its name', async () => {
    const server = start({ DATA_DIR: dataFolder(), DESKWIRE_JWT_SECRET: '' });
    expect(await exitCode(server)).toBe(78);
    expect(server.stderr).toContain('DESKWIRE_JWT_SECRET: found no key');
    expect(server.stdout).toBe('');
  });

  it('[AUTH-4] in production with a key that is too short is refused, and the key is not shown', async () => {
    const server = start({ DATA_DIR: dataFolder(), DESKWIRE_JWT_SECRET: 'correct-horse' });
    expect(await exitCode(server)).toBe(78);
    expect(server.stderr).toMatch(/DESKWIRE_JWT_SECRET: found a secret of 13 bytes; expected at least 32/);
    expect(server.stderr).not.toContain('correct-horse');
  });

  it('[AUTH-4] in development makes a secret once, for its owner alone; its tokens work after the next start', async () => {
    const DATA_DIR = dataFolder();
    const first = start({ DATA_DIR, ...DEVELOPMENT });
    await first.url();
    const path = join(DATA_DIR, 'jwt-secret');
    const secret = readFileSync(path, 'utf8');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const tokens = await until('the tokens', () => {
      const found = [...new Set(first.stderr.match(JWT) ?? [])];
      return found.length === 2 ? found : undefined;
    });
    expect(await first.end('SIGTERM')).toBe(0);
    expect(first.stdout + first.stderr).not.toContain(secret.trim());
    expect(first.stdout.match(JWT)).toBeNull();

    const second = start({ DATA_DIR, ...DEVELOPMENT });
    const url = await second.url();
    expect(readFileSync(path, 'utf8')).toBe(secret);
    const roles = await Promise.all(
      tokens.map(async (token) => (await (await clients.open(url, { token }).connected()).event('session:ready')).role),
    );
    expect(roles.sort()).toEqual(['agent', 'customer']);
    const stranger = clients.open(url, { token: tokens[0]?.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')) });
    const errors: (Error & { data?: unknown })[] = [];
    stranger.socket.on('connect_error', (error) => errors.push(error));
    expect((await until('connect_error', () => errors[0])).data).toMatchObject({ code: 'token_invalid' });
  });

  it('[AUTH-4] in production makes no secret and no tokens', async () => {
    const DATA_DIR = dataFolder();
    const server = start({ DATA_DIR });
    await server.url();
    expect(server.stderr).toBe('');
    expect(() => statSync(join(DATA_DIR, 'jwt-secret'))).toThrow(/ENOENT/);
  });

  it('[START-1] says on standard output, as a line of JSON, where it listens, at any log level', async () => {
    for (const LOG_LEVEL of ['info', 'silent']) {
      const server = start({ DATA_DIR: dataFolder(), LOG_LEVEL });
      const url = await server.url();
      const lines = server.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { msg: string; url?: string });
      expect(lines.filter(({ msg }) => msg === 'listening')).toEqual([expect.objectContaining({ url }) as unknown]);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
    }
  });

  it('[START-1] on a data folder that another server uses is refused, and that one goes on', async () => {
    const DATA_DIR = dataFolder();
    const first = start({ DATA_DIR });
    const url = await first.url();
    const second = start({ DATA_DIR });
    expect(await exitCode(second)).toBe(1);
    expect(second.stderr).toMatch(/^[^\n]*deskwire\.db is in use by another process[^\n]*stop that process[^\n]*\n$/);
    const ann = await clients.connect(url, customer('ann'));
    await ann.request('message:send', { clientMessageId: 'm', text: 'x' });
    // Whatever way the first one ends, the next one may start.
    await first.end('SIGKILL');
    const third = start({ DATA_DIR });
    const again = await clients.connect(await third.url(), customer('ann'));
    expect((await again.request('conversation:list', {})).conversations).toMatchObject([{ lastSeq: 2 }]);
  });

  it('[START-1] on a data folder that can not be made ends at once and says so', async () => {
    const server = start({ DATA_DIR: '/proc/deskwire' });
    expect(await exitCode(server)).toBe(1);
    expect(server.stderr).toContain("/proc/deskwire/deskwire.db can't be opened");
  });

  it('[START-1] on a port that is taken says so, and what to do', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      other.close();
    });
    const PORT = String((other.address() as AddressInfo).port);
    const server = start({ DATA_DIR: dataFolder(), PORT });
    expect(await exitCode(server)).toBe(1);
    expect(server.stderr).toMatch(
      new RegExp(`^Can't listen on 127\\.0\\.0\\.1:${PORT}: another program does\\.[^\\n]*PORT[^\\n]*\\n$`),
    );
  });
});

describe('a disk that takes no more', () => {
  /** Bounds the size of files the process may write, as a full disk would; undefined: no bound. */
  const boundFiles = ({ child }: ServerProcess, bytes: number | undefined): void => {
    execFileSync('prlimit', [
      `--pid=${String(child.pid)}`,
      `--fsize=${bytes === undefined ? 'unlimited' : String(bytes)}:unlimited`,
    ]);
  };

  it('[START-2] makes /readyz red and requests unavailable; when it takes writes again, all goes on and nothing was half done', async () => {
    const server = start({ DATA_DIR: dataFolder() });
    const url = await server.url();
    const ann = await clients.connect(url, customer('ann'));
    const { entry } = await ann.request('message:send', { clientMessageId: 'before', text: 'x' });
    const { conversationId } = entry;

    boundFiles(server, 0);
    const refused = await Promise.all(
      Array.from({ length: 5 }, (_, index) =>
        ann.refused('message:send', { conversationId, clientMessageId: `during-${String(index)}`, text: 'x' }),
      ),
    );
    for (const error of refused) expect(error).toMatchObject({ code: 'unavailable', retryable: true });
    const red = await fetch(`${url}/readyz`);
    expect(red.status).toBe(503);
    expect(await red.json()).toMatchObject({
      code: 'unavailable',
      reasons: [expect.stringContaining('the store') as string],
    });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await ann.request('conversation:history', { conversationId })).entries.map(({ seq }) => seq)).toEqual([
      1, 2,
    ]);
    expect(ann.entries(conversationId).filter(({ seq }) => seq > 2)).toEqual([]);

    boundFiles(server, undefined);
    let answer = await fetch(`${url}/readyz`);
    const deadline = Date.now() + 10_000;
    while (answer.status !== 200 && Date.now() < deadline) answer = await fetch(`${url}/readyz`);
    expect(answer.status).toBe(200);
    const kept = await ann.request('message:send', { conversationId, clientMessageId: 'during-0', text: 'x' });
    expect(kept).toMatchObject({ duplicate: false, entry: { seq: 3 } });
    await ann.event('message:created', ({ seq }) => seq === 3);
  });
});
