import { describe, expect, it } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { Company, historyOf, open, stateOf, told } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { closedForNow } from '../support/hours.ts';
import { until } from '../support/until.ts';

// Nobody is routed to but bots, so that each change of assignee is one that a test made.
const { connect } = endToEnd({
  env: {
    DESKWIRE_ROUTING: 'manual',
    DESKWIRE_DEPARTMENTS: JSON.stringify({
      sales: {},
      fairs: { hours: closedForNow() },
      helpdesk: { botsFirst: true },
    }),
  },
});

/** A conversation of Ann's that Bob has; Cleo could take it, Bo watches. */
const scene = async () => {
  const company = new Company(connect);
  const [ann, bob, cleo, boss] = await Promise.all([
    company.customer('ann'),
    company.online('bob', 5),
    company.online('cleo', 5),
    company.supervisor('boss'),
  ]);
  const { id: conversationId } = await open(ann);
  await bob.request('assignment:claim', { conversationId });
  await boss.request('conversation:join', { conversationId });
  return { company, ann, bob, cleo, boss, conversationId };
};

const snapshot = async (client: TestClient, conversationId: string) => ({
  conversation: await stateOf(client, conversationId),
  entries: await historyOf(client, conversationId),
});

/** Once this is there, so is everything that was sent before it. */
const barrier = async (speaker: TestClient, conversationId: string, listeners: readonly TestClient[]) => {
  const { entry } = await speaker.request('message:send', { conversationId, clientMessageId: 'barrier', text: '.' });
  for (const listener of listeners)
    await told(listener, conversationId, 'message:created', ({ id }) => id === entry.id);
};

const activeCount = async (client: TestClient, agentId: string): Promise<number | undefined> =>
  (await client.request('agent:list')).agents.find(({ id }) => id === agentId)?.activeCount;

