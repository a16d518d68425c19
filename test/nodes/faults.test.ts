import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Clients, type TestClient } from '../support/client.ts';
import { Company, historyOf, open } from '../support/company.ts';
import { startNodes, type TestNodes } from '../support/nodes.ts';
import { until } from '../support/until.ts';

let nodes: TestNodes;
const clients = new Clients();
beforeAll(async () => {
  nodes = await startNodes({ count: 2 });
});
afterEach(() => clients.closeAll());
afterAll(() => nodes.stop());

const url = (at: number): string => nodes.servers[at]?.url ?? '';
const companyAt = (at: number): Company =>
  new Company((identity, options) => clients.connect(url(at), identity, options));

/** A customer on the first node; an agent on each, who has joined. */
const scene = async () => {
  const company = companyAt(0);
  const other = new Company((identity, options) =>
    clients.connect(url(1), { ...identity, tenant: company.tenant }, options),
  );
  const ann = await company.customer('ann');
  const near = await company.agent('near');
  const far = await other.agent('far');
  const { id } = await open(ann);
  for (const agent of [near, far]) await agent.request('conversation:join', { conversationId: id });
  return { ann, near, far, id };
};

const textsOf = (client: TestClient, conversationId: string): string[] =>
  client.entries(conversationId).flatMap((entry) => (entry.type === 'message:created' ? [entry.text ?? ''] : []));

const send = (client: TestClient, conversationId: string, text: string) =>
  client.request('message:send', { conversationId, clientMessageId: text, text });

/** Sends so many, one after the other; gives their texts. */
const sendMany = async (client: TestClient, id: string, word: string, count: number): Promise<string[]> => {
  const texts = Array.from({ length: count }, (_, at) => `${word} ${String(at)}`);
  for (const text of texts) await send(client, id, text);
  return texts;
};

const arrived = (client: TestClient, id: string, texts: readonly string[], timeoutMs = 10_000): Promise<unknown> =>
  until(`${String(texts.length)} messages`, () => textsOf(client, id).length >= texts.length, timeoutMs);

const outages = {
  'is dead': { begin: () => nodes.redis?.kill(), end: () => nodes.redis?.restart() },
  'is frozen': { begin: () => nodes.redis?.pause(), end: () => nodes.redis?.resume() },
};

describe('while Redis', () => {
  it.each(Object.entries(outages))(
    '[NODE-2] %s, entries come at once on one node, and about a second late on the other; then all is as before',
    async (_what, { begin, end }) => {
      const { ann, near, far, id } = await scene();
      const before = await sendMany(ann, id, 'before', 5);
      await arrived(far, id, before);

      await begin();
      const during = await sendMany(ann, id, 'during', 20);
      const all = [...before, ...during];
      await arrived(near, id, all, 500);
      await arrived(far, id, all, 5_000);
      const answers = await sendMany(far, id, 'answer', 5);
      all.push(...answers);
      await arrived(ann, id, all, 5_000);

      await end();
      await until('both nodes to have Redis again', async () => {
        const pages = await Promise.all([0, 1].map(async (at) => (await fetch(`${url(at)}/metrics`)).text()));
        return pages.every((page) => page.includes('deskwire_bus_connected 1'));
      });
      const after = await sendMany(ann, id, 'after', 5);
      all.push(...after);
      await arrived(far, id, all);
      for (const client of [ann, near, far]) {
        expect(textsOf(client, id)).toEqual(all);
        const seqs = client.entries(id).map(({ seq }) => seq);
        expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
        expect(new Set(seqs).size).toBe(seqs.length);
      }
      // Ephemeral events find their way again too.
      await ann.request('typing:start', { conversationId: id });
      await far.event('typing:started');
    },
  );

  it.each(Object.entries(outages))(
    '[NODE-6] %s, somebody leaves as the last of his node: he is known to be gone soon after it is back',
    async (_what, { begin, end }) => {
      const company = companyAt(0);
      const other = new Company((identity, options) =>
        clients.connect(url(1), { ...identity, tenant: company.tenant }, options),
      );
      const ann = await company.customer('ann');
      const { id } = await open(ann);
      const bob = await other.agent('bob');
      await bob.request('conversation:join', { conversationId: id });
      const isThere = async (): Promise<boolean> =>
        (await bob.request('conversation:join', { conversationId: id })).participants.some(
          (one) => one.id === 'ann' && one.online,
        );
      await until('Ann to be there', isThere);
      await begin();
      await until('Redis to be missed', async () =>
        (await (await fetch(`${url(0)}/metrics`)).text()).includes('deskwire_bus_connected 0'),
      );
      ann.close();
      await end();
      const left = await until('Ann to have left', () => bob.all('participant:left')[0], 15_000);
      expect(left).toMatchObject({ conversationId: id, user: { id: 'ann' } });
      expect(await isThere()).toBe(false);
    },
  );

  it('[NODE-2] is dead, who joins gets everything, and conversations are routed', async () => {
    await nodes.redis?.kill();
    const company = companyAt(0);
    const other = new Company((identity, options) =>
      clients.connect(url(1), { ...identity, tenant: company.tenant }, options),
    );
    const bob = await other.online('bob', 5);
    const ann = await company.customer('ann');
    const { id } = await open(ann);
    await until('the assignment', () => bob.all('conversation:assigned').some((entry) => entry.conversationId === id));
    const texts = await sendMany(ann, id, 'x', 10);
    const { entries } = await bob.request('conversation:join', { conversationId: id });
    expect(entries.flatMap((entry) => (entry.type === 'message:created' ? [entry.text] : []))).toEqual(texts);
    await send(ann, id, 'last');
    await until('the last', () => textsOf(bob, id).includes('last'), 5_000);
    await nodes.redis?.restart();
  });
});

