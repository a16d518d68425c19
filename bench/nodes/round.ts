import type { Built } from '../build.ts';
import { CountingLine } from './counting-line.ts';
import { type CaughtUp, type Costs, type Kind, type NodesJob, type NodesResults, type Sample } from './jobs.ts';
import { MEASURED, MEASURING } from './messages-run.ts';
import { commandCount, sum } from './meters.ts';
import { WARM } from './paced-run.ts';
import { startJob, type Contender, type Place } from './place.ts';
import type { Plan } from './plan.ts';
import { quantile } from '../statistics.ts';

export interface Delays {
  readonly acknowledgedP50Ms: number;
  readonly acknowledgedP99Ms: number;
  readonly deliveredP50Ms: number;
  readonly deliveredP99Ms: number;
  readonly lateP99Ms: number;
  readonly count: number;
}

/** What one entry makes of Redis, with so many nodes running of which so many hold members. */
export interface Fan {
  readonly nodeCount: number;
  readonly holderCount: number;
  readonly publishes: number;
  /** To all nodes together. */
  readonly deliveries: number;
  /** Of them, to nodes without members. */
  readonly idleDeliveries: number;
}

/** Others on the node that stays: before the fault, and from then until all are back. */
export interface Storm extends CaughtUp {
  readonly before: Delays;
  readonly during: Delays;
  readonly othersMissingCount: number;
}

export interface Round {
  readonly messages: Readonly<Record<Kind, NodesResults['messages']>>;
  readonly latency: Readonly<Record<Kind, Delays & { readonly missingCount: number }>>;
  readonly fan: Readonly<Record<Kind, readonly Fan[]>>;
  readonly catchUp: Readonly<Record<Kind, CaughtUp>>;
  readonly storm: Readonly<Record<Kind, Storm>>;
  readonly costs: Readonly<Record<Kind, Costs>>;
}

export interface Measuring {
  readonly built: Built;
  readonly plan: Plan;
  readonly place: Place;
  readonly tell: (what: string) => void;
}

type Pairs = Readonly<Record<Kind, Contender>>;

const delaysOf = (samples: readonly Sample[]): Delays => {
  const at = (of: (sample: Sample) => number, share: number): number => quantile(samples.map(of), share);
  return {
    acknowledgedP50Ms: at((sample) => sample.acknowledgedMs, 0.5),
    acknowledgedP99Ms: at((sample) => sample.acknowledgedMs, 0.99),
    deliveredP50Ms: at((sample) => sample.deliveredMs, 0.5),
    deliveredP99Ms: at((sample) => sample.deliveredMs, 0.99),
    lateP99Ms: at((sample) => sample.lateMs, 0.99),
    count: samples.length,
  };
};

/** Runs `task` with nodes that are new, and ends them whatever becomes of it. */
const withNodes = async <R>(start: Promise<Contender>, task: (contender: Contender) => Promise<R>): Promise<R> => {
  const contender = await start;
  try {
    return await task(contender);
  } finally {
    await contender.stop();
  }
};

const fanOn = async (
  { built, plan }: Measuring,
  { target }: Contender,
  lines: readonly CountingLine[],
  memberNodes: readonly number[],
): Promise<Fan> => {
  const { job } = plan.fan;
  const running = startJob(built, target, { ...job, memberNodes });
  const counts = (): number[] => lines.map(({ deliveryCount }) => deliveryCount);
  await running.said(MEASURING);
  const before = counts();
  await running.said(MEASURED);
  const perEntry = counts().map((count, node) => (count - (before[node] ?? 0)) / job.messageCount);
  const { spent } = await running.result;
  return {
    nodeCount: lines.length,
    holderCount: new Set(memberNodes).size,
    publishes: commandCount(spent, 'publish', 'spublish') / job.messageCount,
    deliveries: sum(perEntry),
    idleDeliveries: sum(perEntry.filter((_, node) => !memberNodes.includes(node))),
  };
};

/** Both members on the first node, then on the first two. */
const MEMBER_NODES = [
  [0, 0],
  [0, 1],
];

const measureFan = async (measuring: Measuring, kind: Kind): Promise<Fan[]> => {
  const fans: Fan[] = [];
  for (const nodeCount of measuring.plan.fan.nodeCounts) {
    const { redisPort } = measuring.place;
    const lines = await Promise.all(Array.from({ length: nodeCount }, () => CountingLine.start(redisPort)));
    const urls = lines.map(({ url }) => url);
    const task = async (contender: Contender): Promise<void> => {
      for (const memberNodes of MEMBER_NODES) fans.push(await fanOn(measuring, contender, lines, memberNodes));
    };
    const nodes = withNodes(measuring.place.start(kind, nodeCount, urls), task);
    await nodes.finally(() => lines.forEach((line) => line.close()));
  }
  return fans;
};

const measureStorm = async ({ built, plan }: Measuring, { target }: Contender): Promise<Storm> => {
  const { job, others } = plan.storm;
  const running = startJob(built, target, others);
  await running.said(WARM);
  const crowd = await startJob(built, target, job).result.finally(() => running.end());
  const { samples, missingCount } = await running.result;
  const { faultAtMs, healthyAtMs } = crowd.window;
  const from = faultAtMs - job.warmUpSeconds * 1_000;
  const between = (start: number, end: number): Delays =>
    delaysOf(samples.filter(({ dueAtMs }) => dueAtMs >= start && dueAtMs < end));
  const [before, during] = [between(from, faultAtMs), between(faultAtMs, healthyAtMs)];
  return { ...crowd, before, during, othersMissingCount: missingCount };
};

/** One after the other, so that whatever else the machine does falls on both. */
const both = async <R>(task: (kind: Kind) => Promise<R>): Promise<Record<Kind, R>> => ({
  peer: await task('peer'),
  deskwire: await task('deskwire'),
});

/** Each line on two nodes: new ones, or those of `pairs`, of which the storm kills one. */
const measureLines = async (measuring: Measuring, pairs?: Pairs): Promise<Omit<Round, 'fan'>> => {
  const { built, place, plan, tell } = measuring;
  const on = <R>(kind: Kind, task: (contender: Contender) => Promise<R>): Promise<R> =>
    pairs === undefined ? withNodes(place.start(kind, 2), task) : task(pairs[kind]);
  const run = <J extends NodesJob>(kind: Kind, job: J): Promise<NodesResults[J['kind']]> =>
    on(kind, ({ target }) => startJob(built, target, job).result);
  tell('messages from node to node');
  const messages = await both((kind) => run(kind, plan.messages));
  tell('latency in an open loop');
  const latency = await both(async (kind) => {
    const { samples, missingCount } = await run(kind, plan.latency);
    return { ...delaysOf(samples), missingCount };
  });
  tell('what single things cost');
  const costs = await both((kind) => run(kind, plan.costs));
  tell('clients that were cut off');
  const catchUp = await both((kind) => run(kind, plan.catchUp));
  tell("a node's death");
  const storm = await both((kind) => on(kind, (contender) => measureStorm(measuring, contender)));
  return { messages, latency, costs, catchUp, storm };
};

export const measureRound = async (measuring: Measuring): Promise<Round> => {
  const { place, plan, tell } = measuring;
  tell('messages of Redis for each entry');
  const fan = await both((kind) => measureFan(measuring, kind));
  if (!plan.sharesNodes) return { fan, ...(await measureLines(measuring)) };
  return withNodes(place.start('peer', 2), (peer) =>
    withNodes(place.start('deskwire', 2), async (deskwire) => ({
      fan,
      ...(await measureLines(measuring, { peer, deskwire })),
    })),
  );
};
