import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Limits } from '../../src/contract/limits.ts';
import { PRIORITIES, type Conversation, type Entry } from '../../src/contract/schemas.ts';
import { Clients, type TestClient } from '../support/client.ts';
import { assignedTo, Company, historyOf, open, presenceOf, seenAs, stateOf } from '../support/company.ts';
import { ServerProcess } from '../support/process.ts';
import { Random, seedOf } from '../support/random.ts';
import { until } from '../support/until.ts';

const LEASE_MS = 2_000;
const REQUEUE_MS = 2_000;
/** What a busy machine may add. */
const LATE_MS = 2_000;
const SEED = seedOf(20_261_121);

const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

/** A server that can be killed and started again on the same data; and a tenant, on whichever of them runs. */
const start = async (limits: Partial<Limits>, env: Record<string, string> = {}) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'deskwire-desk-'));
  const settings = {
    DATA_DIR: dataDir,
    DESKWIRE_LIMITS: JSON.stringify({
      requestsPerSecond: 100_000,
      handshakesPerSecond: 100_000,
      queueUpdateMs: 50,
      ...limits,
    }),
    ...env,
  };
  let server = new ServerProcess(settings);
  onTestFinished(async () => {
    await server.end('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  });
  let url = await server.url();
  return {
    company: new Company((identity, options) => clients.connect(url, identity, options)),
    kill: () => server.end('SIGKILL'),
    /** Gives the time at which it was ready. */
    startAgain: async (): Promise<number> => {
      server = new ServerProcess(settings);
      url = await server.url();
      return Date.now();
    },
  };
};

/** The first entry of a type in the log that fits, once it is there. */
const logged = async <T extends Entry['type']>(
  client: TestClient,
  conversationId: string,
  type: T,
  fits: (entry: Extract<Entry, { type: T }>) => boolean = () => true,
): Promise<Extract<Entry, { type: T }>> => {
  for (;;) {
    const found = (await historyOf(client, conversationId)).find(
      (entry): entry is Extract<Entry, { type: T }> => entry.type === type && fits(entry as never),
    );
    if (found !== undefined) return found;
  }
};

/** What a restart must not change in any conversation of the tenant, by its id. */
const floorOf = async (client: TestClient) => {
  const all: Conversation[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await client.request('conversation:list', { limit: 20, ...(cursor === undefined ? {} : { cursor }) });
    all.push(...page.conversations);
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  const kept = ({ status, assignee, fence, lastSeq, department, priority, queue }: Conversation) => {
    const position = queue?.position;
    return { status, assignee: assignee?.id, fence, lastSeq, department, priority, position };
  };
  return new Map(all.map((conversation) => [conversation.id, kept(conversation)] as const));
};

const load = async (client: TestClient, agentId: string): Promise<number | undefined> => {
  const { agents } = await client.request('agent:list');
  return agents.find(({ id }) => id === agentId)?.activeCount;
};

const since = async (client: TestClient, conversationId: string, seq: number): Promise<Entry[]> =>
  (await historyOf(client, conversationId)).filter((entry) => entry.seq > seq);

/** It happened when it was due, or once the server that was to do it was ready. */
const expectOnTime = (at: string | undefined, dueAt: number, readyAt = 0): void => {
  const happenedAt = Date.parse(at ?? '');
  expect(happenedAt).toBeGreaterThanOrEqual(dueAt);
  expect(happenedAt).toBeLessThanOrEqual(Math.max(dueAt, readyAt) + LATE_MS);
};

describe('after a SIGKILL', () => {
  it(`[DURABLE-1] the queue, its order and all assignments are as they were, seed ${String(SEED)}`, async () => {
    const random = new Random(SEED);
    const { company, kill, startAgain } = await start({ agentLeaseMs: LEASE_MS });
    const boss = await company.supervisor('boss');
    const departments = ['sales', 'support'];
    await company.online('stays', 3, { departments });
    await company.online('leaves', 3, { departments });
    const rests = await company.agent('rests');
    await rests.request('agent:status', { status: 'away', capacity: 2 });
    const begin = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const priority = random.pick(PRIORITIES);
        const department = random.pick([...departments, null]);
        const client = await company.customer(`customer-${String(index)}`);
        return () => open(client, { priority, ...(department !== null && { department }) });
      }),
    );
    // Many in the same millisecond: their order is not to hang on chance either.
    const opened = await Promise.all(begin.map((now) => now()));
    for (const id of ['stays', 'leaves']) {
      for (let active: number | undefined; active !== 3; active = await load(boss, id));
    }
    const byHand = random.pick(opened).id;
    await boss.request('conversation:update', { conversationId: byHand, priority: 'urgent' });
    const before = await floorOf(boss);
    const heldBy = (agentId: string) => [...before].filter(([, { assignee }]) => assignee === agentId);
    expect([before.size, heldBy('stays').length, heldBy('leaves').length]).toEqual([30, 3, 3]);

    await kill();
    const readyAt = await startAgain();
    const again = await company.supervisor('boss');
    expect(await floorOf(again)).toEqual(before);
    const back = await company.agent('stays', { departments });
    await company.agent('rests');
    await seenAs(again, 'leaves', 'offline', LEASE_MS + REQUEUE_MS);
    expect(Date.now()).toBeLessThanOrEqual(readyAt + LEASE_MS + LATE_MS);
    for (const [id, { lastSeq }] of heldBy('leaves')) {
      for (let released = false; !released; released = (await stateOf(again, id)).status === 'queued');
      const entries = await since(again, id, lastSeq);
      expect(entries).toMatchObject([{ type: 'conversation:released', reason: 'agent_disconnected' }]);
      expect(Date.parse(entries[0]?.at ?? '')).toBeLessThanOrEqual(readyAt + LEASE_MS + REQUEUE_MS);
    }
    for (const [id, { lastSeq }] of heldBy('stays')) expect(await since(back, id, lastSeq)).toEqual([]);
    const { agents } = await back.request('agent:list');
    expect(agents.map(({ id, status, capacity }) => [id, status, capacity])).toEqual([
      ['boss', 'offline', 10],
      ['leaves', 'offline', 3],
      ['rests', 'away', 2],
      ['stays', 'online', 3],
    ]);
    // Who is back in the queue stands before those who came later, and nobody has overtaken anybody.
    const after = await floorOf(again);
    const ordered = (floor: typeof before) =>
      [...floor]
        .filter(([id, { position }]) => position !== undefined && before.get(id)?.position !== undefined)
        .sort(([, a], [, b]) => (a.position ?? 0) - (b.position ?? 0));
    for (const department of [...departments, null]) {
      const idsOf = (floor: typeof before) =>
        ordered(floor)
          .filter((c) => c[1].department === department)
          .map(([id]) => id);
      expect(idsOf(after)).toEqual(idsOf(before));
    }
    // Room is filled in that order.
    const [next] = heldBy('stays');
    await back.request('conversation:close', { conversationId: next?.[0] ?? '' });
    for (let active: number | undefined; active !== 3; active = await load(again, 'stays'));
    const routed = [...(await floorOf(again))].filter(
      ([id, { assignee }]) => assignee === 'stays' && after.get(id)?.status === 'queued',
    );
    expect(routed).toHaveLength(1);
    expect(after.get(routed[0]?.[0] ?? '')?.position).toBe(1);
  });

  it('[DURABLE-1] who sees his agent again within the lease notices nothing, and his place is told as before', async () => {
    const { company, kill, startAgain } = await start({ agentLeaseMs: LEASE_MS });
    await company.online('bob', 1);
    const ann = await open(await company.customer('ann'));
    await assignedTo(ann.client, ann.id, 'bob');
    const ben = await open(await company.customer('ben'));
    for (let round = 0; round < 2; round += 1) {
      await kill();
      await startAgain();
      const anns = await company.customer('ann');
      const bens = await company.customer('ben');
      const bob = await company.agent('bob');
      expect((await bens.request('conversation:join', { conversationId: ben.id })).conversation.queue?.position).toBe(
        1,
      );
      const { entries, conversation } = await anns.request('conversation:join', { conversationId: ann.id });
      expect(conversation).toMatchObject({ status: 'assigned', assignee: { id: 'bob' } });
      expect(entries.map(({ type }) => type)).toEqual(['conversation:opened', 'conversation:assigned']);
      expect(presenceOf(bob, 'bob').filter(({ status }) => status !== 'online')).toEqual([]);
    }
    // The last one to come late finds ben's turn come: the capacity is still one.
    const last = await company.agent('bob');
    await last.request('conversation:close', { conversationId: ann.id });
    await assignedTo(last, ben.id, 'bob');
  });

  it('[DURABLE-1] an offer stands: it can be accepted, and ends on time', async () => {
    // Longer than a busy machine takes to start a server.
    const OFFER_MS = 8_000;
    const { company, kill, startAgain } = await start(
      { agentLeaseMs: LEASE_MS, offerMs: OFFER_MS },
      { DESKWIRE_ROUTING: 'offer' },
    );
    const bob = await company.online('bob', 2);
    const ann = await open(await company.customer('ann'));
    const ben = await open(await company.customer('ben'));
    const offers = (client: TestClient) =>
      until('both offers', () => {
        const all = client.all('assignment:offered');
        return new Set(all.map(({ offerId }) => offerId)).size === 2 && all;
      });
    const [first, second] = (await offers(bob)).map(({ offerId, expiresAt, conversation: { id } }) => ({
      offerId,
      expiresAt,
      id,
    }));
    expect([first?.id, second?.id]).toEqual([ann.id, ben.id]);

    await kill();
    await startAgain();
    const back = await company.agent('bob');
    const told2 = (await offers(back)).map(({ offerId, expiresAt, conversation: { id } }) => ({
      offerId,
      expiresAt,
      id,
    }));
    expect(new Set(told2)).toEqual(new Set([first, second]));
    const { entry } = await back.request('assignment:accept', {
      conversationId: ann.id,
      offerId: first?.offerId ?? '',
    });
    expect(entry).toMatchObject({ type: 'conversation:assigned', assignee: { id: 'bob' }, reason: 'routed' });

    const cleo = await company.online('cleo', 1);
    await until(
      'the next offer',
      () => cleo.all('assignment:offered').find(({ conversation }) => conversation.id === ben.id),
      OFFER_MS + 5_000,
    );
    const expired = (await historyOf(cleo, ben.id)).find(
      (entry) => entry.type === 'conversation:updated' && entry.offerOutcome === 'expired',
    );
    expectOnTime(expired?.at, Date.parse(second?.expiresAt ?? ''));
    expect(await back.refused('assignment:accept', { conversationId: ben.id, offerId: second?.offerId })).toMatchObject(
      {
        code: 'offer_expired',
      },
    );
  });

  it('[DURABLE-1] an offer whose time passed meanwhile ends at once, and one whose agent does not come back with his lease', async () => {
    const OFFER_MS = 500;
    const LONG_MS = 60_000;
    for (const offerMs of [OFFER_MS, LONG_MS]) {
      const { company, kill, startAgain } = await start(
        { agentLeaseMs: LEASE_MS, offerMs, passMs: LONG_MS },
        { DESKWIRE_ROUTING: 'offer' },
      );
      const bob = await company.online('bob', 1);
      const ann = await open(await company.customer('ann'));
      const { expiresAt } = await bob.event('assignment:offered');
      await kill();
      if (offerMs === OFFER_MS) await until('its end', () => Date.now() > Date.parse(expiresAt));
      const readyAt = await startAgain();
      const cleo = await company.online('cleo', 1);
      await until('the next offer', () => cleo.all('assignment:offered').length > 0);
      const log = await historyOf(cleo, ann.id);
      const ended = log.find((entry) => entry.type === 'conversation:updated' && entry.offerOutcome !== undefined);
      expect(ended).toMatchObject({ offerOutcome: offerMs === OFFER_MS ? 'expired' : 'withdrawn' });
      const boundMs = offerMs === OFFER_MS ? LATE_MS : LEASE_MS + LATE_MS;
      expect(Date.parse(ended?.at ?? '') - readyAt).toBeLessThanOrEqual(boundMs);
    }
  });

  it('[DURABLE-1] who has fallen silent is reminded, and the conversation closed, on time', async () => {
    const REMIND_MS = 4_000;
    const CLOSE_MS = 4_000;
    const { company, kill, startAgain } = await start({ inactivityRemindMs: REMIND_MS, inactivityCloseMs: CLOSE_MS });
    const bob = await company.online('bob', 2);
    const ann = await open(await company.customer('ann'));
    const asks = await open(await company.customer('asks'), { message: { clientMessageId: 'q', text: 'Hello?' } });
    for (const { client, id } of [ann, asks]) await assignedTo(client, id, 'bob');
    const answer = { conversationId: ann.id, clientMessageId: 'a', text: 'Hello' };
    const { entry } = await bob.request('message:send', answer);

    await kill();
    const remindingAt = await startAgain();
    await company.agent('bob');
    const anns = await company.customer('ann');
    // It may be there before she is, on a slow machine.
    const reminder = await logged(anns, ann.id, 'message:created', ({ notice }) => notice === 'inactivity');
    expectOnTime(reminder.at, Date.parse(entry.at) + REMIND_MS, remindingAt);

    await kill();
    const closingAt = await startAgain();
    await company.agent('bob');
    const again = await company.customer('ann');
    const closed = await logged(again, ann.id, 'conversation:closed');
    expect(closed.reason).toBe('inactivity');
    expectOnTime(closed.at, Date.parse(reminder.at) + CLOSE_MS, closingAt);
    const notices = (await historyOf(again, ann.id)).filter(
      (e) => e.type === 'message:created' && e.notice !== undefined,
    );
    expect(notices).toEqual([reminder]);
    expect(await stateOf(await company.customer('asks'), asks.id)).toMatchObject({ status: 'assigned', lastSeq: 3 });
  });

  it('[DURABLE-1] who had gone home gives back what was not given back yet, and not what he claimed since', async () => {
    const { company, kill, startAgain } = await start({});
    const bob = await company.online('bob', 50);
    const all = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => open(await company.customer(`customer-${String(index)}`))),
    );
    for (const { client, id } of all) await assignedTo(client, id, 'bob');
    // Killed as soon as it is stored that he is offline: what follows from it is not done yet, or half done.
    await bob.request('agent:status', { status: 'offline' });
    await kill();
    await startAgain();
    const back = await company.agent('bob');
    for (const { id } of all) {
      await logged(back, id, 'conversation:released', ({ reason }) => reason === 'agent_offline');
      expect(await stateOf(back, id)).toMatchObject({ status: 'queued' });
    }

    const [claimed] = all;
    if (claimed === undefined) throw new Error('nobody opened a conversation');
    await back.request('assignment:claim', { conversationId: claimed.id });
    await kill();
    await startAgain();
    const again = await company.agent('bob');
    expect(await stateOf(again, claimed.id)).toMatchObject({ status: 'assigned', assignee: { id: 'bob' }, fence: 3 });
  });

  it('[DURABLE-1] whose lease had ended before is not taken for present', async () => {
    const { company, kill, startAgain } = await start({ agentLeaseMs: 1_000 });
    const bob = await company.online('bob');
    const boss = await company.supervisor('boss');
    bob.close();
    await seenAs(boss, 'bob', 'offline');
    const ann = await open(await company.customer('ann'));
    await kill();
    await startAgain();
    const again = await company.supervisor('boss');
    const { agents } = await again.request('agent:list');
    expect(agents.find(({ id }) => id === 'bob')).toMatchObject({ status: 'offline' });
    expect((await stateOf(again, ann.id)).queue?.basis).toBe('nobody_online');
    expect(await again.refused('assignment:assign', { conversationId: ann.id, agentId: 'bob' })).toMatchObject({
      code: 'agent_unavailable',
    });
  });
});