describe('while Postgres', () => {
  it.each(['is dead', 'hangs'] as const)(
    '[NODE-3] %s, requests that need it are refused, /readyz says so, and all goes on without a restart',
    async (what) => {
      const { ann, far, id } = await scene();
      await send(ann, id, 'before');
      if (what === 'is dead') await nodes.postgres.kill();
      else nodes.postgres.pause();
      const reply = await ann.reply('message:send', { conversationId: id, clientMessageId: 'during', text: 'during' });
      expect(reply).toMatchObject({ ok: false, error: { retryable: true } });
      if (!reply.ok) expect(['unavailable', 'timeout']).toContain(reply.error.code);
      // Known by now: nobody waits.
      const startedAt = Date.now();
      expect(await far.refused('conversation:join', { conversationId: id })).toMatchObject({ code: 'unavailable' });
      expect(Date.now() - startedAt).toBeLessThan(5_500);
      const ready = await fetch(`${url(0)}/readyz`);
      expect([ready.status, await ready.text()]).toEqual([503, expect.stringMatching(/store|database|Postgres/i)]);
      expect((await fetch(`${url(0)}/healthz`)).status).toBe(200);

      if (what === 'is dead') await nodes.postgres.start();
      else nodes.postgres.resume();
      await until('readiness', async () => (await fetch(`${url(0)}/readyz`)).ok, 20_000);
      // The same client id: kept or not, it is there once.
      await until(
        'the repeat to be taken',
        async () =>
          (await ann.reply('message:send', { conversationId: id, clientMessageId: 'during', text: 'during' })).ok,
        20_000,
      );
      await until('the other node to hear of it', () => textsOf(far, id).length === 2, 10_000);
      expect(textsOf(far, id)).toEqual(['before', 'during']);
      const texts = (await historyOf(ann, id)).flatMap((entry) =>
        entry.type === 'message:created' ? [entry.text] : [],
      );
      expect(texts).toEqual(['before', 'during']);
    },
  );
});

describe('while Postgres hangs for longer than leases last', () => {
  const limits = { nodeLeaseMs: 1_500, agentLeaseMs: 2_000 };
  let lapsing: TestNodes;
  beforeAll(async () => {
    // One alone does not see others come back, which would make it look for what there is to do.
    lapsing = await startNodes({ count: 1, limits });
  });
  afterAll(() => lapsing.stop());

  it('[NODE-3] what was to be done meanwhile is done afterwards: who went in it does not keep his conversations', async () => {
    const lapsingUrl = lapsing.servers[0]?.url ?? '';
    const company = new Company((identity, options) => clients.connect(lapsingUrl, identity, options));
    const boss = await company.supervisor('boss');
    const bob = await company.online('bob', 5);
    const { id } = await open(await company.customer('ann'));
    await until('the assignment', () => bob.all('conversation:assigned').length === 1);
    lapsing.postgres.pause();
    try {
      bob.close();
      // Nobody counts as alive at its end, so that nobody acts at it.
      const overAt = Date.now() + limits.nodeLeaseMs + limits.agentLeaseMs + 1_000;
      await until('his lease to be over', () => Date.now() > overAt, 10_000);
    } finally {
      lapsing.postgres.resume();
    }
    const state = await until(
      'the conversation to be in the queue again',
      async () => {
        const reply = await boss.reply('conversation:get', { conversationId: id });
        return reply.ok && reply.data.conversation.status === 'queued' && reply.data.conversation;
      },
      15_000,
    );
    expect(state).toMatchObject({ assignee: null, queue: { position: 1 } });
  });
});
