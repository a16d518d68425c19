import type { Costs } from './costs.ts';
import { coalesced, demandOf, nodesWithMembers, type Demand } from './demand.ts';
import type { Workload } from './workload.ts';

/** Nudges of one node keep at least this apart (src/cluster/redis-bus.ts). */
const NUDGE_PAUSE_SECONDS = 0.005;
/** And beats, for each other node, up to a bound (src/core/peers.ts). */
const BEAT_PAUSE_SECONDS = 0.005;
const MAX_BEAT_PAUSE_SECONDS = 0.25;
/** Without any nudge. */
const BEATS_PER_SECOND = 1;
/** Between two comparisons of heads (src/core/peers.ts). */
const COMPARE_SECONDS = 5;
const MS_PER_SECOND = 1_000;
const KIB_PER_MIB = 1_024;
/** Of each node (src/store/postgres/store.ts). */
const POOL_SIZE = 10;

/** CPU in µs each second, by what it goes to. */
export type Spending = Readonly<Record<string, number>>;

export const sum = (spending: Spending): number => Object.values(spending).reduce((total, value) => total + value, 0);

/** What each part is asked for each second. */
export interface Use {
  readonly nodes: number;
  /** Of one node. */
  readonly node: {
    /** Its part of what all nodes do together. */
    readonly divided: Spending;
    /** What each node does whatever their number: more nodes do not make it less. */
    readonly shared: Spending;
    readonly memoryMib: number;
    readonly connections: number;
    readonly wireBytes: number;
    readonly beats: number;
  };
  readonly redis: {
    readonly spending: Spending;
    readonly publishes: number;
    readonly deliveries: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly memoryMib: number;
  };
  readonly postgres: {
    readonly spending: Spending;
    readonly commits: number;
    readonly statements: number;
    readonly walBytes: number;
    readonly tableBytes: number;
    /** Of all nodes' pools. */
    readonly connections: number;
  };
}

/** What depends on the number of nodes. */
interface Spread {
  readonly nodes: number;
  /** Nodes that hold a member, by conversation. */
  readonly holders: number;
  /** Conversations that a node holds a member of, over all nodes. */
  readonly feeds: number;
  /** Of all nodes: commits of messages, and of messages and receipts, which are gathered alike. */
  readonly batches: number;
  readonly plainCommits: number;
  readonly nudges: number;
  /** Of one node. */
  readonly beats: number;
}

const spreadOf = (costs: Costs, { membersPerConversation }: Workload, demand: Demand, nodes: number): Spread => {
  const holders = nodesWithMembers(nodes, membersPerConversation);
  const nudges = nodes * coalesced(demand.facts / nodes, NUDGE_PAUSE_SECONDS);
  const beatPause = Math.min(MAX_BEAT_PAUSE_SECONDS, BEAT_PAUSE_SECONDS * Math.max(1, nodes - 1));
  const commitsOf = (writes: number): number => nodes * coalesced(writes / nodes, costs.batchMs / MS_PER_SECOND);
  return {
    nodes,
    holders,
    feeds: demand.conversations * holders,
    batches: commitsOf(demand.messages),
    plainCommits: commitsOf(demand.messages + demand.receipts),
    nudges,
    beats: coalesced(nudges + BEATS_PER_SECOND, beatPause + costs.beatMs / MS_PER_SECOND),
  };
};

const nodeUse = (costs: Costs, workload: Workload, demand: Demand, spread: Spread): Use['node'] => {
  const { membersPerConversation: members, connections } = workload;
  const { nodes, holders, feeds, beats } = spread;
  const all: Spending = {
    messages:
      demand.messages *
      (costs.nodeCpuMicrosPerMessage +
        (holders - 1) * costs.nodeCpuMicrosPerMessageHeard +
        (members - holders) * costs.nodeCpuMicrosPerDelivery),
    receipts: demand.receipts * costs.nodeCpuMicrosPerReceipt,
    typing: demand.typings * costs.nodeCpuMicrosPerTyping,
    handshakes: demand.handshakes * costs.nodeCpuMicrosPerHandshake,
    joins: demand.joins * costs.nodeCpuMicrosPerJoin,
    'open connections':
      demand.customers * costs.nodeCpuMicrosPerCustomerSecond + demand.agents * costs.nodeCpuMicrosPerAgentSecond,
    'opening, claiming, closing': demand.opened * costs.nodeCpuMicrosPerConversation,
    'comparing heads': (feeds / COMPARE_SECONDS) * costs.nodeCpuMicrosPerHeadCompared,
  };
  const kib =
    (connections / nodes) * costs.nodeKibPerConnection +
    (feeds / nodes) * costs.nodeKibPerFeed +
    demand.conversations * costs.nodeKibPerOpenConversation;
  const wireBytes = demand.messages * members * costs.wireBytesPerDelivery + connections * costs.wireBytesPerIdleSecond;
  return {
    divided: Object.fromEntries(Object.entries(all).map(([name, micros]) => [name, micros / nodes])),
    shared: {
      "others' openings, claims and closes": demand.facts * costs.nodeCpuMicrosPerFactFollowed,
      beats: beats * costs.nodeCpuMicrosPerBeat,
    },
    memoryMib: costs.nodeBaseMib + kib / KIB_PER_MIB,
    connections: connections / nodes,
    wireBytes: wireBytes / nodes,
    beats,
  };
};