describe('a transfer', () => {
  it('[ASSIGN-6] to an agent tells everybody, and the note to the staff alone', async () => {
    const { company, ann, bob, cleo, boss, conversationId } = await scene();
    const phone = await company.agent('cleo');
    const note = 'Unmistakable note';
    const done = await bob.request('assignment:transfer', { conversationId, to: { agentId: 'cleo' }, note });
    expect(done).toMatchObject({
      conversation: { status: 'assigned', assignee: { id: 'cleo' }, fence: 2 },
      entry: {
        type: 'conversation:transferred',
        author: { id: 'bob' },
        reason: 'transferred',
        previousAssignee: { id: 'bob' },
        assignee: { id: 'cleo' },
        department: null,
        fence: 2,
        summary: note,
      },
    });
    for (const staff of [bob, cleo, phone, boss])
      expect(await told(staff, conversationId, 'conversation:transferred')).toEqual(done.entry);
    const { summary: _summary, ...shown } = done.entry;
    expect(await told(ann, conversationId, 'conversation:transferred')).toEqual(shown);
    expect([await activeCount(boss, 'bob'), await activeCount(boss, 'cleo')]).toEqual([0, 1]);

    await barrier(cleo, conversationId, [ann, boss]);
    for (const staff of [bob, cleo, phone, boss]) expect(staff.all('conversation:transferred')).toHaveLength(1);
    expect(JSON.stringify([ann.received, await snapshot(ann, conversationId)])).not.toContain('Unmistakable');
    expect(JSON.stringify(await snapshot(boss, conversationId))).toContain('Unmistakable');
  });

  it('[ASSIGN-6] to a bot does not tell it the note', async () => {
    const { company, bob, conversationId } = await scene();
    const robot = await company.bot('robot');
    await robot.request('agent:status', { status: 'online', capacity: 1 });
    await bob.request('assignment:transfer', { conversationId, to: { agentId: 'robot' }, note: 'Unmistakable note' });
    await told(robot, conversationId, 'conversation:transferred', ({ assignee }) => assignee?.id === 'robot');
    expect(JSON.stringify([robot.received, await snapshot(robot, conversationId)])).not.toContain('Unmistakable');
  });

  it('[ASSIGN-6] to a department puts it into that queue, and tells who works there', async () => {
    const { company, ann, bob, boss, conversationId } = await scene();
    const seller = await company.online('seller', 1, { departments: ['sales'] });
    const other = await company.online('other', 1, { departments: ['helpdesk'] });
    const done = await bob.request('assignment:transfer', { conversationId, to: { department: 'sales' } });
    expect(done).toMatchObject({
      conversation: { status: 'queued', assignee: null, department: 'sales', fence: 2, queue: { position: 1 } },
      entry: { assignee: null, previousAssignee: { id: 'bob' }, department: 'sales', fence: 2 },
    });
    for (const client of [ann, bob, seller]) await told(client, conversationId, 'conversation:transferred');
    // A supervisor also moves what nobody has; a department that exists by its agents alone will do.
    const moved = await boss.request('assignment:transfer', { conversationId, to: { department: 'helpdesk' } });
    expect(moved).toMatchObject({
      conversation: { department: 'helpdesk', fence: 3 },
      entry: { previousAssignee: null },
    });
    await told(other, conversationId, 'conversation:transferred', ({ fence }) => fence === 3);
    expect(other.entries(conversationId)).toHaveLength(1);
    const given = await boss.request('assignment:transfer', { conversationId, to: { agentId: 'other' } });
    expect(given).toMatchObject({ conversation: { assignee: { id: 'other' }, department: 'helpdesk', fence: 4 } });
  });

  it('[ASSIGN-6] that is refused says why, and changes nothing', async () => {
    const { company, ann, bob, cleo, boss, conversationId } = await scene();
    const abroad = new Company(connect);
    const full = await company.online('full', 1);
    await full.request('assignment:claim', { conversationId: (await open(await company.customer('carl'))).id });
    await company.online('zero', 0);
    const away = await company.agent('away');
    await away.request('agent:status', { status: 'away' });
    await company.agent('offline');
    await abroad.online('foreign');
    const foreignBoss = await abroad.supervisor('boss');
    const night = await open(await company.customer('dan'), { department: 'fairs' });
    const opensAt = night.conversation.queue?.opensAt ?? 'never';
    // Who has had it before.
    await bob.request('assignment:transfer', { conversationId, to: { agentId: 'cleo' } });

    const before = await snapshot(boss, conversationId);
    const refuse = async (event: string, client: TestClient, payload: object): Promise<Record<string, unknown>> => {
      const error = await client.refused(event, { conversationId, ...payload });
      expect(await snapshot(boss, conversationId), JSON.stringify(payload)).toEqual(before);
      return { ...error };
    };
    const transfer = (client: TestClient, to: unknown) => refuse('assignment:transfer', client, { to, note: 'n' });
    const assign = (agentId: unknown) => refuse('assignment:assign', boss, { agentId });

    for (const client of [cleo, boss]) {
      for (const agentId of ['full', 'zero'])
        expect(await transfer(client, { agentId })).toMatchObject({ code: 'capacity_reached', retryable: true });
      for (const agentId of ['away', 'offline']) {
        const error = await transfer(client, { agentId });
        expect(error).toMatchObject({ code: 'agent_unavailable', retryable: true });
        expect(error['message']).toContain(agentId);
      }
      const unknown = await transfer(client, { agentId: 'nobody' });
      expect(unknown).toMatchObject({ code: 'not_found' });
      for (const agentId of ['foreign', 'ann']) expect(await transfer(client, { agentId })).toEqual(unknown);
      expect(await transfer(client, { agentId: 'cleo' })).toMatchObject({
        code: 'invalid_payload',
        details: [{ path: 'to.agentId' }],
      });
      expect(await transfer(client, { department: 'nowhere' })).toMatchObject({ code: 'not_found' });
      const closed = await transfer(client, { department: 'fairs' });
      expect(closed).toMatchObject({ code: 'agent_unavailable' });
      expect(closed['message']).toContain(opensAt);
      for (const to of [{}, { agentId: 'bob', department: 'sales' }, { agentId: '' }, 'bob', null])
        expect(await transfer(client, to)).toMatchObject({ code: 'invalid_payload' });
    }
    expect(await transfer(bob, { agentId: 'bob' })).toMatchObject({ code: 'stale_fence', details: { fence: 2 } });
    expect(await transfer(away, { agentId: 'bob' })).toMatchObject({ code: 'forbidden' });
    expect(await transfer(ann, { agentId: 'bob' })).toMatchObject({ code: 'forbidden' });
    const robot = await company.bot('robot');
    for (const stranger of [robot, foreignBoss])
      expect(await transfer(stranger, { agentId: 'bob' })).toMatchObject({ code: 'not_found' });

    for (const agentId of ['full', 'zero']) expect(await assign(agentId)).toMatchObject({ code: 'capacity_reached' });
    for (const agentId of ['away', 'offline'])
      expect(await assign(agentId)).toMatchObject({ code: 'agent_unavailable' });
    const unknown = await assign('nobody');
    expect(unknown).toMatchObject({ code: 'not_found' });
    for (const agentId of ['foreign', 'ann']) expect(await assign(agentId)).toEqual(unknown);
    expect(await refuse('assignment:assign', cleo, { agentId: 'bob' })).toMatchObject({ code: 'forbidden' });
    expect(await refuse('assignment:assign', foreignBoss, { agentId: 'boss' })).toEqual(unknown);
    expect(await activeCount(boss, 'cleo')).toBe(1);
  });

  it('[ASSIGN-6] of a closed conversation is refused', async () => {
    const { bob, boss, conversationId } = await scene();
    await bob.request('conversation:close', { conversationId });
    const before = await snapshot(boss, conversationId);
    for (const client of [bob, boss]) {
      for (const to of [{ agentId: 'cleo' }, { department: 'sales' }])
        expect(await client.refused('assignment:transfer', { conversationId, to })).toMatchObject({
          code: 'conversation_closed',
        });
    }
    for (const agentId of ['cleo', 'boss'])
      expect(await boss.refused('assignment:assign', { conversationId, agentId })).toMatchObject({
        code: 'conversation_closed',
      });
    expect(await snapshot(boss, conversationId)).toEqual(before);
  });

  it('[ASSIGN-6] [ASSIGN-2] at the same instant as others does not take an agent beyond the capacity', async () => {
    const { company, bob, boss } = await scene();
    await company.online('dora', 2);
    const mine = await Promise.all(
      ['c1', 'c2', 'c3', 'c4'].map(async (name) => (await open(await company.customer(name))).id),
    );
    for (const conversationId of mine) await bob.request('assignment:claim', { conversationId });
    const replies = await Promise.all(
      mine.map((conversationId, index) =>
        index % 2 === 0
          ? bob.reply('assignment:transfer', { conversationId, to: { agentId: 'dora' } })
          : boss.reply('assignment:assign', { conversationId, agentId: 'dora' }),
      ),
    );
    expect(replies.filter(({ ok }) => ok)).toHaveLength(2);
    for (const [index, reply] of replies.entries()) {
      const conversation = await stateOf(boss, mine[index] ?? '');
      expect(conversation).toMatchObject({ assignee: { id: reply.ok ? 'dora' : 'bob' }, fence: reply.ok ? 2 : 1 });
      if (!reply.ok) expect(reply.error.code).toBe('capacity_reached');
    }
    expect(await activeCount(boss, 'dora')).toBe(2);
  });
});

