import { setTimeout as wait } from 'node:timers/promises';
import type { Identity, LightClient } from '../../client.ts';
import { commandCount } from '../../nodes/meters.ts';
import type { Costs } from '../costs.ts';
import { inBatches, type Measured, type MeasuredDesk } from './desk.ts';
import { nodeCpu, postgresCpu, type Beats } from './desk-costs.ts';

export interface ConnectionSizes {
  readonly connections: number;
  /** Clients answer a ping every 25 s. */
  readonly heldSeconds: number;
  readonly agents: number;
  readonly agentSeconds: number;
  /** Turns of joining, typing, reading and leaving that are not measured, and that are. */
  readonly warmUps: number;
  readonly turns: number;
}

/** What comes after the last connection is closed: people are told to have left. */
const SETTLE_MS = 500;
const WARM_HANDSHAKES = 3;
/** Statements of each, below which they belong to something else. */
const ASKED = 0.1;
const AGENTS_OF_CONVERSATIONS = 20;

export const identities = (count: number, role: Identity['role'], name: string): Identity[] =>
  Array.from({ length: count }, (_, index) => ({ sub: `${name}-${String(index)}`, role }));

const both = (spent: Measured, beats: Beats): number => nodeCpu(spent, 0, beats) + nodeCpu(spent, 1, beats);

/** Connections that come and go. */
const measureHandshakes = async (
  desk: MeasuredDesk,
  { connections }: ConnectionSizes,
  beats: Beats,
): Promise<Partial<Costs>> => {
  const comeAndGo = async (name: string): Promise<void> => {
    for (const client of await desk.connect(identities(connections, 'customer', name), 0)) client.close();
    await wait(SETTLE_MS);
  };
  // What the first of a kind cost (compiled code, grown tables) is not the price of one more.
  for (let turn = 0; turn < WARM_HANDSHAKES; turn += 1) await comeAndGo(`early-${String(turn)}`);
  const spent = await desk.spent(() => comeAndGo('passing'));
  const statements = (spent.statements - spent.beats) / connections;
  return {
    nodeCpuMicrosPerHandshake: nodeCpu(spent, 0, beats) / connections,
    // What Postgres uses while it is asked for nothing is not what that costs.
    postgresCpuMicrosPerHandshake: statements < ASKED ? 0 : postgresCpu(spent, beats) / connections,
    postgresStatementsPerHandshake: statements < ASKED ? 0 : statements,
  };
};

/** Of the first node, a second. */
const cpuPerSecond = async (desk: MeasuredDesk, seconds: number): Promise<number> =>
  ((await desk.spent(() => wait(seconds * 1_000))).nodeCpuMicros[0] ?? 0) / seconds;

const measureAgents = async (
  desk: MeasuredDesk,
  { agents: count, agentSeconds }: ConnectionSizes,
): Promise<Partial<Costs>> => {
  const idle = await cpuPerSecond(desk, agentSeconds);
  const agents = await desk.connect(identities(count, 'agent', 'present'), 0);
  const held = await cpuPerSecond(desk, agentSeconds);
  for (const agent of agents) agent.close();
  await wait(SETTLE_MS);
  return { nodeCpuMicrosPerAgentSecond: Math.max(0, held - idle) / count };
};

interface Served {
  readonly agents: readonly LightClient[];
  readonly ids: readonly string[];
}

/** For each customer; an agent has claimed it and stays in it, on the second node. */
export const openConversations = async (desk: MeasuredDesk, count: number, name: string): Promise<Served> => {
  const agents = await desk.connect(identities(AGENTS_OF_CONVERSATIONS, 'agent', `serving-${name}`), 1);
  const ids = await inBatches(Array.from({ length: count }), async (_, index) => {
    const agent = agents[index % agents.length];
    const reply = await agent?.request('conversation:open', { customerId: `${name}-${String(index)}` });
    const { id: conversationId } = (reply?.data as { conversation: { id: string } }).conversation;
    await agent?.request('assignment:claim', { conversationId });
    return conversationId;
  });
  return { agents, ids };
};

/** What all rounds but the first few took together, for each time. */
class Totals {
  #spent: Measured[] = [];

  add(spent: Measured): void {
    this.#spent.push(spent);
  }

