import { describe, expect, it, vi } from 'vitest';
import { WEEKDAYS } from '../../src/core/business-hours.ts';
import type { QueuePlace } from '../../src/contract/schemas.ts';
import type { TestClient } from '../support/client.ts';
import { assignedTo, Company, open, placeOf, seenAs, stateOf, told, type Opened } from '../support/company.ts';
import { endToEnd, onOneNode } from '../support/e2e.ts';
import { until } from '../support/until.ts';

const LEASE_MS = 1_500;
const DAY_MS = 86_400_000;
/** Far enough away that midnight does not pass it while the tests run. */
const OPENS_AT = new Date((Math.floor(Date.now() / DAY_MS) + 3) * DAY_MS);
const OPEN_DAY = WEEKDAYS[(OPENS_AT.getUTCDay() + 6) % 7] ?? 'mon';

const { connect } = endToEnd({
  limits: { agentLeaseMs: LEASE_MS, queueUpdateMs: 50 },
  env: {
    DESKWIRE_DEPARTMENTS: JSON.stringify({
      sales: {},
      support: {},
      closed: { hours: { week: { [OPEN_DAY]: ['00:00-24:00'] } } },
    }),
  },
});

/** A node hears of what happened on another a moment later, and each tells its own customers. */
const soon = (look: () => Promise<void>): Promise<void> => vi.waitFor(look, { timeout: 10_000, interval: 10 });

/** Everybody who waits comes to be told this place, and the server to say the same when it is asked. */
const places = (
  watcher: TestClient,
  expected: readonly (readonly [Opened, number])[],
  basis?: QueuePlace['basis'],
): Promise<void> =>
  soon(async () => {
    expect(expected.map(([opened]) => placeOf(opened))).toMatchObject(
      expected.map(([, position]) => ({ position, ...(basis !== undefined && { basis }) })),
    );
    for (const [opened, position] of expected) {
      expect((await stateOf(watcher, opened.id)).queue?.position).toBe(position);
      expect((await stateOf(opened.client, opened.id)).queue).toMatchObject({
        position,
        basis: placeOf(opened)?.basis,
      });
    }
  });

type Opening = Parameters<typeof open>[1];

const waiting = async (company: Company, sub: string, more?: Opening): Promise<Opened> =>
  open(await company.customer(sub), more);

