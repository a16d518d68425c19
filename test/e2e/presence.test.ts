import { describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { AgentProcess } from '../support/agent-process.ts';
import type { TestClient } from '../support/client.ts';
import {
  afterRouting,
  assignedTo,
  Company,
  historyOf,
  open,
  placeOf,
  presenceOf,
  seenAs,
  stateOf,
  told,
} from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { until } from '../support/until.ts';

const LEASE_MS = 1_500;
const REQUEUE_MS = 2_000;
/** What a busy machine may take to send an event and to look at it. */
const DELIVERY_MS = 1_000;

const { server, connect } = endToEnd({ limits: { agentLeaseMs: LEASE_MS, queueUpdateMs: 50 } });

const wireOf = (client: TestClient): WebSocket =>
  (client.socket.io.engine.transport as unknown as { ws: WebSocket }).ws;

/** A line that breaks. The client does not come back by itself. */
const cut = (client: TestClient): void => {
  wireOf(client).terminate();
};

/** An agent who comes and goes: when he is seen to be gone, so is everybody of whom nothing was heard since before. */
const marker = async (company: Company, watcher: TestClient) => {
  const client = await company.online('marker', 0);
  await seenAs(watcher, 'marker', 'online');
  return {
    aLeaseLater: async (): Promise<void> => {
      cut(client);
      await seenAs(watcher, 'marker', 'offline', LEASE_MS + REQUEUE_MS);
    },
  };
};

const types = async (client: TestClient, conversationId: string): Promise<string[]> =>
  (await historyOf(client, conversationId)).map(({ type }) => type);

describe('who is at work', () => {
  it('[LEASE-1] an agent is online while one of his connections is alive: the others may leave', async () => {
    const company = new Company(connect);
    const watcher = await company.agent('watcher');
    const laptop = await company.online('bob');
    const phone = await company.agent('bob');
    const { id } = await open(await company.customer('ann'));
    await assignedTo(laptop, id, 'bob');
    const later = await marker(company, watcher);
    phone.close();
    await later.aLeaseLater();
    expect(presenceOf(watcher, 'bob').map(({ status }) => status)).toEqual(['online']);
    expect(await types(watcher, id)).toEqual(['conversation:opened', 'conversation:assigned']);
  });

  it.each(['online', 'away'] as const)(
    '[LEASE-1] %s outlives a reconnect, also after the lease has ended',
    async (status) => {
      const company = new Company(connect);
      const watcher = await company.agent('watcher');
      const listed = async () => (await watcher.request('agent:list')).agents.find(({ id }) => id === 'bob');
      const first = await company.agent('bob');
      await first.request('agent:status', { status, capacity: 3 });
      cut(first);
      const second = await company.agent('bob');
      expect(await listed()).toMatchObject({ status, capacity: 3 });

      cut(second);
      await seenAs(watcher, 'bob', 'offline', LEASE_MS + REQUEUE_MS);
      expect(await listed()).toMatchObject({ status: 'offline' });
      await company.agent('bob');
      await seenAs(watcher, 'bob', status);
      expect(await listed()).toMatchObject({ status, capacity: 3 });
      expect(presenceOf(watcher, 'bob').map((shown) => shown.status)).toEqual([status, 'offline', status]);
    },
  );

  it('[LEASE-1] who polls is as present as anybody else', async () => {
    const company = new Company(connect);
    const watcher = await company.agent('watcher');
    const bob = await company.agent('bob', {}, { transports: ['polling'] });
    await bob.request('agent:status', { status: 'online' });
    await (await marker(company, watcher)).aLeaseLater();
    expect(presenceOf(watcher, 'bob').map(({ status }) => status)).toEqual(['online']);
  });

  it('[LEASE-1] nobody is online before he has said so', async () => {
    const company = new Company(connect);
    const bob = await company.agent('bob');
    const ann = await open(await company.customer('ann'));
    expect(await afterRouting(ann)).toMatchObject({ status: 'queued', queue: { basis: 'nobody_online' } });
    expect((await bob.request('agent:list')).agents).toMatchObject([{ id: 'bob', status: 'offline' }]);
    expect(presenceOf(bob, 'bob')).toEqual([]);
    await bob.request('agent:status', { status: 'online' });
    await assignedTo(ann.client, ann.id, 'bob');
  });

  it('[LEASE-1] it is told to staff and bots of the tenant, and to nobody else', async () => {
    const company = new Company(connect);
    const other = new Company(connect);
    const colleague = await company.agent('colleague');
    const boss = await company.supervisor('boss');
    const robot = await company.bot('robot');
    const stranger = await other.agent('stranger');
    const bob = await company.online('bob', 2, { departments: ['sales'], skills: ['tax'] });
    const ann = await open(await company.customer('ann'));
    await assignedTo(ann.client, ann.id, 'bob');
    const expected = {
      id: 'bob',
      name: 'bob',
      role: 'agent',
      departments: ['sales'],
      skills: ['tax'],
      capacity: 2,
    };
    for (const client of [colleague, boss, robot, bob]) {
      expect(await seenAs(client, 'bob', 'online')).toMatchObject(expected);
      const { agents } = await client.request('agent:list', { department: 'sales' });
      expect(agents).toEqual([{ ...expected, status: 'online', activeCount: 1 }]);
    }
    await bob.request('agent:status', { status: 'away' });
    for (const client of [colleague, boss, robot]) await seenAs(client, 'bob', 'away');

    await bob.request('message:send', { conversationId: ann.id, clientMessageId: 'last', text: 'Hello' });
    await told(ann.client, ann.id, 'message:created');
    expect(ann.client.all('agent:presence')).toEqual([]);
    expect(await ann.client.refused('agent:list', {})).toMatchObject({ code: 'forbidden' });
    expect(await ann.client.refused('agent:status', { status: 'online' })).toMatchObject({ code: 'forbidden' });
    await stranger.request('agent:status', { status: 'online' });
    await seenAs(stranger, 'stranger', 'online');
    expect(stranger.all('agent:presence')).toHaveLength(1);
    expect((await stranger.request('agent:list')).agents.map(({ id }) => id)).toEqual(['stranger']);
  });

  it('[LEASE-1] capacity is that of agent:status, else of the token, else of the limit, and is kept', async () => {
    const company = new Company(connect);
    const [plain, chosen] = [await company.agent('plain'), await company.agent('chosen', { maxChats: 1 })];
    const said = (client: TestClient, capacity?: number) =>
      client.request('agent:status', { status: 'online', ...(capacity === undefined ? {} : { capacity }) });
    expect(await said(plain)).toEqual({ status: 'online', activeCount: 0, capacity: DEFAULT_LIMITS.agentCapacity });
    await plain.request('agent:status', { status: 'away' });
    expect(await said(chosen)).toEqual({ status: 'online', activeCount: 0, capacity: 1 });

    const ann = await open(await company.customer('ann'));
    await assignedTo(ann.client, ann.id, 'chosen');
    const ben = await open(await company.customer('ben'));
    expect(await afterRouting(ben)).toMatchObject({ status: 'queued', queue: { position: 1 } });
    // More room is filled at once.
    expect(await said(chosen, 2)).toMatchObject({ capacity: 2 });
    await assignedTo(ben.client, ben.id, 'chosen');
    expect(await said(chosen)).toEqual({ status: 'online', activeCount: 2, capacity: 2 });
    cut(chosen);
    await company.agent('chosen', { maxChats: 1 });
    const { agents } = await plain.request('agent:list');
    expect(agents.find(({ id }) => id === 'chosen')).toMatchObject({ capacity: 2, activeCount: 2 });
  });

  it('[LEASE-1] away keeps conversations and gets no new ones; offline gives them back', async () => {
    const company = new Company(connect);
    const bob = await company.online('bob', 2);
    const ann = await open(await company.customer('ann'));
    await assignedTo(ann.client, ann.id, 'bob');
    await bob.request('agent:status', { status: 'away' });
    const ben = await open(await company.customer('ben'));
    expect(await afterRouting(ben)).toMatchObject({ status: 'queued', queue: { basis: 'nobody_online' } });
    expect((await stateOf(bob, ann.id)).assignee?.id).toBe('bob');

    expect(await bob.request('agent:status', { status: 'offline' })).toMatchObject({ status: 'offline' });
    const released = await told(ann.client, ann.id, 'conversation:released');
    expect(released).toMatchObject({
      author: null,
      assignee: null,
      previousAssignee: { id: 'bob' },
      reason: 'agent_offline',
    });
    // He may have it again as soon as he is back: he did not hand it over.
    await bob.request('agent:status', { status: 'online' });
    await assignedTo(ben.client, ben.id, 'bob');
    const assignments = () => ann.client.entries(ann.id).filter(({ type }) => type === 'conversation:assigned');
    await until('ann to be with him again', () => assignments().length === 2);
    expect(await types(bob, ann.id)).toEqual([
      'conversation:opened',
      'conversation:assigned',
      'conversation:released',
      'conversation:assigned',
    ]);
  });
});

/** Ways in which an agent is lost. Each gives him, and what makes him vanish. */
const LOSSES = {
  'a cut line': async (company: Company) => {
    const client = await company.online('bob', 1);
    return () => {
      cut(client);
    };
  },
  'a client that does not read any more': async (company: Company) => {
    const client = await company.online('bob', 1);
    return () => {
      wireOf(client).pause();
    };
  },
  'a frozen process': async (company: Company) => {
    const agent = await AgentProcess.start(server().url, company.identity('bob'), 1);
    onTestFinished(() => {
      agent.signal('SIGKILL');
    });
    return () => {
      agent.signal('SIGSTOP');
    };
  },
  'a killed process': async (company: Company) => {
    const agent = await AgentProcess.start(server().url, company.identity('bob'), 1);
    onTestFinished(() => {
      agent.signal('SIGKILL');
    });
    return () => {
      agent.signal('SIGKILL');
    };
  },
};

describe('an agent who is lost', () => {
  it.each(Object.entries(LOSSES))(
    '[LEASE-2] %s is noticed in time, and the queue gets its conversation back',
    async (_name, lose) => {
      const company = new Company(connect);
      const watcher = await company.agent('watcher');
      const vanish = await lose(company);
      const ann = await open(await company.customer('ann'));
      await assignedTo(ann.client, ann.id, 'bob');
      const ben = await open(await company.customer('ben'));
      expect(ben.conversation.queue).toMatchObject({ position: 1 });

      const lostAt = Date.now();
      vanish();
      await seenAs(watcher, 'bob', 'offline', LEASE_MS + REQUEUE_MS);
      expect(Date.now() - lostAt).toBeLessThanOrEqual(LEASE_MS + DELIVERY_MS);
      const released = await told(ann.client, ann.id, 'conversation:released');
      expect(Date.now() - lostAt).toBeLessThanOrEqual(LEASE_MS + REQUEUE_MS);
      expect(released).toMatchObject({ author: null, reason: 'agent_disconnected', previousAssignee: { id: 'bob' } });

      // Its old place: before who came later.
      await until('the places', () => placeOf(ben)?.position === 2);
      expect((await stateOf(watcher, ann.id)).queue).toMatchObject({ position: 1, basis: 'nobody_online' });
      await company.online('cleo', 1);
      await assignedTo(ann.client, ann.id, 'cleo');
      await until('ben to be next', () => placeOf(ben)?.position === 1);
      expect((await stateOf(watcher, ben.id)).status).toBe('queued');
    },
  );

  it('[LEASE-2] his conversations go on to somebody with room', async () => {
    const company = new Company(connect);
    const bob = await company.online('bob', 2);
    const ann = await open(await company.customer('ann'));
    const ben = await open(await company.customer('ben'));
    for (const { client, id } of [ann, ben]) await assignedTo(client, id, 'bob');
    await company.online('cleo', 2);
    const lostAt = Date.now();
    cut(bob);
    for (const { client, id } of [ann, ben]) {
      await assignedTo(client, id, 'cleo', LEASE_MS + REQUEUE_MS);
      expect(await types(client, id)).toEqual([
        'conversation:opened',
        'conversation:assigned',
        'conversation:released',
        'conversation:assigned',
      ]);
    }
    expect(Date.now() - lostAt).toBeLessThanOrEqual(LEASE_MS + REQUEUE_MS);
  });

  it.each(['is lost', 'goes offline'])(
    '[LEASE-2] of those whose agent %s, the most urgent is the first to go on',
    async (how) => {
      const company = new Company(connect);
      const bob = await company.online('bob', 2);
      const plain = await open(await company.customer('plain'));
      await assignedTo(plain.client, plain.id, 'bob');
      const urgent = await open(await company.customer('urgent'), { priority: 'urgent' });
      await assignedTo(urgent.client, urgent.id, 'bob');
      const cleo = await company.online('cleo', 1);
      if (how === 'is lost') cut(bob);
      else await bob.request('agent:status', { status: 'offline' });
      const next = await until('somebody to go on', () => cleo.all('conversation:assigned')[0]);
      expect(next.conversationId).toBe(urgent.id);
    },
  );

  it('[LEASE-2] who is back within the lease has lost nothing, and in between gets nothing new', async () => {
    const company = new Company(connect);
    const watcher = await company.agent('watcher');
    const bob = await company.online('bob', 2);
    const ann = await open(await company.customer('ann'));
    await assignedTo(ann.client, ann.id, 'bob');
    await bob.request('conversation:join', { conversationId: ann.id });
    const later = await marker(company, watcher);
    cut(bob);
    await until('the server to notice', () => ann.client.all('participant:left').some(({ user }) => user.id === 'bob'));
    const ben = await open(await company.customer('ben'));
    expect((await afterRouting(ben)).status).toBe('queued');
    await company.agent('bob');
    await assignedTo(ben.client, ben.id, 'bob');
    await later.aLeaseLater();
    expect(await types(watcher, ann.id)).toEqual(['conversation:opened', 'conversation:assigned']);
    expect(presenceOf(watcher, 'bob').map(({ status }) => status)).toEqual(['online']);
  });

  it('[LEASE-2] a server that stood still does not take its own silence for that of others', async () => {
    const company = new Company(connect);
    const watcher = await company.agent('watcher');
    const agent = await AgentProcess.start(server().url, company.identity('bob'), 1);
    onTestFinished(() => {
      agent.signal('SIGKILL');
    });
    const ann = await open(await company.customer('ann'));
    await assignedTo(ann.client, ann.id, 'bob');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LEASE_MS + 500);
    await (await marker(company, watcher)).aLeaseLater();
    expect(presenceOf(watcher, 'bob').map(({ status }) => status)).toEqual(['online']);
    expect(await types(watcher, ann.id)).toEqual(['conversation:opened', 'conversation:assigned']);
  });

  it('[LEASE-2] whose lease has ended gets no work from anybody, until he is heard of again', async () => {
    const company = new Company(connect);
    const boss = await company.supervisor('boss');
    const bob = await company.online('bob');
    await seenAs(boss, 'bob', 'online');
    const held = await open(await company.customer('held'));
    await assignedTo(held.client, held.id, 'bob');
    await boss.request('assignment:assign', { conversationId: held.id, agentId: 'boss' });
    // Frozen, not gone: his connection is still there.
    wireOf(bob).pause();
    await seenAs(boss, 'bob', 'offline', LEASE_MS + REQUEUE_MS);
    const ann = await open(await company.customer('ann'));
    const { id, client } = ann;
    expect(await afterRouting(ann)).toMatchObject({ status: 'queued', queue: { basis: 'nobody_online' } });
    const unavailable = { code: 'agent_unavailable', message: expect.stringContaining('offline') as unknown };
    expect(await boss.refused('assignment:assign', { conversationId: id, agentId: 'bob' })).toMatchObject(unavailable);
    const to = { agentId: 'bob' };
    expect(await boss.refused('assignment:transfer', { conversationId: held.id, to })).toMatchObject(unavailable);
    expect((await stateOf(boss, held.id)).assignee?.id).toBe('boss');
    expect((await stateOf(boss, id)).status).toBe('queued');

    wireOf(bob).resume();
    await seenAs(boss, 'bob', 'online');
    await assignedTo(client, id, 'bob');
    expect(bob.socket.connected).toBe(true);
  });
});

describe('with the limits as they come', () => {
  const byDefault = endToEnd();

  it('[LEASE-2] a frozen client is noticed within the number that is published', async () => {
    const company = new Company(byDefault.connect);
    const watcher = await company.agent('watcher');
    const bob = await company.online('bob');
    const { agentLeaseMs } = bob.all('session:ready')[0]?.limits ?? { agentLeaseMs: 0 };
    expect(agentLeaseMs).toBe(DEFAULT_LIMITS.agentLeaseMs);
    const ann = await open(await company.customer('ann'));
    await assignedTo(ann.client, ann.id, 'bob');
    const lostAt = Date.now();
    wireOf(bob).pause();
    await seenAs(watcher, 'bob', 'offline', agentLeaseMs + REQUEUE_MS);
    expect(Date.now() - lostAt).toBeLessThanOrEqual(agentLeaseMs + DELIVERY_MS);
    expect(await told(ann.client, ann.id, 'conversation:released')).toMatchObject({ reason: 'agent_disconnected' });
    expect(Date.now() - lostAt).toBeLessThanOrEqual(agentLeaseMs + REQUEUE_MS);
  });
});