describe('the fence', () => {
  it('[ASSIGN-7] grows by one with every change of assignee, and who was assigned before is stale', async () => {
    const { ann, bob, cleo, boss, conversationId } = await scene();
    const stale = async (client: TestClient, fence: number) => {
      for (const [event, more] of [
        ['assignment:release', {}],
        ['assignment:transfer', { to: { agentId: 'cleo' } }],
        ['assignment:transfer', { to: { department: 'sales' } }],
      ] as const)
        expect(await client.refused(event, { conversationId, ...more })).toMatchObject({
          code: 'stale_fence',
          retryable: false,
          details: { fence },
        });
    };
    await bob.request('assignment:transfer', { conversationId, to: { agentId: 'cleo' } });
    await stale(bob, 2);
    await boss.request('assignment:assign', { conversationId, agentId: 'bob' });
    await stale(cleo, 3);
    await boss.request('assignment:release', { conversationId });
    await stale(bob, 4);
    await cleo.request('assignment:claim', { conversationId });
    await boss.request('assignment:assign', { conversationId, agentId: 'boss' });
    await stale(cleo, 6);
    await boss.request('assignment:transfer', { conversationId, to: { department: 'sales' } });
    await bob.request('assignment:claim', { conversationId });
    await bob.request('conversation:close', { conversationId });
    await ann.request('conversation:reopen', { conversationId });
    await stale(bob, 9);
    await bob.request('assignment:claim', { conversationId });

    const entries = await historyOf(boss, conversationId);
    const fences = entries.flatMap((entry) => ('fence' in entry ? [entry.fence] : []));
    expect(fences).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect((await stateOf(ann, conversationId)).fence).toBe(10);
    const changes = entries.filter((entry) => 'assignee' in entry);
    for (const [index, entry] of changes.entries()) {
      if (index > 0 && entry.previousAssignee !== null)
        expect(entry.previousAssignee).toEqual(changes[index - 1]?.assignee);
    }
  });

  it('[ASSIGN-7] lets one of many hand-overs at the same instant through', async () => {
    const { company, bob, boss, conversationId } = await scene();
    const phone = await company.agent('bob');
    const replies = await Promise.all([
      ...[bob, phone, bob, phone].map((device) =>
        device.reply('assignment:transfer', { conversationId, to: { agentId: 'cleo' } }),
      ),
      ...[phone, bob].map((device) => device.reply('assignment:release', { conversationId })),
    ]);
    expect(replies.filter(({ ok }) => ok)).toHaveLength(1);
    for (const reply of replies) if (!reply.ok) expect(reply.error.code).toBe('stale_fence');
    expect((await stateOf(boss, conversationId)).fence).toBe(2);
  });
});

