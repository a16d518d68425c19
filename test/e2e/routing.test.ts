import { describe, expect, it } from 'vitest';
import type { Conversation, Entry } from '../../src/contract/schemas.ts';
import type { TestClient } from '../support/client.ts';
import { assignedTo, Company, historyOf, open, stateOf, told } from '../support/company.ts';
import { endToEnd, onOneNode } from '../support/e2e.ts';
import { until } from '../support/until.ts';

const { connect, server } = endToEnd({
  env: { DESKWIRE_DEPARTMENTS: JSON.stringify({ helpdesk: { botsFirst: true }, sales: {} }) },
});

/** A conversation that is freed goes to the next with that very commit; this is what a busy machine may need for it. */
const AT_ONCE_MS = 1_000;

const all = async (staff: TestClient, status: Conversation['status']): Promise<Conversation[]> => {
  const found: Conversation[] = [];
  let cursor: string | undefined;
  do {
    const page = await staff.request('conversation:list', { status, limit: 100, ...(cursor && { cursor }) });
    found.push(...page.conversations);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
};

const assignmentsTo = (agents: readonly TestClient[]): Extract<Entry, { type: 'conversation:assigned' }>[] =>
  agents.flatMap((client) => client.all('conversation:assigned'));

/** A number of /metrics, as it is now. */
const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`${server().url}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  );
};

/** The most conversations that each agent had at one time, by the logs; of one instant, what ended counts first. */
const peaks = (logs: readonly (readonly Entry[])[]): Map<string, number> => {
  const steps: { at: string; agentId: string; by: 1 | -1 }[] = [];
  for (const log of logs) {
    let holder: string | undefined;
    for (const entry of log) {
      const ends = entry.type === 'conversation:closed' || 'assignee' in entry;
      if (ends && holder !== undefined) steps.push({ at: entry.at, agentId: holder, by: -1 });
      if (ends) holder = 'assignee' in entry ? entry.assignee?.id : undefined;
      if (ends && holder !== undefined) steps.push({ at: entry.at, agentId: holder, by: 1 });
    }
  }
  steps.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.by - b.by));
  const now = new Map<string, number>();
  const most = new Map<string, number>();
  for (const { agentId, by } of steps) {
    const count = (now.get(agentId) ?? 0) + by;
    now.set(agentId, count);
    most.set(agentId, Math.max(most.get(agentId) ?? 0, count));
  }
  return most;
};

describe('a hundred conversations at once', () => {
  it('[ROUTE-4] fill every agent to capacity and none beyond; the others wait, and follow in the order of the queue', async () => {
    const company = new Company(connect);
    const names = ['a1', 'a2', 'a3', 'a4', 'a5'];
    const agents = await Promise.all(names.map((name) => company.online(name, 7)));
    const boss = await company.supervisor('boss');
    const customers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => company.customer(`c${String(index)}`)),
    );
    const opened = await Promise.all(
      customers.flatMap((client) =>
        Array.from({ length: 5 }, (_, index) =>
          client.request('conversation:open', { clientConversationId: String(index) }),
        ),
      ),
    );
    const logs = () => Promise.all(opened.map(({ conversation }) => historyOf(boss, conversation.id)));
    await until('35 assignments', () => assignmentsTo(agents).length >= 35);
    const queue = (await all(boss, 'queued')).sort((a, b) => (a.queue?.position ?? 0) - (b.queue?.position ?? 0));
    expect(queue.map((waiting) => waiting.queue?.position)).toEqual(Array.from({ length: 65 }, (_, at) => at + 1));
    expect(queue.map(({ createdAt }) => createdAt)).toEqual(queue.map(({ createdAt }) => createdAt).sort());
    expect(await all(boss, 'assigned')).toHaveLength(35);
    for (const agent of agents) expect(agent.all('conversation:assigned')).toHaveLength(7);
    for (const { activeCount } of (await boss.request('agent:list')).agents.filter(({ role }) => role === 'agent'))
      expect(activeCount).toBe(7);
    const firstLogs = await logs();
    expect(firstLogs.flat().filter(({ type }) => type === 'conversation:assigned')).toHaveLength(35);
    expect(peaks(firstLogs)).toEqual(new Map(names.map((name) => [name, 7])));

    // One after the other, by different agents: each time the first of the queue is next.
    const holderOf = (conversationId: string): TestClient | undefined =>
      agents.find((agent) => agent.entries(conversationId).some(({ type }) => type === 'conversation:assigned'));
    const held = (agent: TestClient): string[] =>
      agent.all('conversation:assigned').map(({ conversationId }) => conversationId);
    const closedBy = new Map(agents.map((agent) => [agent, 0]));
    const closeNext = async (agent: TestClient) => {
      const at = closedBy.get(agent) ?? 0;
      closedBy.set(agent, at + 1);
      return agent.request('conversation:close', { conversationId: held(agent)[at] ?? '' });
    };
    for (const [index, next] of queue.slice(0, 10).entries()) {
      const agent = agents[index % 5] ?? boss;
      const { entry } = await closeNext(agent);
      const assigned = await told(agent, next.id, 'conversation:assigned');
      expect(Date.parse(assigned.at) - Date.parse(entry.at)).toBeLessThan(AT_ONCE_MS);
      expect(assignmentsTo(agents)).toHaveLength(36 + index);
    }
    // Many at the same instant: the next so many, whoever gets which.
    await Promise.all(agents.flatMap((agent) => Array.from({ length: 5 }, () => closeNext(agent))));
    await until('25 more', () => assignmentsTo(agents).length >= 70);
    for (const [index, { id }] of queue.entries())
      expect([index, holderOf(id) !== undefined]).toEqual([index, index < 35]);
    const closing: Promise<unknown>[] = [];
    await until('the queue to be empty', () => {
      for (const agent of agents) {
        while ((closedBy.get(agent) ?? 0) < held(agent).length) closing.push(closeNext(agent));
      }
      return assignmentsTo(agents).length === 100 && closing.length === 65;
    });
    await Promise.all(closing);
    expect(await all(boss, 'closed')).toHaveLength(100);
    const lastLogs = await logs();
    for (const log of lastLogs) expect(log.filter(({ type }) => type === 'conversation:assigned')).toHaveLength(1);
    for (const count of peaks(lastLogs).values()) expect(count).toBeLessThanOrEqual(7);
  });
});

describe('a decision', () => {
  it('[ROUTE-3] puts bots first where the department says so, then people; after a hand-over no bot', async () => {
    const company = new Company(connect);
    const robot = await company.bot('robot', { departments: ['helpdesk'] });
    await robot.request('agent:status', { status: 'online', capacity: 1 });
    const bob = await company.online('bob', 5, { departments: ['helpdesk'] });
    const [ann, carl, dan] = await Promise.all(['ann', 'carl', 'dan'].map((name) => company.customer(name)));
    if (ann === undefined || carl === undefined || dan === undefined) throw new Error('three have connected');

    const first = await open(ann, { department: 'helpdesk' });
    await assignedTo(robot, first.id, 'robot');
    const [, given] = await historyOf(bob, first.id);
    expect(given).toMatchObject({
      author: null,
      reason: 'routed',
      decision: {
        strategy: 'least-busy',
        candidates: [{ agentId: 'robot', activeCount: 0, capacity: 1 }],
        skipped: [{ agentId: 'bob', reason: 'person' }],
        complete: true,
      },
    });
    const second = await open(carl, { department: 'helpdesk' });
    expect((await assignedTo(bob, second.id, 'bob')).decision).toMatchObject({
      candidates: [{ agentId: 'bob', activeCount: 0, capacity: 5 }],
      skipped: [{ agentId: 'robot', reason: 'full' }],
    });
    await robot.request('assignment:release', { conversationId: first.id, summary: 'wants a person' });
    expect((await assignedTo(bob, first.id, 'bob')).decision).toMatchObject({
      candidates: [{ agentId: 'bob', activeCount: 1 }],
      skipped: [{ agentId: 'robot', reason: 'bot' }],
    });
    // The bot has room again, for the next who comes.
    await assignedTo(robot, (await open(dan, { department: 'helpdesk' })).id, 'robot');
    // Without bots first, a bot is routed nothing.
    const sales = await company.bot('seller', { departments: ['sales'] });
    await sales.request('agent:status', { status: 'online' });
    const { id } = await open(await company.customer('eve'), { department: 'sales' });
    expect(await stateOf(bob, id)).toMatchObject({ status: 'queued' });
  });

  it.runIf(onOneNode)(
    '[ROUTE-3] is in the entry for the staff, with who was passed over and why; customers and bots do not see it',
    async () => {
      const company = new Company(connect);
      const sales = { departments: ['sales'] };
      const french = { departments: ['sales'], skills: ['french'] };
      const best = await company.online('best', 4, french);
      await company.online('busier', 2, french);
      await company.online('mute', 4, sales);
      await company.online('full', 0, french);
      await (await company.agent('away', french)).request('agent:status', { status: 'away' });
      await company.agent('offline', french);
      const lost = await company.online('lost', 4, french);
      const connections = await metric('deskwire_connections');
      lost.close();
      while ((await metric('deskwire_connections')) === connections);
      await company.online('elsewhere', 4, { departments: ['helpdesk'], skills: ['french'] });
      const ann = await company.customer('ann');
      const robot = await company.bot('robot', french);
      await robot.request('agent:status', { status: 'online', capacity: 1 });

      const { id: conversationId } = await open(ann, { department: 'sales', skills: ['french'] });
      const entry = await assignedTo(best, conversationId, 'best');
      expect(entry.decision).toMatchObject({ strategy: 'least-busy', why: expect.stringMatching(/share/) as unknown });
      expect(entry.decision?.candidates).toEqual([
        { agentId: 'best', activeCount: 0, capacity: 4 },
        { agentId: 'busier', activeCount: 0, capacity: 2 },
      ]);
      expect(Object.fromEntries(entry.decision?.skipped.map(({ agentId, reason }) => [agentId, reason]) ?? [])).toEqual(
        {
          mute: 'skills',
          full: 'full',
          away: 'away',
          offline: 'offline',
          lost: 'disconnected',
          robot: 'bot',
        },
      );
      const { decision: _decision, ...shown } = entry;
      expect(await told(ann, conversationId, 'conversation:assigned')).toEqual(shown);
      await best.request('assignment:transfer', { conversationId, to: { agentId: 'robot' } });
      await told(robot, conversationId, 'conversation:transferred');
      await robot.request('conversation:join', { conversationId });
      for (const client of [ann, robot]) {
        expect((await historyOf(client, conversationId))[1]).toEqual(shown);
        expect(JSON.stringify(client.received)).not.toContain('candidates');
      }
    },
  );
});

describe('a capacity', () => {
  it('[ASSIGN-2] is a whole number from 0 up; anything else is refused and changes nothing', async () => {
    const company = new Company(connect);
    const bob = await company.online('bob', 3);
    const before = await bob.request('agent:list');
    for (const capacity of [-1, -0.5, 1.5, 10_001, 1e9, '3', null, [3], true]) {
      expect(await bob.refused('agent:status', { status: 'away', capacity }), String(capacity)).toMatchObject({
        code: 'invalid_payload',
        details: [{ path: 'capacity' }],
      });
    }
    // What was expected, and what was found.
    const { message } = await bob.refused('agent:status', { status: 'away', capacity: -1 });
    expect(message).toBe('agent:status: capacity: expected at least 0, found -1');
    expect(await bob.request('agent:list')).toEqual(before);
  });

  it('[ASSIGN-2] of 0 takes nothing; one that is lowered takes nothing away', async () => {
    const company = new Company(connect);
    const bob = await company.online('bob', 0);
    const [one, two] = [await open(await company.customer('ann')), await open(await company.customer('carl'))];
    expect(await bob.refused('assignment:claim', { conversationId: one.id })).toMatchObject({
      code: 'capacity_reached',
    });
    await bob.request('agent:status', { status: 'online', capacity: 1 });
    await bob.request('assignment:claim', { conversationId: one.id });
    expect(await bob.request('agent:status', { status: 'online', capacity: 0 })).toEqual({
      status: 'online',
      activeCount: 1,
      capacity: 0,
    });
    expect(await stateOf(bob, one.id)).toMatchObject({ assignee: { id: 'bob' } });
    expect(await bob.refused('assignment:claim', { conversationId: two.id })).toMatchObject({
      code: 'capacity_reached',
    });
  });
});

describe('the times of a desk', () => {
  it.runIf(onOneNode)('[TIME-1] are in the entries: the first answer of a person, and the end', async () => {
    const company = new Company(connect);
    const names = ['deskwire_first_response_seconds', 'deskwire_resolution_seconds', 'deskwire_queue_wait_seconds'];
    const counts = () => Promise.all(names.map((name) => metric(`${name}_count`)));
    const sums = () => Promise.all(names.map((name) => metric(`${name}_sum`)));
    const before = { counts: await counts(), sums: await sums() };
    const routed = await metric('deskwire_assignments_total{reason="routed"}').then((count) => count || 0);
    const robot = await company.bot('robot', { departments: ['helpdesk'] });
    await robot.request('agent:status', { status: 'online' });
    const ann = await company.customer('ann');
    const { id: conversationId, conversation } = await open(ann, { department: 'helpdesk' });
    await assignedTo(robot, conversationId, 'robot');
    let serial = 0;
    const say = async (client: TestClient, more: { visibility?: 'staff' } = {}) =>
      (
        await client.request('message:send', {
          conversationId,
          clientMessageId: `m${String((serial += 1))}`,
          text: 'x',
          ...more,
        })
      ).entry;
    const noAnswers = [await say(ann), await say(robot)];
    const bob = await company.online('bob', 5, { departments: ['helpdesk'] });
    await robot.request('assignment:release', { conversationId });
    await assignedTo(bob, conversationId, 'bob');
    noAnswers.push(await say(bob, { visibility: 'staff' }), await say(ann));
    for (const entry of noAnswers) expect(entry).not.toHaveProperty('firstResponseMs');

    // Of many at the same instant one is the first.
    const answers = await Promise.all(Array.from({ length: 10 }, () => say(bob)));
    const [answer, ...others] = answers.filter((entry) => 'firstResponseMs' in entry);
    if (answer === undefined) throw new Error('an answer is the first');
    expect(others).toEqual([]);
    const waitedMs = Date.parse(answer.at) - Date.parse(conversation.createdAt);
    expect(answer.firstResponseMs).toBe(waitedMs);
    expect(await say(bob)).not.toHaveProperty('firstResponseMs');
    expect(await told(ann, conversationId, 'message:created', ({ seq }) => seq === answer.seq)).toEqual(answer);
    const closed = await bob.request('conversation:close', { conversationId });
    const tookMs = Date.parse(closed.entry.at) - Date.parse(conversation.createdAt);
    expect(closed.entry).toMatchObject({ firstResponseMs: waitedMs, resolutionMs: tookMs });

    // From the reopening on it is measured anew.
    const reopened = await ann.request('conversation:reopen', { conversationId });
    const again = await ann.request('conversation:close', { conversationId });
    expect(again.entry).toMatchObject({
      firstResponseMs: null,
      resolutionMs: Date.parse(again.entry.at) - Date.parse(reopened.entry.at),
    });
    const [responses, resolutions, waits] = (await counts()).map((count, index) => count - (before.counts[index] ?? 0));
    expect([responses, resolutions]).toEqual([1, 2]);
    expect(waits).toBeGreaterThanOrEqual(2);
    const [responseSeconds, resolutionSeconds] = (await sums()).map((sum, index) => sum - (before.sums[index] ?? 0));
    expect(responseSeconds).toBeCloseTo(waitedMs / 1000, 6);
    expect(resolutionSeconds).toBeCloseTo((tookMs + (again.entry.resolutionMs ?? 0)) / 1000, 6);
    expect(await metric('deskwire_assignments_total{reason="routed"}')).toBeGreaterThanOrEqual(routed + 2);
  });
});
