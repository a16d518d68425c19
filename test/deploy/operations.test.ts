import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DEFAULT_LIMITS, LIMIT_NAMES } from '../../src/contract/limits.ts';
import { createMetrics } from '../../src/server/metrics.ts';
import { ROOT } from '../gates/project-files.ts';
import { Clients, clientId } from '../support/client.ts';
import { startPostgres } from '../support/postgres.ts';
import { ServerProcess } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { customer, supervisor } from '../support/server.ts';

const text = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
const section = (title: string): string => text.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
const namesIn = (part: string): Set<string> =>
  new Set([...part.matchAll(/\b(?:deskwire|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name));

const zero = (): number => 0;
const metricNames = async (): Promise<string[]> => {
  const page = await createMetrics({
    requestNames: [],
    ...{
      connectionCount: zero,
      handshakesWaiting: zero,
      feedCount: zero,
      waitingCount: zero,
      onlineCount: zero,
      nodeCount: zero,
    },
    busConnected: () => true,
  }).page();
  return [...page.text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name ?? '');
};

describe('docs/operations.md', () => {
  it('says what each metric means, and speaks of no other', async () => {
    const names = await metricNames();
    const own = names.filter((name) => name.startsWith('deskwire_'));
    const rows = [...section('Metrics').matchAll(/^\| `(deskwire_[a-z_]+)[`{]/gm)].map(([, name]) => name);
    expect(rows.sort()).toEqual(own.sort());
    for (const name of namesIn(section('Alarms'))) expect(names).toContain(name);
    expect(namesIn(section('Alarms')).size).toBeGreaterThan(10);
  });

  it('gives limits as they are', () => {
    const given = [...text.matchAll(/`(?:limits\.)?(\w+)` \(([\d ]+)( MiB| s)?\)/g)].filter(([, name]) =>
      LIMIT_NAMES.some((known) => known === name),
    );
    expect(given.length).toBeGreaterThan(3);
    for (const [, name = '', number = '', unit] of given) {
      const scale = unit === ' MiB' ? 1024 * 1024 : unit === ' s' ? 1_000 : 1;
      expect((DEFAULT_LIMITS as Record<string, number>)[name], name).toBe(Number(number.replaceAll(' ', '')) * scale);
    }
  });

  it('gives a Redis user the rights that two nodes need', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'deskwire-rights-'));
    const clients = new Clients();
    const nodes: ServerProcess[] = [];
    const [postgres, redis] = await Promise.all([startPostgres({ fsync: false }), startRedis({ password: 'admin' })]);
    onTestFinished(async () => {
      clients.closeAll();
      await Promise.all(nodes.map((node) => node.end('SIGKILL')));
      await Promise.all([postgres.remove(), redis.stop()]);
      rmSync(folder, { recursive: true, force: true });
    });
    const line = /^ACL SETUSER .*$/m.exec(section('Redis'))?.[0] ?? '';
    const [command = '', ...words] = line.split(' ');
    await redis.command(command, ...words);
    const DATABASE_URL = await postgres.newDatabase();
    const env = (user: string, name: string) => ({
      ...{ DATABASE_URL, DATA_DIR: join(folder, name), ATTACHMENTS_URL: `file:${join(folder, 'attachments')}` },
      REDIS_URL: `redis://${user}:PASSWORD@127.0.0.1:${String(redis.port)}`,
    });
    const start = async (user: string, name: string): Promise<string> => {
      const node = new ServerProcess(env(user, name));
      nodes.push(node);
      return node.url();
    };
    const [first, second] = [await start('deskwire', 'a'), await start('deskwire', 'b')];
    const ann = await clients.connect(first, customer('ann'));
    const { entry } = await ann.request('message:send', { clientMessageId: clientId(), text: 'Hello' });
    const { conversationId } = entry;
    const mo = await clients.connect(second, supervisor('mo'));
    await mo.request('conversation:join', { conversationId });
    // Typing crosses by Redis or not at all.
    await ann.request('typing:start', { conversationId });
    await mo.event('typing:started', ({ user }) => user.id === 'ann');
    await mo.request('message:send', { conversationId, clientMessageId: clientId(), text: 'Hi' });
    await ann.event('message:created', (created) => created.text === 'Hi');
    for (const node of nodes) expect(node.stdout).not.toMatch(/NOPERM|"level":"(?:warn|error)"/);

    // What is asked for at the start is missed there.
    for (const right of ['+info', '+spublish', '+ssubscribe']) {
      expect(words).toContain(right);
      const user = `without-${right.slice(1)}`;
      await redis.command(
        command,
        ...words.filter((word) => word !== right).map((word) => (word === 'deskwire' ? user : word)),
      );
      await expect(start(user, right), right).rejects.toThrow(/the server ended with/);
      expect(nodes.at(-1)?.stderr, right).toContain('REDIS_URL');
    }
  }, 90_000);
});
