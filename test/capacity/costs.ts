import { COST_NAMES, COSTS, type Costs, type CostsFile } from '../../bench/capacity/costs.ts';
import { planOf } from '../../bench/capacity/workload.ts';
import type { Plan } from '../../bench/capacity/saturation.ts';

/** Nothing costs anything but what is given. */
export const onlyCosts = (given: Partial<Costs> = {}): Costs =>
  Object.fromEntries(COST_NAMES.map((name) => [name, given[name] ?? 0])) as Costs;

/** Every cost is `value`, so that all are in play. */
export const everyCost = (value: number): Costs => Object.fromEntries(COST_NAMES.map((name) => [name, value])) as Costs;

export const fileOf = (costs: Costs, measured = true): CostsFile => ({
  ...{ machine: 'a machine', node: '20', postgres: '15', redis: '7', date: '2026-01-01', rounds: 1 },
  costs: Object.fromEntries(
    COST_NAMES.map((name) => [name, { value: costs[name], unit: COSTS[name][0], measured, how: 'by hand' }]),
  ) as CostsFile['costs'],
});

/** Numbers that are easily divided: 12 000 connections, of which 10 000 are customers in a conversation. */
export const SIMPLE: Plan = planOf({
  connections: 12_000,
  idleShare: 0,
  membersPerConversation: 2,
  conversationsPerAgent: 5,
  messagesPerConnectionHour: 300,
  conversationMinutes: 10,
  sessionMinutes: 20,
  receiptsPerMessage: 1,
  typingsPerMessage: 0,
  target: 0.5,
  afterLoss: 1,
  connectionsPerNode: 1e9,
  nodeMemoryGib: 1_024,
  postgresCores: 4,
});

/** Of the order of what is measured, and not to change with it. */
export const PLAUSIBLE: Costs = {
  nodeCpuMicrosPerMessage: 170,
  nodeCpuMicrosPerMessageHeard: 54.6,
  nodeCpuMicrosPerDelivery: 13.3,
  nodeCpuMicrosPerTyping: 1_540,
  nodeCpuMicrosPerReceipt: 884,
  nodeCpuMicrosPerHandshake: 788,
  nodeCpuMicrosPerJoin: 2_780,
  nodeCpuMicrosPerCustomerSecond: 9.65,
  nodeCpuMicrosPerAgentSecond: 50,
  nodeCpuMicrosPerConversation: 3_480,
  nodeCpuMicrosPerFactFollowed: 293,
  nodeCpuMicrosPerBeat: 955,
  nodeCpuMicrosPerHeadCompared: 1.62,
  nodeBaseMib: 139,
  nodeKibPerConnection: 3.9,
  nodeKibPerFeed: 46.8,
  nodeKibPerOpenConversation: 1.85,
  wireBytesPerDelivery: 504,
  wireBytesPerIdleSecond: 0.4,
  redisCpuMicrosPerPublish: 9.27,
  redisCpuMicrosPerDelivery: 1.07,
  redisCpuMicrosPerSubscription: 3.3,
  redisBytesPerPublish: 626,
  redisBytesPerDelivery: 628,
  redisBytesPerSubscription: 257,
  redisChannelsPerConnection: 1,
  redisChannelsPerFeed: 3,
  redisPublishesPerTyping: 2,
  redisPublishesPerReceipt: 2,
  redisPublishesPerJoin: 3,
  redisPublishesPerConversation: 5,
  postgresCpuMicrosPerBatch: 396,
  postgresCpuMicrosPerMessage: 36.1,
  postgresCpuMicrosPerTyping: 913,
  postgresCpuMicrosPerReceipt: 667,
  postgresCpuMicrosPerHandshake: 7.92,
  postgresCpuMicrosPerJoin: 945,
  postgresCpuMicrosPerConversation: 3_950,
  postgresCpuMicrosPerBeat: 521,
  postgresCpuMicrosPerFactRead: 80,
  postgresCpuMicrosPerHeadCompared: 1.2,
  postgresWalBytesPerMessage: 1_050,
  postgresWalBytesPerConversation: 7_710,
  postgresWalBytesPerBeat: 183,
  postgresTableBytesPerMessage: 767,
  postgresStatementsPerTyping: 2,
  postgresStatementsPerReceipt: 3.05,
  postgresStatementsPerHandshake: 0,
  postgresStatementsPerJoin: 4.09,
  postgresStatementsPerConversation: 21,
  batchMs: 2.53,
  beatMs: 2,
};