describe('places in the queue', () => {
  it.runIf(onOneNode)('[QUEUE-2] go by priority, then by age, in each department for itself', async () => {
    const company = new Company(connect);
    const watcher = await company.agent('watcher');
    const [sales, support] = [{ department: 'sales' }, { department: 'support' }];
    const first = await waiting(company, 'first', sales);
    const second = await waiting(company, 'second', sales);
    const other = await waiting(company, 'other', support);
    const none = await waiting(company, 'none');
    const low = await waiting(company, 'low', { ...sales, priority: 'low' });
    const urgent = await waiting(company, 'urgent', { ...sales, priority: 'urgent' });
    const high = await waiting(company, 'high', { ...sales, priority: 'high' });
    const third = await waiting(company, 'third', sales);
    // As each was answered at once, before anybody else came.
    const answered = [first, second, other, none, low, urgent, high, third];
    expect(answered.map(({ conversation }) => conversation.queue?.position)).toEqual([1, 2, 1, 1, 3, 1, 2, 5]);
    await places(watcher, [
      [urgent, 1],
      [high, 2],
      [first, 3],
      [second, 4],
      [third, 5],
      [low, 6],
      [other, 1],
      [none, 1],
    ]);
  });

  it('[QUEUE-2] are told anew to all who wait, after each change', async () => {
    const company = new Company(connect);
    const boss = await company.supervisor('boss');
    const sales = { department: 'sales' };
    const a = await waiting(company, 'a', sales);
    const b = await waiting(company, 'b', sales);
    const c = await waiting(company, 'c', sales);
    const d = await waiting(company, 'd', sales);
    const elsewhere = await waiting(company, 'elsewhere', { department: 'support' });
    await places(boss, [
      [a, 1],
      [b, 2],
      [c, 3],
      [d, 4],
      [elsewhere, 1],
    ]);

    await boss.request('conversation:update', { conversationId: d.id, priority: 'urgent' });
    await places(boss, [
      [d, 1],
      [a, 2],
      [b, 3],
      [c, 4],
    ]);
    await boss.request('conversation:update', { conversationId: d.id, priority: 'low' });
    await places(boss, [
      [a, 1],
      [b, 2],
      [c, 3],
      [d, 4],
    ]);
    await boss.request('assignment:claim', { conversationId: a.id });
    await places(boss, [
      [b, 1],
      [c, 2],
      [d, 3],
    ]);
    await c.client.request('conversation:close', { conversationId: c.id });
    await places(boss, [
      [b, 1],
      [d, 2],
    ]);
    await boss.request('assignment:release', { conversationId: a.id });
    await places(boss, [
      [a, 1],
      [b, 2],
      [d, 3],
    ]);
    // In another department he stands where his age puts him.
    await boss.request('assignment:transfer', { conversationId: b.id, to: { department: 'support' } });
    await places(boss, [
      [a, 1],
      [d, 2],
      [b, 1],
      [elsewhere, 2],
    ]);
    // Reopened, one has waited since then only.
    await c.client.request('conversation:reopen', { conversationId: c.id });
    await boss.request('conversation:update', { conversationId: d.id, priority: 'normal' });
    await places(boss, [
      [a, 1],
      [d, 2],
      [c, 3],
    ]);
  });

  it('[QUEUE-2] are the same in every answer, also after the page was loaded anew', async () => {
    const company = new Company(connect);
    const ann = await waiting(company, 'ann', { department: 'sales', priority: 'high' });
    const { client, id, conversation } = await waiting(company, 'ben', { department: 'sales' });
    const queue = { position: 2, estimatedWaitMs: null, basis: 'nobody_online' };
    expect(conversation.queue).toEqual(queue);
    await until('the place', () => placeOf({ client, id, conversation }));
    client.close();

    const again = await company.customer('ben');
    const { conversations } = await again.request('conversation:list', {});
    expect(conversations.map((listed) => [listed.id, listed.queue])).toEqual([[id, queue]]);
    expect((await stateOf(again, id)).queue).toEqual(queue);
    expect((await again.request('conversation:join', { conversationId: id })).conversation.queue).toEqual(queue);
    expect((await again.request('conversation:open', {})).conversation).toMatchObject({ id, queue });
    // The new page is told what changes from then on.
    await ann.client.request('conversation:close', { conversationId: ann.id });
    await until('the new place', () => again.all('queue:updated').at(-1)?.position === 1);
    expect((await stateOf(ann.client, ann.id)).queue).toBeNull();
  });

  it('[QUEUE-2] is told anew when it is again what was told before the page was loaded anew', async () => {
    const company = new Company(connect);
    const watcher = await company.agent('watcher');
    const ann = await waiting(company, 'ann');
    const ben = await waiting(company, 'ben');
    const cas = await waiting(company, 'cas');
    await until('the third place', () => placeOf(cas)?.position === 3);
    cas.client.close();
    await ann.client.request('conversation:close', { conversationId: ann.id });
    await until('the change', () => placeOf(ben)?.position === 1);
    const client = await company.customer('cas');
    const { conversation } = await client.request('conversation:join', { conversationId: cas.id });
    expect(conversation.queue?.position).toBe(2);
    const urgent = await waiting(company, 'urgent', { priority: 'urgent' });
    await places(watcher, [
      [urgent, 1],
      [ben, 2],
      [{ client, id: cas.id, conversation }, 3],
    ]);
  });

  it.runIf(onOneNode)("[QUEUE-2] a customer is told of his own conversations' places only", async () => {
    const company = new Company(connect);
    const watcher = await company.agent('watcher');
    const anns = await company.customer('ann');
    const one = await open(anns, { clientConversationId: 'one' });
    const ben = await waiting(company, 'ben');
    const two = await open(anns, { clientConversationId: 'two' });
    await places(watcher, [
      [one, 1],
      [ben, 2],
      [two, 3],
    ]);
    const own = (client: TestClient) =>
      new Set(client.all('queue:updated').map(({ conversationId }) => conversationId));
    await until('all to be told', () => own(anns).size === 2 && own(ben.client).size === 1);
    await anns.request('conversation:close', { conversationId: one.id });
    await places(watcher, [
      [ben, 1],
      [two, 2],
    ]);
    expect(own(anns)).toEqual(new Set([one.id, two.id]));
    expect(own(ben.client)).toEqual(new Set([ben.id]));
  });
});

