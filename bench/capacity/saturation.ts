import { IDLE_MS } from '../../src/transport/http/handshake-pace.ts';
import type { Costs } from './costs.ts';
import { demandOf } from './demand.ts';
import { sum, useOf, type Use } from './model.ts';
import type { Machines, Workload } from './workload.ts';

export type Plan = Workload & Machines;

/** CPU of one core in a second. */
const CORE_MICROS = 1e6;
const MIB_PER_GIB = 1_024;
/** One to serve, one to take over. */
const MIN_NODES = 2;
const MAX_NODES = 100_000;
const MAX_CONNECTIONS = 1e9;

/** What asks for the last of the nodes. */
export type Bound = 'cpu' | 'loss' | 'memory' | 'connections' | 'two';

/** Use of one core by one node, 1 is all of it. */
export const nodeShare = ({ node }: Use): number => (sum(node.divided) + sum(node.shared)) / CORE_MICROS;
export const sharedShare = ({ node }: Use): number => sum(node.shared) / CORE_MICROS;
/** Redis does its work in one thread. */
export const redisShare = ({ redis }: Use): number => sum(redis.spending) / CORE_MICROS;
export const postgresShare = ({ postgres }: Use, { postgresCores }: Machines): number =>
  sum(postgres.spending) / CORE_MICROS / postgresCores;

/** Why so many nodes are too few; undefined: they are enough. */
const tooFew = (costs: Costs, plan: Plan, nodes: number): Bound | undefined => {
  const use = useOf(costs, plan, nodes);
  if (nodes < MIN_NODES) return 'two';
  if (use.node.connections > plan.connectionsPerNode) return 'connections';
  if (use.node.memoryMib > plan.nodeMemoryGib * MIB_PER_GIB) return 'memory';
  if (nodeShare(use) > plan.target) return 'cpu';
  if (nodeShare(useOf(costs, plan, nodes - 1)) > plan.afterLoss) return 'loss';
  return undefined;
};

/** The least `n` from `low` to `high` for which it holds; it holds for all above one for which it holds. undefined: for none. */
const least = (low: number, high: number, holds: (n: number) => boolean): number | undefined => {
  if (!holds(high)) return undefined;
  let [from, to] = [low, high];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (holds(middle)) to = middle;
    else from = middle + 1;
  }
  return to;
};

export interface Needed {
  readonly nodes: number;
  readonly bound: Bound;
}

/** The fewest nodes that do; undefined: no number does, because what each node does for all the desk fills it. */
export const nodesNeeded = (costs: Costs, plan: Plan): Needed | undefined => {
  // More nodes nudge more often, which all of them hear: beyond some number one more makes it worse. The first that do are meant.
  const firstTry = Math.max(MIN_NODES, Math.ceil(plan.connections / plan.connectionsPerNode));
  for (let high = firstTry; high <= MAX_NODES; high *= 2) {
    const nodes = least(1, high, (count) => tooFew(costs, plan, count) === undefined);
    if (nodes === undefined) continue;
    return { nodes, bound: tooFew(costs, plan, nodes - 1) ?? 'two' };
  }
  return undefined;
};

export const PARTS = ['redis', 'postgres', 'desk'] as const;
/** One Redis, one Postgres, and what every node does for all the desk. */
export type Part = (typeof PARTS)[number];

/** How much of a part is used, of what is planned for: 1 is full. */
export const fullness = (costs: Costs, plan: Plan, nodes: number): Readonly<Record<Part, number>> => {
  const use = useOf(costs, plan, nodes);
  return {
    redis: redisShare(use) / plan.target,
    postgres: postgresShare(use, plan) / plan.target,
    desk: sharedShare(use) / plan.target,
  };
};

/** The fullest. */
export const firstFull = (costs: Costs, plan: Plan, nodes: number): Part => {
  const full = fullness(costs, plan, nodes);
  return PARTS.reduce((most, part) => (full[part] > full[most] ? part : most));
};

export interface Saturation {
  readonly connections: number;
  readonly nodes: number;
}

/** The most connections with which a part is not full, on as many nodes as they need; undefined: it never is. */
export const saturationOf = (costs: Costs, plan: Plan, part: Part): Saturation | undefined => {
  // Where no number of nodes does, it is the desk's work that fills them, and the others are reckoned as if it did not.
  const nodesFor = (connections: number): number =>
    nodesNeeded(costs, { ...plan, connections })?.nodes ?? Math.ceil(connections / plan.connectionsPerNode);
  const isFull = (connections: number): boolean =>
    fullness(costs, { ...plan, connections }, nodesFor(connections))[part] > 1;
  const first = least(1, MAX_CONNECTIONS, isFull);
  if (first === undefined || first === 1) return undefined;
  return { connections: first - 1, nodes: nodesFor(first - 1) };
};

/** The most connections of one of two nodes, by its CPU, and by its memory. */
export const nodeCarries = (costs: Costs, plan: Plan): { readonly byCpu: number; readonly byMemory: number } => {
  const most = (isFull: (use: Use) => boolean): number => {
    const first = least(1, MAX_CONNECTIONS, (connections) => isFull(useOf(costs, { ...plan, connections }, MIN_NODES)));
    return first === undefined ? Infinity : (first - 1) / MIN_NODES;
  };
  return {
    byCpu: most((use) => nodeShare(use) > plan.target),
    byMemory: most((use) => use.node.memoryMib > plan.nodeMemoryGib * MIB_PER_GIB),
  };
};

/** Losing one node of `nodes`. */
export interface Loss {
  readonly connections: number;
  /** CPU of all it takes to have them back, at nodes and at Postgres. */
  readonly nodeCpuSeconds: number;
  readonly postgresCpuSeconds: number;
  /** Until it is done, with what the others have left beside their own work; Infinity: never. */
  readonly seconds: number;
}

export const lossOf = (costs: Costs, plan: Plan, nodes: number): Loss => {
  const { memberships } = demandOf(plan);
  const connections = plan.connections / nodes;
  const joins = memberships / nodes;
  const work = (perHandshake: number, perJoin: number): number => (connections * perHandshake + joins * perJoin) / 1e6;
  const nodeCpuSeconds = work(costs.nodeCpuMicrosPerHandshake, costs.nodeCpuMicrosPerJoin);
  const postgresCpuSeconds = work(costs.postgresCpuMicrosPerHandshake, costs.postgresCpuMicrosPerJoin);
  // The others' own work is reckoned as if they had those connections already.
  const after = useOf(costs, plan, nodes - 1);
  const nodesLeft = (nodes - 1) * (1 - nodeShare(after));
  const postgresLeft = plan.postgresCores * (1 - postgresShare(after, plan));
  // Nodes let them in no faster than leaves so much time free.
  const leftFreeSeconds = (connections * IDLE_MS) / 1_000;
  const seconds = Math.max(
    nodesLeft > 0 ? (nodeCpuSeconds + leftFreeSeconds) / nodesLeft : Infinity,
    postgresLeft > 0 ? postgresCpuSeconds / postgresLeft : Infinity,
  );
  return { connections, nodeCpuSeconds, postgresCpuSeconds, seconds };
};
