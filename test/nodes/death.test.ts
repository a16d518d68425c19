import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Clients, type TestClient } from '../support/client.ts';
import { Company, open, stateOf } from '../support/company.ts';
import { startNodes, type TestNodes } from '../support/nodes.ts';
import { ServerProcess } from '../support/process.ts';
import { until } from '../support/until.ts';

const LIMITS = { nodeLeaseMs: 1_500, agentLeaseMs: 2_000, offerMs: 1_000, requestsPerSecond: 100_000 };

let nodes: TestNodes;
const clients = new Clients();
let doomed: ServerProcess;
let doomedUrl: string;

beforeAll(async () => {
  nodes = await startNodes({ count: 1, limits: LIMITS });
});
afterAll(() => nodes.stop());
beforeEach(async () => {
  doomed = new ServerProcess({
    ...nodes.env,
    DATA_DIR: `${nodes.servers[0]?.dataDir ?? ''}-doomed`,
    DESKWIRE_LIMITS: JSON.stringify({ handshakesPerSecond: 100_000, ...LIMITS }),
  });
  doomedUrl = await doomed.url();
  await until('both to know each other', async () => (await page()).includes('deskwire_nodes 2'));
});
afterEach(async () => {
  clients.closeAll();
  doomed.child.kill('SIGCONT');
  await doomed.end('SIGKILL');
});

const survivorUrl = (): string => nodes.servers[0]?.url ?? '';
const page = async (): Promise<string> => (await fetch(`${survivorUrl()}/metrics`)).text();
const at = (url: string, tenant?: string): Company =>
  new Company((identity, options) => clients.connect(url, { ...identity, ...(tenant && { tenant }) }, options));

/** People on the node that will go, and on the one that stays. */
const scene = () => {
  const staying = at(survivorUrl());
  return { staying, going: at(doomedUrl, staying.tenant) };
};

const ways = [
  ['is killed', 'SIGKILL'],
  ['freezes', 'SIGSTOP'],
] as const;

const statusOf = async (client: TestClient, agentId: string): Promise<string | undefined> =>
  (await client.request('agent:list', {})).agents.find(({ id }) => id === agentId)?.status;