describe('what a wait rests on', () => {
  it('[QUEUE-2] nobody is online, somebody is, and then what conversations took', async () => {
    const company = new Company(connect);
    const ann = await waiting(company, 'ann');
    const ben = await waiting(company, 'ben');
    const cas = await waiting(company, 'cas');
    for (const opened of [ann, ben, cas]) {
      expect(opened.conversation.queue).toMatchObject({ estimatedWaitMs: null, basis: 'nobody_online' });
    }
    const bob = await company.online('bob', 1);
    await assignedTo(ann.client, ann.id, 'bob');
    const basis = (name: string) =>
      until(`${name}, to both`, () => placeOf(ben)?.basis === name && placeOf(cas)?.basis === name);
    await basis('no_history');
    await places(bob, [
      [ben, 1],
      [cas, 2],
    ]);

    // The last one leaves: told, and ann is before them again.
    await bob.request('agent:status', { status: 'offline' });
    await basis('nobody_online');
    await places(bob, [
      [ann, 1],
      [ben, 2],
      [cas, 3],
    ]);
    await bob.request('agent:status', { status: 'online' });
    await until('ann to be answered again', () => placeOf(ben)?.position === 1 && placeOf(cas)?.position === 2);
    // What was given back says nothing of how long a conversation takes; one that is closed does.
    await basis('no_history');
    const dan = await waiting(company, 'dan');
    await bob.request('conversation:close', { conversationId: ann.id });
    await assignedTo(ben.client, ben.id, 'bob');
    await places(bob, [
      [cas, 1],
      [dan, 2],
    ]);
    // Whichever node tells them: the same time for each before them.
    await soon(() => {
      const [first, second] = [cas, dan].map((opened) => placeOf(opened)?.estimatedWaitMs ?? 0);
      expect(first).toBeGreaterThan(0);
      expect(Math.abs((second ?? 0) - 2 * (first ?? 0))).toBeLessThanOrEqual(2);
      return Promise.resolve();
    });
  });

  it('[QUEUE-2] who is answered is told when his agent is gone, and where he stands: in his old place', async () => {
    const company = new Company(connect);
    const bob = await company.online('bob', 1);
    const watcher = await company.agent('watcher');
    const ann = await waiting(company, 'ann');
    await assignedTo(ann.client, ann.id, 'bob');
    const ben = await waiting(company, 'ben');
    await until('the place', () => placeOf(ben)?.basis === 'no_history');

    bob.close();
    const released = await told(ann.client, ann.id, 'conversation:released');
    expect(released).toMatchObject({
      assignee: null,
      previousAssignee: { id: 'bob', name: 'bob', role: 'agent' },
      reason: 'agent_disconnected',
    });
    await seenAs(watcher, 'bob', 'offline');
    await places(
      watcher,
      [
        [ann, 1],
        [ben, 2],
      ],
      'nobody_online',
    );
  });

  it('[QUEUE-2] an agent of another department is nobody for this one', async () => {
    const company = new Company(connect);
    const ann = await waiting(company, 'ann', { department: 'sales' });
    const bob = await company.online('bob', 1, { departments: ['support'] });
    const ben = await waiting(company, 'ben', { department: 'support' });
    await assignedTo(ben.client, ben.id, 'bob');
    await places(bob, [[ann, 1]], 'nobody_online');
    await company.online('cleo', 1, { departments: ['sales'] });
    await assignedTo(ann.client, ann.id, 'cleo');
  });

  it('[QUEUE-2] a department is closed: until when', async () => {
    const company = new Company(connect);
    await company.online('bob', 1, { departments: ['closed'] });
    const ann = await waiting(company, 'ann', { department: 'closed' });
    const queue = {
      position: 1,
      estimatedWaitMs: null,
      basis: 'out_of_hours',
      opensAt: OPENS_AT.toISOString(),
    };
    expect(ann.conversation.queue).toEqual(queue);
    await until('the place', () => placeOf(ann));
    expect(placeOf(ann)).toMatchObject(queue);
  });
});