const redisUse = (costs: Costs, { connections }: Workload, demand: Demand, spread: Spread): Use['redis'] => {
  const { nodes, holders, feeds, nudges } = spread;
  const publishes: Spending = {
    messages: demand.messages,
    receipts: demand.receipts * costs.redisPublishesPerReceipt,
    typing: demand.typings * costs.redisPublishesPerTyping,
    joins: demand.joins * costs.redisPublishesPerJoin,
    'opening, claiming, closing': demand.opened * costs.redisPublishesPerConversation,
  };
  const cpuOf = (count: number, receivers: number): number =>
    count * (costs.redisCpuMicrosPerPublish + receivers * costs.redisCpuMicrosPerDelivery);
  const subscriptions =
    demand.handshakes * costs.redisChannelsPerConnection + demand.joins * costs.redisChannelsPerFeed;
  const channels = connections * costs.redisChannelsPerConnection + feeds * costs.redisChannelsPerFeed;
  const notes = sum(publishes);
  return {
    spending: {
      ...Object.fromEntries(Object.entries(publishes).map(([name, count]) => [name, cpuOf(count, holders)])),
      subscriptions: subscriptions * costs.redisCpuMicrosPerSubscription,
      [NUDGES]: cpuOf(nudges, nodes),
    },
    publishes: notes + nudges,
    deliveries: notes * holders + nudges * nodes,
    bytesIn: notes * costs.redisBytesPerPublish,
    bytesOut: notes * holders * costs.redisBytesPerDelivery,
    memoryMib: (channels * costs.redisBytesPerSubscription) / KIB_PER_MIB ** 2,
  };
};

/** On one channel that all nodes hear: no shard takes part of it off. */
export const NUDGES = 'nudges';
/** By the number of nodes. */
export const BEATS = 'beats';
export const FACTS_READ = 'openings, claims and closes, read by each node';

const postgresUse = (costs: Costs, demand: Demand, spread: Spread): Use['postgres'] => {
  const { nodes, feeds, batches, plainCommits } = spread;
  const beats = nodes * spread.beats;
  const { messages, receipts, typings, handshakes, joins, opened, facts } = demand;
  return {
    spending: {
      messages: batches * costs.postgresCpuMicrosPerBatch + messages * costs.postgresCpuMicrosPerMessage,
      receipts: receipts * costs.postgresCpuMicrosPerReceipt,
      typing: typings * costs.postgresCpuMicrosPerTyping,
      handshakes: handshakes * costs.postgresCpuMicrosPerHandshake,
      joins: joins * costs.postgresCpuMicrosPerJoin,
      'opening, claiming, closing': opened * costs.postgresCpuMicrosPerConversation,
      'comparing heads': (feeds / COMPARE_SECONDS) * costs.postgresCpuMicrosPerHeadCompared,
      [BEATS]: beats * costs.postgresCpuMicrosPerBeat,
      [FACTS_READ]: nodes * facts * costs.postgresCpuMicrosPerFactRead,
    },
    commits: plainCommits + facts + beats,
    statements:
      batches +
      receipts * costs.postgresStatementsPerReceipt +
      typings * costs.postgresStatementsPerTyping +
      handshakes * costs.postgresStatementsPerHandshake +
      joins * costs.postgresStatementsPerJoin +
      opened * costs.postgresStatementsPerConversation +
      beats,
    walBytes:
      messages * costs.postgresWalBytesPerMessage +
      opened * costs.postgresWalBytesPerConversation +
      beats * costs.postgresWalBytesPerBeat,
    tableBytes: messages * costs.postgresTableBytesPerMessage,
    connections: nodes * POOL_SIZE,
  };
};

export const useOf = (costs: Costs, workload: Workload, nodes: number): Use => {
  const demand = demandOf(workload);
  const spread = spreadOf(costs, workload, demand, nodes);
  return {
    nodes,
    node: nodeUse(costs, workload, demand, spread),
    redis: redisUse(costs, workload, demand, spread),
    postgres: postgresUse(costs, demand, spread),
  };
};