describe.each(ways)('a node that %s', (_what, signal) => {
  it('[NODE-4] takes its people and their typing with it, for those on others', async () => {
    const { staying, going } = scene();
    const ann = await going.customer('ann');
    const bob = await staying.agent('bob');
    const { id } = await open(ann);
    const { participants } = await bob.request('conversation:join', { conversationId: id });
    // Known at once, or said a moment later.
    await until(
      'Ann to be there',
      () =>
        participants.some((one) => one.id === 'ann' && one.online) ||
        bob.all('participant:joined').some(({ user }) => user.id === 'ann'),
    );
    await ann.request('typing:start', { conversationId: id });
    await bob.event('typing:started');
    doomed.child.kill(signal);
    const left = await until('Ann to have left', () => bob.all('participant:left')[0]);
    expect(left).toMatchObject({ conversationId: id, user: { id: 'ann' } });
    expect(bob.all('typing:stopped')).toHaveLength(1);
    const again = await bob.request('conversation:join', { conversationId: id });
    expect(again.participants.find((one) => one.id === 'ann')).toMatchObject({ online: false });
  });

  it('[NODE-4] leaves its agents the time of a lease; then their conversations are for others, and who waited longer goes first', async () => {
    const { staying, going } = scene();
    const boss = await staying.supervisor('boss');
    const lost = await going.online('lost', 3);
    const opened = [];
    for (const name of ['a', 'b']) opened.push(await open(await staying.customer(name)));
    await until('both to be assigned', () => lost.all('conversation:assigned').length === 2);
    const third = await open(await staying.customer('c'), { priority: 'low' });
    await until('the third', () => lost.all('conversation:assigned').length === 3);
    doomed.child.kill(signal);
    const diedAt = Date.now();
    await until('him to be offline', async () => (await statusOf(boss, 'lost')) === 'offline', 10_000);
    expect(Date.now() - diedAt).toBeLessThan(LIMITS.nodeLeaseMs + LIMITS.agentLeaseMs + 2_000);
    const heir = await staying.online('heir', 2);
    await until('the first two', () => heir.all('conversation:assigned').length === 2);
    const got = heir.all('conversation:assigned').map(({ conversationId }) => conversationId);
    expect(got.sort()).toEqual(opened.map(({ id }) => id).sort());
    expect(await stateOf(boss, third.id)).toMatchObject({ status: 'queued', queue: { position: 1 } });
  });

  it('[NODE-4] costs an agent nothing who comes back on another within his lease', async () => {
    const { staying, going } = scene();
    const before = await going.online('back', 2);
    const { id } = await open(await staying.customer('d'));
    await until('the assignment', () => before.all('conversation:assigned').length === 1);
    doomed.child.kill(signal);
    before.close();
    const after = await staying.agent('back');
    await until('the node to be counted out', async () => (await page()).includes('deskwire_nodes 1'));
    const pauseUntil = Date.now() + LIMITS.agentLeaseMs + 500;
    await until('the old lease to be over', () => Date.now() > pauseUntil);
    const { lastSeq, assignee } = await stateOf(after, id);
    expect([lastSeq, assignee?.id]).toEqual([2, 'back']);
    expect(await statusOf(after, 'back')).toBe('online');
  });

  it('[NODE-4] is replaced in what it did for all: whoever owned a tenant, it is routed', async () => {
    // Of so many tenants each node owns some.
    const companies = Array.from({ length: 12 }, () => at(survivorUrl()));
    const agents = await Promise.all(companies.map((company) => company.online('agent', 5)));
    doomed.child.kill(signal);
    const opened = await Promise.all(companies.map(async (company) => open(await company.customer('eve'))));
    await until(
      'every conversation to be assigned',
      () =>
        agents.every((agent, index) =>
          agent.all('conversation:assigned').some(({ conversationId }) => conversationId === opened[index]?.id),
        ),
      15_000,
    );
  });
});

describe('a node that was frozen and goes on', () => {
  it('[NODE-4] is one of them again, and ends nobody else’s work', async () => {
    const { staying, going } = scene();
    const bob = await staying.online('bob', 5);
    const ann = await going.customer('ann');
    const { id } = await open(ann);
    await until('the assignment', () => bob.all('conversation:assigned').length === 1);
    doomed.child.kill('SIGSTOP');
    await until('the node to be counted out', async () => (await page()).includes('deskwire_nodes 1'));
    await bob.request('conversation:join', { conversationId: id });
    await bob.request('message:send', { conversationId: id, clientMessageId: 'x', text: 'while it was frozen' });
    doomed.child.kill('SIGCONT');
    await until('both to know each other', async () => (await page()).includes('deskwire_nodes 2'));
    await until('what was said meanwhile', () => ann.entries(id).some(({ type }) => type === 'message:created'));
    const { lastSeq, assignee } = await stateOf(bob, id);
    expect([lastSeq, assignee?.id]).toEqual([3, 'bob']);
    expect(await statusOf(bob, 'bob')).toBe('online');
  });

  it('[NODE-4] has its people with it again, for those on others', async () => {
    const { staying, going } = scene();
    const ann = await going.customer('ann');
    const bob = await staying.agent('bob');
    const { id } = await open(ann);
    const isThere = async (): Promise<boolean> =>
      (await bob.request('conversation:join', { conversationId: id })).participants.some(
        (one) => one.id === 'ann' && one.online,
      );
    await until('Ann to be there', isThere);
    doomed.child.kill('SIGSTOP');
    await until('Ann to have left', () => bob.all('participant:left').length === 1);
    doomed.child.kill('SIGCONT');
    await until('Ann to be there again', isThere);
    expect(ann.socket.connected).toBe(true);
  });
});
