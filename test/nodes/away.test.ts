import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Clients, type TestClient } from '../support/client.ts';
import { Company, open } from '../support/company.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { startNodes, type TestNodes } from '../support/nodes.ts';
import { startServer, tokenFor, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

let nodes: TestNodes;
/** Between Redis and the node that is away for a while; the other one notices nothing of that. */
let line: FaultProxy;
let away: TestServer;
const clients = new Clients();
beforeAll(async () => {
  nodes = await startNodes({ count: 1 });
  line = await FaultProxy.start(nodes.redis?.port ?? 0);
  away = await startServer({ env: { ...nodes.env, REDIS_URL: `redis://127.0.0.1:${String(line.port)}` } });
});
afterEach(() => {
  clients.closeAll();
  line.heal();
});
afterAll(async () => {
  await away.stop();
  await line.close();
  await nodes.stop();
});

const isConnected = async (url: string, connected: boolean): Promise<boolean> =>
  (await (await fetch(`${url}/metrics`)).text()).includes(`deskwire_bus_connected ${connected ? '1' : '0'}`);

const cut = async (how: 'cut' | 'stalled'): Promise<void> => {
  if (how === 'cut') {
    line.refusing = true;
    line.cut();
  } else line.stalled = 'toServer';
  await until('Redis to be missed', () => isConnected(away.url, false));
};

const isThere = async (client: TestClient, conversationId: string, userId: string): Promise<boolean> =>
  (await client.request('conversation:join', { conversationId })).participants.some(
    ({ id, online }) => id === userId && online,
  );

describe.each(['cut', 'stalled'] as const)('while the line of one node alone to Redis is %s', (how) => {
  it('[NODE-6] who comes and goes there is known on the others soon after it is back', async () => {
    const company = new Company((identity, options) => clients.connect(away.url, identity, options));
    const near = new Company((identity, options) =>
      clients.connect(nodes.servers[0]?.url ?? '', { ...identity, tenant: company.tenant }, options),
    );
    const bob = await near.agent('bob');
    const [ann, ben] = [await company.customer('ann'), await company.customer('ben')];
    const conversations = [(await open(ann)).id, (await open(ben)).id] as const;
    const [ofAnn, ofBen] = conversations;
    for (const [conversationId, userId] of [
      [ofAnn, 'ann'],
      [ofBen, 'ben'],
    ] as const)
      await until(`${userId} to be there`, () => isThere(bob, conversationId, userId));
    ben.close();
    await until('ben to have left', async () => !(await isThere(bob, ofBen, 'ben')));

    await cut(how);
    // She was the last of her node: it has nobody there any more who could tell.
    ann.close();
    const again = await company.customer('ben');
    await again.request('conversation:join', { conversationId: ofBen });
    line.heal();
    await until('Redis to be there again', () => isConnected(away.url, true), 15_000);
    await until('ann to have left', async () => !(await isThere(bob, ofAnn, 'ann')), 15_000);
    expect(bob.all('participant:left').filter(({ user }) => user.id === 'ann')).toHaveLength(1);
    await until('ben to be there again', () => isThere(bob, ofBen, 'ben'));
  });
});

it('[AUTH-5] whom a supervisor has revoked on another node is out on one that can’t reach the store, too', async () => {
  const store = await FaultProxy.start(nodes.postgres.port);
  const databaseUrl = nodes.env['DATABASE_URL'] ?? '';
  const server = await startServer({
    env: { ...nodes.env, DATABASE_URL: databaseUrl.replace(/:\d+\//, `:${String(store.port)}/`) },
  });
  try {
    const company = new Company((identity, options) => clients.connect(server.url, identity, options));
    const near = new Company((identity, options) =>
      clients.connect(nodes.servers[0]?.url ?? '', { ...identity, tenant: company.tenant }, options),
    );
    const boss = await near.supervisor('boss');
    const bob = await company.agent('bob');
    const token = tokenFor(company.identity('bob'));
    store.stalled = 'toServer';
    await boss.request('session:revoke', { userId: 'bob' });
    await until('his end', () => bob.all('session:ended')[0] !== undefined && bob.socket.disconnected, 5_000);
    const again = clients.open(server.url, { token });
    const refused = await new Promise<Error & { data?: unknown }>((resolve) =>
      again.socket.on('connect_error', resolve),
    );
    expect(refused.data).toMatchObject({ code: 'token_revoked' });
  } finally {
    store.heal();
    await server.stop();
    await store.close();
  }
});
