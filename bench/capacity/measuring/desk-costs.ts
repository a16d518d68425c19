import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { Rooms } from '../../nodes/rooms.ts';
import { commandCount } from '../../nodes/meters.ts';
import type { Costs } from '../costs.ts';
import { FACTS_PER_CONVERSATION } from '../demand.ts';
import type { Measured, MeasuredDesk } from './desk.ts';

export interface Sizes {
  readonly messages: number;
  readonly conversations: number;
  readonly nudgeSeconds: number;
}

/** What beats cost, to be taken off what is measured beside them. */
export interface Beats extends Pick<
  Costs,
  'nodeCpuMicrosPerBeat' | 'postgresCpuMicrosPerBeat' | 'postgresWalBytesPerBeat' | 'beatMs'
> {
  /** Time that Postgres takes to run one, without its commit. */
  readonly runMicros: number;
}

/** All of Postgres but beats. */
export const postgresCpu = (spent: Measured, beats: Beats): number =>
  Math.max(0, spent.postgresCpuMicros - spent.beats * beats.postgresCpuMicrosPerBeat);

/** Of a node, but its beats. */
export const nodeCpu = ({ nodeCpuMicros, beats: count }: Measured, node: number, beats: Beats): number =>
  Math.max(0, (nodeCpuMicros[node] ?? 0) - (count / nodeCpuMicros.length) * beats.nodeCpuMicrosPerBeat);

const publishCount = (spent: Measured): number => commandCount(spent, 'spublish', 'publish');

const nudgeChannel = async (desk: MeasuredDesk): Promise<string> => {
  const channel = (await desk.channels()).find((name) => name.endsWith(':nudge'));
  if (channel === undefined) throw new Error('no node listens to nudges');
  return channel;
};

/** Sooner than the pause after a beat ends. */
const NUDGE_MS = 4;

/** Nodes are nudged all the time, and have nothing to learn: they beat as often as they can. */
export const measureBeats = async (desk: MeasuredDesk, { nudgeSeconds }: Sizes): Promise<Beats> => {
  const channel = await nudgeChannel(desk);
  const redis = new Redis(desk.redis.url);
  const nudge = async (seconds: number): Promise<void> => {
    const timer = setInterval(() => void redis.spublish(channel, 'nobody'), NUDGE_MS);
    await wait(seconds * 1_000);
    clearInterval(timer);
  };
  // What a process that has just started does slower is not the price of one more.
  await nudge(nudgeSeconds / 2);
  const spent = await desk.spent(() => nudge(nudgeSeconds));
  redis.disconnect();
  const nodeCount = spent.nodeCpuMicros.length;
  const perNode = spent.beats / nodeCount;
  return {
    nodeCpuMicrosPerBeat: spent.nodeCpuMicros.reduce((sum, micros) => sum + micros, 0) / spent.beats,
    postgresCpuMicrosPerBeat: spent.postgresCpuMicros / spent.beats,
    postgresWalBytesPerBeat: spent.walBytes / spent.beats,
    runMicros: spent.beatMicros / spent.beats,
    // The pause after each is src/core/peers.ts's.
    beatMs: (spent.seconds * 1_000) / perNode - 5,
  };
};

const ROOM_COUNT = 100;
const IN_FLIGHT = 16;

/** From the first node to the second: one by one, and so many that batches form. */
export const measureMessages = async (
  desk: MeasuredDesk,
  { messages }: Sizes,
  beats: Beats,
): Promise<Partial<Costs>> => {
  const rooms = await Rooms.open(desk.target, desk.key, { roomCount: ROOM_COUNT, memberNodes: [0, 1], senders: [0] });
  await rooms.relay(IN_FLIGHT, messages);
  const bytesBefore = await desk.databaseBytes();
  const alone = await desk.spent(() => rooms.relay(1, messages / 2));
  const together = await desk.spent(() => rooms.relay(IN_FLIGHT, messages));
  const bytes = (await desk.databaseBytes()) - bytesBefore;
  rooms.close();
  const batchesOf = (spent: Measured): number => spent.statements - spent.beats;
  // cpu = batches × perBatch + messages × perMessage, of both runs.
  const [few, many] = [batchesOf(together) / messages, batchesOf(alone) / (messages / 2)];
  const [cpuFew, cpuMany] = [postgresCpu(together, beats) / messages, postgresCpu(alone, beats) / (messages / 2)];
  const perBatch = (cpuMany - cpuFew) / (many - few);
  return {
    nodeCpuMicrosPerMessage: nodeCpu(together, 0, beats) / messages,
    nodeCpuMicrosPerMessageHeard: nodeCpu(together, 1, beats) / messages,
    redisBytesPerPublish: together.redisInBytes / publishCount(together),
    // To the node of the sender, which holds a member too, and to the other.
    redisBytesPerDelivery: together.redisOutBytes / publishCount(together) / 2,
    postgresCpuMicrosPerBatch: perBatch,
    postgresCpuMicrosPerMessage: Math.max(0, cpuFew - few * perBatch),
    postgresWalBytesPerMessage: (alone.walBytes - alone.beats * beats.postgresWalBytesPerBeat) / (messages / 2),
    postgresTableBytesPerMessage: bytes / (messages * 1.5),
    batchMs: (alone.seconds * 1_000) / (messages / 2),
  };
};