describe('a supervisor', () => {
  it('[ASSIGN-7] takes over, also when offline, and gives to others; the same again is the same entry', async () => {
    const { bob, boss, conversationId } = await scene();
    const taken = await boss.request('assignment:assign', { conversationId, agentId: 'boss' });
    expect(taken).toMatchObject({
      conversation: { assignee: { id: 'boss', role: 'supervisor' }, fence: 2 },
      entry: { type: 'conversation:assigned', reason: 'assigned', previousAssignee: { id: 'bob' } },
    });
    expect(await boss.request('assignment:assign', { conversationId, agentId: 'boss' })).toEqual(taken);
    expect(await boss.request('assignment:claim', { conversationId })).toEqual(taken);
    expect(await told(bob, conversationId, 'conversation:assigned', ({ fence }) => fence === 2)).toEqual(taken.entry);
    const given = await boss.request('assignment:assign', { conversationId, agentId: 'cleo' });
    expect(given).toMatchObject({
      conversation: { assignee: { id: 'cleo' }, fence: 3 },
      entry: { previousAssignee: { id: 'boss' } },
    });
    await boss.request('agent:status', { status: 'offline', capacity: 0 });
    expect(await boss.refused('assignment:assign', { conversationId, agentId: 'boss' })).toMatchObject({
      code: 'capacity_reached',
    });
    expect(await stateOf(boss, conversationId)).toEqual(given.conversation);
  });

  it('[ASSIGN-7] watches unseen until the conversation is his', async () => {
    const { company, ann, bob, boss, conversationId } = await scene();
    const shown = async (client: TestClient) =>
      (await client.request('conversation:join', { conversationId })).participants.map(({ id }) => id).sort();
    const heardOf = (client: TestClient) =>
      client.received.filter(
        ({ event, payload }) =>
          event.startsWith('participant:') && (payload as { user: { id: string } }).user.id === 'boss',
      );
    expect(await shown(ann)).toEqual(['ann', 'bob']);
    expect(await shown(bob)).toEqual(['ann', 'bob']);
    const tablet = await company.supervisor('boss');
    await tablet.request('conversation:join', { conversationId });
    await tablet.request('conversation:leave', { conversationId });
    await boss.request('conversation:leave', { conversationId });
    await boss.request('conversation:join', { conversationId });
    await barrier(bob, conversationId, [ann]);
    expect([heardOf(ann), heardOf(bob)]).toEqual([[], []]);

    await boss.request('assignment:assign', { conversationId, agentId: 'boss' });
    for (const client of [ann, bob]) await client.event('participant:joined', ({ user }) => user.id === 'boss');
    expect(await shown(ann)).toEqual(['ann', 'boss']);
    await boss.request('assignment:transfer', { conversationId, to: { agentId: 'bob' } });
    for (const client of [ann, bob]) await client.event('participant:left', ({ user }) => user.id === 'boss');
    expect(await shown(ann)).toEqual(['ann', 'bob']);
  });
});

