import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startNodes, type TestNodes } from '../support/nodes.ts';
import { ServerProcess } from '../support/process.ts';
import { Clients } from '../support/client.ts';
import { customer, startServer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

let nodes: TestNodes;
beforeAll(async () => {
  nodes = await startNodes({ count: 1 });
});
afterAll(() => nodes.stop());

/** One more node, with other settings than the first; ended with the test. */
const another = async (env: Record<string, string>): Promise<TestServer> => {
  const server = await startServer({ env: { ...nodes.env, ...env } });
  onTestFinished(() => server.stop());
  return server;
};

const errorsOf = ({ logged }: TestServer): string[] =>
  logged.filter(({ level }) => level === 'error').map(({ message }) => message);

describe('a node that starts beside others', () => {
  it('[NODE-7] with the same settings says nothing of them', async () => {
    expect(errorsOf(await another({}))).toEqual([]);
  });

  it.each<[setting: string, env: Record<string, string>]>([
    ['DESKWIRE_JWT_SECRET', { DESKWIRE_JWT_SECRET: 'another-secret-that-is-long-enough-0123456789' }],
    ['DESKWIRE_JWT_ISSUER', { DESKWIRE_JWT_ISSUER: 'somebody' }],
    ['DESKWIRE_LIMITS', { DESKWIRE_LIMITS: '{"textBytes":1000}' }],
    ['DESKWIRE_DEPARTMENTS', { DESKWIRE_DEPARTMENTS: '{"sales":{}}' }],
    ['DESKWIRE_ROUTING', { DESKWIRE_ROUTING: 'manual' }],
    ['DESKWIRE_VISITORS', { DESKWIRE_VISITORS: 'off' }],
    ['ATTACHMENTS_TYPES', { ATTACHMENTS_TYPES: 'image/png' }],
    ['ATTACHMENTS_CLAMD', { ATTACHMENTS_SCAN_COMMAND: '/bin/true' }],
  ])('[NODE-7] with another %s says so by its name, and what to do', async (setting, env) => {
    const server = await another(env);
    const found = errorsOf(server).filter((message) => message.startsWith(setting));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/set the same on all nodes/);
    expect(JSON.stringify(server.logged)).not.toContain('another-secret');
  });

  it('[NODE-7] with a storage of its own is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'deskwire-own-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    await expect(another({ ATTACHMENTS_URL: `file:${folder}` })).rejects.toThrow(
      /ATTACHMENTS_URL: .*one folder that all of them see, or S3/,
    );
  });

  it.each<[what: string, env: Record<string, string>, message: RegExp]>([
    ['Redis and SQLite', { REDIS_URL: 'redis://127.0.0.1:1' }, /REDIS_URL: .*SQLite/],
    [
      'a database that does not answer',
      { DATABASE_URL: 'postgres://deskwire:hunter2@127.0.0.1:1/deskwire' },
      /DATABASE_URL: .*127\.0\.0\.1:1/,
    ],
  ])('[NODE-7] with %s ends at once, naming the setting', async (_what, env, message) => {
    const folder = mkdtempSync(join(tmpdir(), 'deskwire-start-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const server = new ServerProcess({ DATA_DIR: folder, ...env });
    await expect(server.url()).rejects.toThrow(message);
    expect(server.stderr).not.toContain('hunter2');
  });
});

describe('nodes that do not hear each other', () => {
  it.each<[what: string, redis: boolean, isReportedAtStart: boolean]>([
    ['one of them has no Redis', true, true],
    ['none of them has', false, false],
  ])(
    '[NODE-7] because %s say so by REDIS_URL, and are about a second late',
    async (_what, redis, isReportedAtStart) => {
      const deaf = await startNodes({ count: 1, redis, limits: { nodeLeaseMs: 1_000 } });
      onTestFinished(() => deaf.stop());
      const { REDIS_URL: _left, ...env } = deaf.env as Record<string, string>;
      const second = await startServer({ env, limits: { nodeLeaseMs: 1_000 } });
      onTestFinished(() => second.stop());
      const both = [...deaf.servers, second];
      const isSilent = (message: string): boolean => /^REDIS_URL: the node .* is not heard over Redis/.test(message);
      const saysSo = ({ logged }: TestServer): boolean => logged.some(({ message }) => isSilent(message));
      expect(errorsOf(second).some((message) => message.startsWith('REDIS_URL is not the same'))).toBe(
        isReportedAtStart,
      );
      await until('both to say so', () => both.every(saysSo), 15_000);
      for (const { url } of both)
        expect(await (await fetch(`${url}/metrics`)).text()).toContain('deskwire_bus_connected 0');
      const clients = new Clients();
      onTestFinished(() => clients.closeAll());
      const ann = await clients.connect(both[0]?.url ?? '', customer('ann'));
      const { conversation } = await ann.request('conversation:open', {});
      const tab = await clients.connect(second.url, customer('ann'));
      await tab.request('conversation:join', { conversationId: conversation.id });
      for (const text of ['1', '2', '3']) {
        await ann.request('message:send', { conversationId: conversation.id, clientMessageId: text, text });
        // The comparison of every five seconds alone would not make all three.
        await until(`message ${text}`, () => tab.entries(conversation.id).length === Number(text), 3_000);
      }
      expect(both.map(({ logged }) => logged.filter(({ message }) => isSilent(message)).length)).toEqual([1, 1]);
    },
  );
});