const FEW = 1;
const MANY = 20;

export const measureDeliveries = async (desk: MeasuredDesk, { messages }: Sizes): Promise<Partial<Costs>> => {
  const perMessage = async (count: number): Promise<number> => {
    const memberNodes = [0, ...Array.from({ length: count }, () => 1)];
    const rooms = await Rooms.open(desk.target, desk.key, { roomCount: 20, memberNodes, senders: [0] });
    await rooms.relay(IN_FLIGHT, messages / 10);
    const spent = await desk.spent(() => rooms.relay(IN_FLIGHT, messages / 2));
    rooms.close();
    return (spent.nodeCpuMicros[1] ?? 0) / (messages / 2);
  };
  const few = await perMessage(FEW);
  return { nodeCpuMicrosPerDelivery: ((await perMessage(MANY)) - few) / (MANY - FEW) };
};

const AGENT_COUNT = 16;

/** Agents on the second node open, claim and close; nobody on other nodes is in those conversations. */
const liveThrough = async (desk: MeasuredDesk, count: number, run: string): Promise<Measured & { nudges: number }> => {
  let nudges = 0;
  const listener = new Redis(desk.redis.url);
  listener.on('smessage', () => (nudges += 1));
  await listener.ssubscribe(await nudgeChannel(desk));
  const identities = Array.from({ length: AGENT_COUNT }, (_, index) => ({
    sub: `${run}-agent-${String(index)}`,
    role: 'agent' as const,
  }));
  const agents = await desk.connect(identities, 1);
  const spent = await desk.spent(() =>
    Promise.all(
      agents.map(async (agent, index) => {
        for (let done = index; done < count; done += AGENT_COUNT) {
          const { data } = await agent.request('conversation:open', { customerId: `${run}-${String(done)}` });
          const { id: conversationId } = (data as { conversation: { id: string } }).conversation;
          await agent.request('assignment:claim', { conversationId });
          await agent.request('conversation:close', { conversationId });
        }
      }),
    ),
  );
  for (const agent of agents) agent.close();
  listener.disconnect();
  return { ...spent, nudges };
};

/** What a beat takes longer that brings something, is what that costs. */
export const measureConversations = async (
  desk: MeasuredDesk,
  { conversations: count }: Sizes,
  beats: Beats,
): Promise<Partial<Costs>> => {
  await liveThrough(desk, count / 2, 'early');
  const spent = await liveThrough(desk, count, 'late');
  const facts = count * FACTS_PER_CONVERSATION;
  const nodeCount = spent.nodeCpuMicros.length;
  const readMicros = Math.max(0, spent.beatMicros - spent.beats * beats.runMicros);
  const perFactRead = readMicros / facts / nodeCount;
  return {
    nodeCpuMicrosPerConversation: nodeCpu(spent, 1, beats) / count,
    nodeCpuMicrosPerFactFollowed: nodeCpu(spent, 0, beats) / facts,
    redisPublishesPerConversation: (publishCount(spent) - spent.nudges) / count,
    postgresCpuMicrosPerConversation: Math.max(0, postgresCpu(spent, beats) - readMicros) / count,
    postgresCpuMicrosPerFactRead: perFactRead,
    postgresWalBytesPerConversation: (spent.walBytes - spent.beats * beats.postgresWalBytesPerBeat) / count,
    postgresStatementsPerConversation: (spent.statements - spent.beats) / count,
  };
};

const HEADS = 2_000;
const COMPARISONS = 100;

/** The statement with which nodes compare, and this process in a node's place. */
export const measureHeads = async (desk: MeasuredDesk): Promise<Partial<Costs>> => {
  const client = new Client({ connectionString: desk.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ id: string }>(`SELECT id FROM heads LIMIT ${String(HEADS)}`);
  const ids = rows.map(({ id }) => id);
  const statement = { name: 'heads', text: 'SELECT id, last_seq FROM heads WHERE id = ANY ($1::text[])' };
  const cpuBefore = process.cpuUsage();
  const spent = await desk.spent(async () => {
    for (let index = 0; index < COMPARISONS; index += 1) await client.query({ ...statement, values: [ids] });
  });
  const own = process.cpuUsage(cpuBefore);
  await client.end();
  const count = ids.length * COMPARISONS;
  return {
    nodeCpuMicrosPerHeadCompared: (own.user + own.system) / count,
    postgresCpuMicrosPerHeadCompared: spent.postgresCpuMicros / count,
  };
};