describe("a bot's hand-over", () => {
  it('[ASSIGN-8] happens once, however often it is sent, and the summary goes to the staff', async () => {
    const company = new Company(connect);
    const robot = await company.bot('robot', { departments: ['helpdesk'] });
    const twin = await company.bot('robot', { departments: ['helpdesk'] });
    const second = await company.bot('second', { departments: ['helpdesk'] });
    const bob = await company.online('bob', 5, { departments: ['helpdesk'] });
    await robot.request('agent:status', { status: 'online', capacity: 50 });
    const ann = await company.customer('ann');
    const { id: conversationId } = await open(ann, { department: 'helpdesk' });
    await told(robot, conversationId, 'conversation:assigned', ({ reason }) => reason === 'routed');
    await bob.request('conversation:join', { conversationId });
    await second.request('agent:status', { status: 'online', capacity: 50 });

    const handOver = { conversationId, reason: 'Unmistakable reason', summary: 'Unmistakable summary' };
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? robot : twin).reply('assignment:release', handOver)),
    );
    const later = [await robot.reply('assignment:release', handOver), await twin.reply('assignment:release', handOver)];
    expect(replies.filter(({ ok }) => ok)).toHaveLength(1);
    for (const reply of [...replies, ...later])
      if (!reply.ok) expect(reply.error).toMatchObject({ code: 'stale_fence', details: { fence: 2 } });
    expect(later.map(({ ok }) => ok)).toEqual([false, false]);

    const released = (await historyOf(bob, conversationId)).filter(({ type }) => type === 'conversation:released');
    expect(released).toMatchObject([
      { reason: 'bot_handoff', summary: 'Unmistakable summary', detail: 'Unmistakable reason', fence: 2 },
    ]);
    await told(bob, conversationId, 'conversation:released');
    expect(bob.entries(conversationId).filter(({ type }) => type === 'conversation:released')).toEqual(released);
    expect(await told(ann, conversationId, 'conversation:released')).not.toHaveProperty('summary');
    await told(robot, conversationId, 'conversation:released');
    const seen = [ann.received, robot.received, twin.received, await historyOf(ann, conversationId), replies, later];
    expect(JSON.stringify(seen)).not.toContain('Unmistakable');

    // It is routed to no bot any more, neither at once nor when one comes back, while other conversations are.
    await robot.request('agent:status', { status: 'away' });
    await robot.request('agent:status', { status: 'online' });
    const next = await open(await company.customer('carl'), { department: 'helpdesk' });
    await until('another conversation with a bot', () =>
      [robot, second].some((client) => client.entries(next.id).some(({ type }) => type === 'conversation:assigned')),
    );
    expect(await stateOf(bob, conversationId)).toMatchObject({ status: 'queued', assignee: null, fence: 2 });
    await bob.request('assignment:claim', { conversationId });
    await bob.request('assignment:release', { conversationId });
    const third = await open(await company.customer('dan'), { department: 'helpdesk' });
    await until('a third one with a bot', () =>
      [robot, second].some((client) => client.entries(third.id).some(({ type }) => type === 'conversation:assigned')),
    );
    expect(await stateOf(bob, conversationId)).toMatchObject({ status: 'queued', fence: 4 });
  });

  it('[ASSIGN-8] may go by a transfer as well: it does not come back', async () => {
    const company = new Company(connect);
    const robot = await company.bot('robot', { departments: ['helpdesk'] });
    await robot.request('agent:status', { status: 'online', capacity: 50 });
    const boss = await company.supervisor('boss');
    const { id: conversationId } = await open(await company.customer('ann'), { department: 'helpdesk' });
    await told(robot, conversationId, 'conversation:assigned');
    const handOver = { conversationId, to: { department: 'helpdesk' }, note: 'Unmistakable note' };
    await robot.request('assignment:transfer', handOver);
    expect(await robot.refused('assignment:transfer', handOver)).toMatchObject({ code: 'stale_fence' });
    const next = await open(await company.customer('carl'), { department: 'helpdesk' });
    await told(robot, next.id, 'conversation:assigned');
    expect(await stateOf(boss, conversationId)).toMatchObject({ status: 'queued', fence: 2 });
    expect(JSON.stringify(robot.received)).not.toContain('Unmistakable');
  });
});
