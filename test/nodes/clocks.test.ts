import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Clients, type TestClient } from '../support/client.ts';
import { Company } from '../support/company.ts';
import { NodeProcess } from '../support/node-process.ts';
import { startNodes, type TestNodes } from '../support/nodes.ts';
import { freePorts } from '../support/redis.ts';
import { until } from '../support/until.ts';

const AHEAD_MS = 60_000;

let nodes: TestNodes;
let ahead: NodeProcess;
let aheadUrl: string;
const clients = new Clients();
beforeAll(async () => {
  nodes = await startNodes({ count: 1 });
  const [port = 0] = await freePorts(1);
  ahead = new NodeProcess({
    port,
    env: { ...nodes.env, DATA_DIR: `${nodes.servers[0]?.dataDir ?? ''}-ahead` },
    onCrash: (what) => {
      throw new Error(what);
    },
  });
  await ahead.start();
  aheadUrl = `http://127.0.0.1:${String(port)}`;
});
afterEach(() => clients.closeAll());
afterAll(async () => {
  await ahead.kill();
  await nodes.stop();
});

const seenAs = (client: TestClient, agentId: string, status: string): Promise<unknown> =>
  until(`${agentId} to be ${status}`, async () =>
    (await client.request('agent:list', {})).agents.some((agent) => agent.id === agentId && agent.status === status),
  );

it('[LEASE-1] what an agent says of himself last counts, also when it is said on a node whose clock is behind', async () => {
  ahead.setClock(AHEAD_MS);
  const company = new Company((identity, options) => clients.connect(aheadUrl, identity, options));
  const behind = new Company((identity, options) =>
    clients.connect(nodes.servers[0]?.url ?? '', { ...identity, tenant: company.tenant }, options),
  );
  const boss = await company.supervisor('boss');
  const first = await company.online('bob', 3);
  const second = await behind.agent('bob');
  await seenAs(second, 'bob', 'online');
  for (const status of ['away', 'online', 'offline'] as const) {
    expect(await second.request('agent:status', { status })).toMatchObject({ status });
    await seenAs(boss, 'bob', status);
    await seenAs(second, 'bob', status);
  }
  // And the other way round.
  await first.request('agent:status', { status: 'online' });
  await seenAs(second, 'bob', 'online');
});

it('[NODE-6] of what an agent says on two devices at the same instant all nodes believe the same', async () => {
  ahead.setClock(0);
  const company = new Company((identity, options) => clients.connect(aheadUrl, identity, options));
  const other = new Company((identity, options) =>
    clients.connect(nodes.servers[0]?.url ?? '', { ...identity, tenant: company.tenant }, options),
  );
  const bosses = [await company.supervisor('boss'), await other.supervisor('boss')];
  const names = Array.from({ length: 30 }, (_, index) => `agent-${String(index)}`);
  const devices = await Promise.all(
    names.map(async (name) => Promise.all([company.agent(name), other.agent(name), other.agent(name)])),
  );
  for (let round = 0; round < 5; round += 1) {
    await Promise.all(
      devices.flatMap(([first, second, third]) => [
        first.request('agent:status', { status: 'online', capacity: 1 + round }),
        second.request('agent:status', { status: 'away', capacity: 10 + round }),
        third.request('agent:status', { status: 'offline', capacity: 20 + round }),
      ]),
    );
    // Once a status of theirs is answered, they have heard of those before.
    for (const boss of bosses) await boss.request('agent:status', { status: 'away' });
    const [here, there] = await Promise.all(
      bosses.map(async (boss) =>
        (await boss.request('agent:list', {})).agents
          .filter(({ id }) => names.includes(id))
          .map(({ id, status, capacity }) => ({ id, status, capacity })),
      ),
    );
    expect(here).toEqual(there);
  }
});