  per(count: number, of: (spent: Measured) => number): number {
    return this.#spent.reduce((sum, spent) => sum + of(spent), 0) / (count * this.#spent.length);
  }
}

/** Customers on the first node who stay, join, type and read. */
const measureCustomers = async (
  desk: MeasuredDesk,
  { connections: count, heldSeconds, warmUps, turns }: ConnectionSizes,
  beats: Beats,
): Promise<Partial<Costs>> => {
  const { agents, ids } = await openConversations(desk, count, 'held');
  await wait(SETTLE_MS);
  const idle = await cpuPerSecond(desk, heldSeconds / 2);
  const before = await desk.subscriptionCount();
  const customers = await desk.connect(identities(count, 'customer', 'held'), 0);
  await wait(SETTLE_MS);
  const redisChannelsPerConnection = ((await desk.subscriptionCount()) - before) / count;
  const held = await cpuPerSecond(desk, heldSeconds);

  const all = (event: string, payload: object = {}) =>
    inBatches(customers, (customer, index) => customer.request(event, { conversationId: ids[index], ...payload }));
  const spentOn = (...events: readonly [string, object?][]): Promise<Measured> =>
    desk.spent(async () => {
      for (const [event, payload] of events) await all(event, payload);
      await wait(SETTLE_MS);
    });
  const [joining, typing, reading] = [new Totals(), new Totals(), new Totals()];
  let redisChannelsPerFeed = 0;
  for (let turn = 1; turn <= warmUps + turns; turn += 1) {
    const isMeasured = turn > warmUps;
    const unjoined = await desk.subscriptionCount();
    const joined = await spentOn(['conversation:join', { afterSeq: 0 }]);
    redisChannelsPerFeed = ((await desk.subscriptionCount()) - unjoined) / count;
    const typed = await spentOn(['typing:start'], ['typing:stop']);
    const text = { text: 'Hello', clientMessageId: `hello-${String(turn)}` };
    const seqs = await inBatches(ids, async (conversationId, index) => {
      const reply = await agents[index % agents.length]?.request('message:send', { conversationId, ...text });
      return (reply?.data as { entry: { seq: number } }).entry.seq;
    });
    const read = await spentOn(['message:read', { seq: Math.min(...seqs) }]);
    if (isMeasured) {
      joining.add(joined);
      typing.add(typed);
      reading.add(read);
    }
    await all('conversation:leave');
    await wait(SETTLE_MS);
  }
  for (const client of [...customers, ...agents]) client.close();
  await wait(SETTLE_MS);

  const cpu = (totals: Totals): number => totals.per(count, (spent) => both(spent, beats));
  const publishes = (totals: Totals): number =>
    totals.per(count, (spent) => commandCount(spent, 'spublish', 'publish'));
  const statements = (totals: Totals): number => totals.per(count, (spent) => spent.statements - spent.beats);
  const postgres = (totals: Totals): number => totals.per(count, (spent) => postgresCpu(spent, beats));
  return {
    nodeCpuMicrosPerCustomerSecond: Math.max(0, held - idle) / count,
    nodeCpuMicrosPerJoin: cpu(joining),
    nodeCpuMicrosPerTyping: cpu(typing),
    nodeCpuMicrosPerReceipt: cpu(reading),
    redisChannelsPerConnection,
    redisChannelsPerFeed,
    redisPublishesPerJoin: publishes(joining),
    redisPublishesPerTyping: publishes(typing),
    redisPublishesPerReceipt: publishes(reading),
    postgresCpuMicrosPerJoin: postgres(joining),
    postgresCpuMicrosPerTyping: postgres(typing),
    postgresCpuMicrosPerReceipt: postgres(reading),
    postgresStatementsPerJoin: statements(joining),
    postgresStatementsPerTyping: statements(typing),
    postgresStatementsPerReceipt: statements(reading),
  };
};

export const measureConnections = async (
  desk: MeasuredDesk,
  sizes: ConnectionSizes,
  beats: Beats,
): Promise<Partial<Costs>> => ({
  ...(await measureHandshakes(desk, sizes, beats)),
  ...(await measureAgents(desk, sizes)),
  ...(await measureCustomers(desk, sizes, beats)),
});
