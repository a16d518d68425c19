import { describe, expect, it, onTestFinished } from 'vitest';
import type { EventPayload } from '../../src/contract/contract.ts';
import type { Limits } from '../../src/contract/limits.ts';
import type { TestClient } from '../support/client.ts';
import { Company, historyOf, open, stateOf, told } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { startServer, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';

const env = { DESKWIRE_ROUTING: 'offer', DESKWIRE_DEPARTMENTS: JSON.stringify({ sales: {} }) };
const { connect, clients } = endToEnd({ env });

type Offered = EventPayload<'assignment:offered'>;

const offersOf = (client: TestClient, conversationId: string): Offered[] =>
  client.all('assignment:offered').filter(({ conversation }) => conversation.id === conversationId);

const offerTo = (client: TestClient, conversationId: string, after = 0): Promise<Offered> =>
  until('the offer', () => offersOf(client, conversationId)[after]);

/** How the offers of a conversation began and ended, as the staff read it in the log. */
const story = async (client: TestClient, conversationId: string): Promise<string[]> =>
  (await historyOf(client, conversationId)).flatMap((entry) => {
    if (entry.type !== 'conversation:updated') return entry.type === 'conversation:assigned' ? ['assigned'] : [];
    return [entry.offer ? `offered to ${entry.offer.agent.id}` : (entry.offerOutcome ?? 'updated')];
  });

/** Ann has opened a conversation; it is offered to Bob, who has two devices. Cleo is next. */
const scene = async () => {
  const company = new Company(connect);
  const bob = await company.online('bob', 2);
  const phone = await company.agent('bob');
  const cleo = await company.online('cleo', 2);
  const ann = await company.customer('ann');
  const { id: conversationId } = await open(ann);
  const { offerId } = await offerTo(bob, conversationId);
  // An offer that is answered before the node of the other device hears of it does not ring there any more.
  await offerTo(phone, conversationId);
  return { company, ann, bob, phone, cleo, conversationId, offerId };
};

describe('an offer', () => {
  it('[OFFER-1] goes to one agent on all connections, and to those that come while it stands', async () => {
    const { company, bob, phone, cleo, conversationId, offerId } = await scene();
    const offered = await offerTo(bob, conversationId);
    expect(offered.conversation).toMatchObject({ status: 'queued', assignee: null, queue: { position: 1 } });
    const leftMs = Date.parse(offered.expiresAt) - Date.now();
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(30_000);
    expect(await offerTo(phone, conversationId)).toEqual(offered);
    const tablet = await company.agent('bob');
    expect(await offerTo(tablet, conversationId)).toEqual(offered);

    const accepted = await phone.request('assignment:accept', { conversationId, offerId });
    expect(accepted).toMatchObject({
      conversation: { status: 'assigned', assignee: { id: 'bob' }, fence: 1, queue: null },
      entry: {
        author: { id: 'bob' },
        reason: 'routed',
        fence: 1,
        decision: {
          strategy: 'offer',
          candidates: [{ agentId: 'bob' }, { agentId: 'cleo' }],
          skipped: [],
          complete: true,
        },
      },
    });
    for (const device of [bob, phone, tablet])
      expect(await told(device, conversationId, 'conversation:assigned')).toEqual(accepted.entry);
    const late = await company.agent('bob');
    await late.request('agent:list');
    expect(offersOf(late, conversationId)).toEqual([]);
    for (const device of [bob, phone, tablet]) expect(offersOf(device, conversationId)).toHaveLength(1);
    expect(cleo.all('assignment:offered')).toEqual([]);
  });

  it('[OFFER-1] accepted on two devices at once, or twice, is one assignment', async () => {
    const { bob, phone, conversationId, offerId } = await scene();
    const accept = (device: TestClient) => device.request('assignment:accept', { conversationId, offerId });
    const replies = await Promise.all([bob, phone, bob, phone, bob, phone].map(accept));
    replies.push(await accept(bob), await accept(phone));
    for (const reply of replies) expect(reply).toEqual(replies[0]);
    expect(await story(bob, conversationId)).toEqual(['offered to bob', 'assigned']);
    expect(await bob.request('assignment:claim', { conversationId })).toMatchObject({ entry: replies[0]?.entry });
  });

  it('[OFFER-1] declined goes to the next at once, and to nobody twice', async () => {
    const { company, bob, phone, cleo, conversationId, offerId } = await scene();
    const declined = await bob.request('assignment:decline', { conversationId, offerId });
    expect(declined).toEqual({ conversation: expect.objectContaining({ status: 'queued', fence: 0 }) as unknown });
    const next = await offerTo(cleo, conversationId);
    expect(next.offerId).not.toBe(offerId);
    for (const device of [bob, phone]) {
      for (const event of ['assignment:decline', 'assignment:accept'])
        expect(await device.refused(event, { conversationId, offerId })).toMatchObject({ code: 'offer_expired' });
    }
    await cleo.request('assignment:decline', { conversationId, offerId: next.offerId });
    expect(await story(bob, conversationId)).toEqual(['offered to bob', 'declined', 'offered to cleo', 'declined']);
    const dora = await company.online('dora', 1);
    await offerTo(dora, conversationId);
    expect([bob, phone, cleo].map((client) => offersOf(client, conversationId).length)).toEqual([1, 1, 1]);
    expect(await stateOf(bob, conversationId)).toMatchObject({ status: 'queued', fence: 0 });
  });

  it('[OFFER-1] is for the one it was made to', async () => {
    const { company, ann, bob, cleo, conversationId, offerId } = await scene();
    const robot = await company.bot('robot');
    const boss = await company.supervisor('boss');
    const stranger = await new Company(connect).online('bob');
    for (const event of ['assignment:accept', 'assignment:decline']) {
      for (const client of [ann, cleo, boss])
        expect(await client.refused(event, { conversationId, offerId })).toMatchObject({ code: 'forbidden' });
      for (const client of [robot, stranger])
        expect(await client.refused(event, { conversationId, offerId })).toMatchObject({ code: 'not_found' });
      expect(await bob.refused(event, { conversationId, offerId: 'another' })).toMatchObject({ code: 'offer_expired' });
      expect(await bob.refused(event, { conversationId })).toMatchObject({ code: 'invalid_payload' });
    }
    expect(await story(bob, conversationId)).toEqual(['offered to bob']);
  });

  it('[OFFER-1] is over when somebody claims the conversation, and the place with the agent is free again', async () => {
    const { company, bob, phone, cleo, conversationId, offerId } = await scene();
    await bob.request('agent:status', { status: 'online', capacity: 1 });
    const taken = await cleo.request('assignment:claim', { conversationId });
    for (const device of [bob, phone])
      expect(await told(device, conversationId, 'conversation:assigned')).toEqual(taken.entry);
    for (const event of ['assignment:accept', 'assignment:decline'])
      expect(await bob.refused(event, { conversationId, offerId })).toMatchObject({ code: 'offer_expired' });
    await cleo.request('agent:status', { status: 'away' });
    const next = await open(await company.customer('carl'));
    const again = await offerTo(bob, next.id);
    // One may also claim what one is offered; the offer is answered by that.
    const claimed = await bob.request('assignment:claim', { conversationId: next.id });
    expect(claimed.conversation).toMatchObject({ assignee: { id: 'bob' }, fence: 1 });
    expect(await bob.request('assignment:accept', { conversationId: next.id, offerId: again.offerId })).toEqual(
      claimed,
    );
  });

  it('[OFFER-1] and a claim at the same instant make one assignment', async () => {
    const { company, bob, phone, cleo } = await scene();
    await bob.request('agent:status', { status: 'online', capacity: 50 });
    await cleo.request('agent:status', { status: 'away', capacity: 50 });
    for (let round = 0; round < 10; round += 1) {
      const { id: conversationId } = await open(await company.customer(`customer-${String(round)}`));
      const { offerId } = await offerTo(bob, conversationId);
      const accept = () => phone.reply('assignment:accept', { conversationId, offerId });
      const claim = () => cleo.reply('assignment:claim', { conversationId });
      const replies = await Promise.all(round % 2 === 0 ? [accept(), claim()] : [claim(), accept()]);
      expect(replies.filter(({ ok }) => ok)).toHaveLength(1);
      expect(await story(bob, conversationId)).toEqual(['offered to bob', 'assigned']);
      expect(await stateOf(bob, conversationId)).toMatchObject({ status: 'assigned', fence: 1 });
    }
  });

  it.each(['away', 'offline'] as const)('[OFFER-1] does not wait for an agent who is %s', async (status) => {
    const { bob, phone, cleo, conversationId, offerId } = await scene();
    await phone.request('agent:status', { status });
    const next = await offerTo(cleo, conversationId);
    expect(await bob.refused('assignment:accept', { conversationId, offerId })).toMatchObject({
      code: 'offer_expired',
    });
    expect(await story(bob, conversationId)).toEqual(['offered to bob', 'withdrawn', 'offered to cleo']);
    // He has not said no: he is asked again.
    await bob.request('agent:status', { status: 'online' });
    await cleo.request('assignment:decline', { conversationId, offerId: next.offerId });
    const again = await offerTo(bob, conversationId, 1);
    expect(again.offerId).not.toBe(offerId);
    await bob.request('assignment:accept', { conversationId, offerId: again.offerId });
  });

  it('[OFFER-1] ends with the conversation, and with its move to another department', async () => {
    const { company, ann, bob, cleo, conversationId, offerId } = await scene();
    await ann.request('conversation:close', { conversationId });
    for (const event of ['assignment:accept', 'assignment:decline'])
      expect(await bob.refused(event, { conversationId, offerId })).toMatchObject({ code: 'conversation_closed' });
    const boss = await company.supervisor('boss');
    const moved = await open(await company.customer('carl'));
    // Cleo has waited longer than Bob.
    const offer = await offerTo(cleo, moved.id);
    await boss.request('assignment:transfer', { conversationId: moved.id, to: { department: 'sales' } });
    expect(await cleo.refused('assignment:accept', { conversationId: moved.id, offerId: offer.offerId })).toMatchObject(
      { code: 'offer_expired' },
    );
    expect(await stateOf(boss, moved.id)).toMatchObject({ status: 'queued', department: 'sales', fence: 1 });
  });
});

describe('what happens meanwhile', () => {
  it('[OFFER-1] leaves an offer as it is: messages, notes, updates, and a status that stays online', async () => {
    const { ann, bob, phone, conversationId, offerId } = await scene();
    await ann.request('message:send', { conversationId, clientMessageId: 'more', text: 'Hello?' });
    await bob.request('message:send', { conversationId, clientMessageId: 'note', text: 'x', visibility: 'staff' });
    await bob.request('conversation:update', { conversationId, priority: 'urgent', tags: ['vip'] });
    await phone.request('agent:status', { status: 'online', capacity: 1 });
    phone.close();
    const accepted = await bob.request('assignment:accept', { conversationId, offerId });
    expect(accepted.conversation).toMatchObject({ priority: 'urgent', fence: 1 });
    expect(await story(bob, conversationId)).toEqual(['offered to bob', 'updated', 'assigned']);
  });
});

describe('offers and capacity', () => {
  it('[OFFER-1] are made no more than an agent has room for, and each answer makes room for the next', async () => {
    const company = new Company(connect);
    const bob = await company.online('bob', 2);
    const boss = await company.supervisor('boss');
    const opened: string[] = [];
    for (const name of ['c1', 'c2', 'c3', 'c4', 'c5']) opened.push((await open(await company.customer(name))).id);
    const offered = () => bob.all('assignment:offered').map(({ conversation }) => conversation.id);
    await until('two offers', () => offered().length === 2);
    expect(offered()).toEqual(opened.slice(0, 2));
    const [first] = bob.all('assignment:offered');
    await bob.request('assignment:accept', {
      conversationId: first?.conversation.id ?? '',
      offerId: first?.offerId ?? '',
    });
    // One active, one offered: nothing for the others until one of both ends.
    const standing = async () => (await Promise.all(opened.map((id) => story(boss, id)))).flat();
    expect((await standing()).filter((line) => line.startsWith('offered'))).toHaveLength(2);
    await bob.request('conversation:close', { conversationId: first?.conversation.id ?? '' });
    await offerTo(bob, opened[2] ?? '');
    const second = await offerTo(bob, opened[1] ?? '');
    await bob.request('assignment:decline', { conversationId: opened[1] ?? '', offerId: second.offerId });
    await offerTo(bob, opened[3] ?? '');
    expect(offered()).toEqual(opened.slice(0, 4));
  });

  it('[OFFER-1] cannot be accepted beyond capacity, and are withdrawn when what is left of it is taken', async () => {
    const { company, bob, cleo, conversationId, offerId } = await scene();
    await cleo.request('agent:status', { status: 'away' });
    await bob.request('agent:status', { status: 'online', capacity: 1 });
    const other = await open(await company.customer('carl'));
    await bob.request('assignment:claim', { conversationId: other.id });
    // Whichever is first: the claim leaves no room, and ends the offer for that.
    const { code } = await bob.refused('assignment:accept', { conversationId, offerId });
    expect(['capacity_reached', 'offer_expired']).toContain(code);
    expect(await stateOf(bob, conversationId)).toMatchObject({ status: 'queued', fence: 0 });
    await until('the offer to end', async () => (await story(bob, conversationId)).length > 1);
    await bob.request('conversation:close', { conversationId: other.id });
    const again = await bob.event(
      'assignment:offered',
      (offer) => offer.conversation.id === conversationId && offer.offerId !== offerId,
    );
    await bob.request('assignment:accept', { conversationId, offerId: again.offerId });
  });

  it('[OFFER-1] go to the next at once when the agent fills up, takes no more, or leaves the department', async () => {
    for (const change of ['claims', 'takes none', 'has a new token'] as const) {
      const company = new Company(connect);
      const sales = { departments: ['sales'] };
      const bob = await company.online('bob', 1, sales);
      const { id: conversationId } = await open(await company.customer('ann'), { department: 'sales' });
      await offerTo(bob, conversationId);
      const cleo = await company.online('cleo', 1, sales);
      switch (change) {
        case 'claims': {
          const other = await open(await company.customer('carl'), { department: 'nobody-is-there' });
          await bob.request('assignment:claim', { conversationId: other.id });
          break;
        }
        case 'takes none':
          await bob.request('agent:status', { status: 'online', capacity: 0 });
          break;
        case 'has a new token':
          await bob.request('session:refresh', {
            token: tokenFor(company.identity('bob', { departments: ['billing'] })),
          });
          break;
      }
      const { offerId } = await offerTo(cleo, conversationId);
      await cleo.request('assignment:accept', { conversationId, offerId });
    }
  });
});

describe('the customer', () => {
  it('[OFFER-1] [WALL-1] learns nothing of offers: no event, no seq, no time', async () => {
    const { ann, bob, cleo, conversationId, offerId } = await scene();
    const before = await stateOf(ann, conversationId);
    await bob.request('assignment:decline', { conversationId, offerId });
    const next = await offerTo(cleo, conversationId);
    expect(await stateOf(ann, conversationId)).toEqual(before);
    expect(before).toMatchObject({ lastSeq: 1, updatedAt: before.createdAt });
    expect((await stateOf(bob, conversationId)).lastSeq).toBe(4);
    for (const seq of [2, 4, 9])
      expect((await ann.refused('conversation:join', { conversationId, afterSeq: seq })).code).toBe('invalid_payload');
    await cleo.request('assignment:accept', { conversationId, offerId: next.offerId });
    await told(ann, conversationId, 'conversation:assigned');
    expect(await historyOf(ann, conversationId)).toMatchObject([
      { seq: 1, type: 'conversation:opened' },
      { seq: 5, type: 'conversation:assigned', reason: 'routed' },
    ]);
    expect(ann.entries(conversationId)).toEqual(await historyOf(ann, conversationId));
    const all = JSON.stringify([ann.received.slice(1), await ann.request('conversation:join', { conversationId })]);
    for (const word of ['offer', 'decision', 'candidates', 'bob']) expect(all).not.toContain(word);
  });
});

describe('an offer that is not answered', () => {
  const company = async (limits: Partial<Limits>): Promise<Company> => {
    const server = await startServer({ env, limits });
    onTestFinished(() => server.stop());
    return new Company((identity) => clients.connect(server.url, identity));
  };

  it('[OFFER-1] goes to the next when its time is over, and cannot be answered any more', async () => {
    const desk = await company({ offerMs: 500 });
    const bob = await desk.online('bob', 1);
    const cleo = await desk.online('cleo', 1);
    const ann = await desk.customer('ann');
    const { id: conversationId } = await open(ann);
    const { offerId, expiresAt } = await offerTo(bob, conversationId);
    const next = await offerTo(cleo, conversationId);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
    for (const event of ['assignment:accept', 'assignment:decline'])
      expect(await bob.refused(event, { conversationId, offerId })).toMatchObject({ code: 'offer_expired' });
    await cleo.request('assignment:accept', { conversationId, offerId: next.offerId });
    expect(await story(bob, conversationId)).toEqual(['offered to bob', 'expired', 'offered to cleo', 'assigned']);
    expect(ann.entries(conversationId).map(({ seq }) => seq)).toEqual([1, 5]);
  });

  it('[OFFER-1] is made again to the same agent after passMs, when there is nobody else', async () => {
    const desk = await company({ offerMs: 500, passMs: 700 });
    const bob = await desk.online('bob', 1);
    const { id: conversationId } = await open(await desk.customer('ann'));
    const first = await offerTo(bob, conversationId);
    const again = await offerTo(bob, conversationId, 1);
    expect(Date.parse(again.expiresAt) - Date.parse(first.expiresAt)).toBeGreaterThanOrEqual(1_200);
    await bob.request('assignment:accept', { conversationId, offerId: again.offerId });
  });

  it('[OFFER-1] [LEASE-2] goes to the next when the lease of its agent has ended', async () => {
    const desk = await company({ agentLeaseMs: 2_000 });
    const bob = await desk.online('bob', 1);
    const cleo = await desk.online('cleo', 1);
    const { id: conversationId } = await open(await desk.customer('ann'));
    await offerTo(bob, conversationId);
    bob.close();
    const { offerId } = await offerTo(cleo, conversationId);
    expect(await story(cleo, conversationId)).toEqual(['offered to bob', 'withdrawn', 'offered to cleo']);
    await cleo.request('assignment:accept', { conversationId, offerId });
  });
});
