import type { CaughtUp, Costs, Kind } from './jobs.ts';
import { commandCount, sum } from './meters.ts';
import type { Round, Storm } from './round.ts';
import { quantile } from '../statistics.ts';

export interface Row {
  readonly what: string;
  readonly digits: number;
  /** NaN: there is no such thing. */
  readonly of: (round: Round, kind: Kind) => number;
  /** Ours divided by the peer's is told. */
  readonly compared?: boolean;
}

export const usageRows = (messageCount: number): Row[] => {
  const perMessage =
    (of: (messages: Round['messages'][Kind]) => number) =>
    (round: Round, kind: Kind): number =>
      of(round.messages[kind]) / messageCount;
  const stored =
    (of: (messages: Round['messages'][Kind]) => number) =>
    (round: Round, kind: Kind): number =>
      kind === 'deskwire' ? perMessage(of)(round, kind) : NaN;
  return [
    {
      what: 'CPU of both nodes, µs',
      digits: 1,
      of: perMessage(({ spent }) => sum(spent.nodeCpuMicros)),
      compared: true,
    },
    { what: 'CPU of Redis, µs', digits: 1, of: perMessage(({ spent }) => spent.redisCpuMicros), compared: true },
    { what: 'CPU of Postgres, µs', digits: 1, of: stored(({ spent }) => spent.postgresCpuMicros) },
    { what: 'commands to Redis', digits: 2, of: perMessage(({ spent }) => commandCount(spent)), compared: true },
    { what: 'bytes to Redis', digits: 0, of: perMessage(({ spent }) => spent.redisInBytes), compared: true },
    { what: 'bytes from Redis', digits: 0, of: perMessage(({ spent }) => spent.redisOutBytes), compared: true },
    { what: 'statements to Postgres', digits: 3, of: stored(({ spent }) => spent.statements) },
    { what: 'transactions that write', digits: 3, of: stored(({ spent }) => spent.transactions) },
    { what: 'bytes of write-ahead log', digits: 0, of: stored(({ spent }) => spent.walBytes) },
    {
      what: 'messages per second in that run',
      digits: 0,
      of: ({ messages }, kind) => messages[kind].messagesPerSecond,
      compared: true,
    },
    { what: 'events that never came', digits: 0, of: ({ messages }, kind) => messages[kind].missingCount },
  ];
};

export const LATENCY_ROWS: readonly Row[] = [
  {
    what: 'acknowledgement p50, ms',
    digits: 2,
    of: ({ latency }, kind) => latency[kind].acknowledgedP50Ms,
    compared: true,
  },
  {
    what: 'acknowledgement p99, ms',
    digits: 2,
    of: ({ latency }, kind) => latency[kind].acknowledgedP99Ms,
    compared: true,
  },
  {
    what: 'at the other node’s member p50, ms',
    digits: 2,
    of: ({ latency }, kind) => latency[kind].deliveredP50Ms,
    compared: true,
  },
  {
    what: 'at the other node’s member p99, ms',
    digits: 2,
    of: ({ latency }, kind) => latency[kind].deliveredP99Ms,
    compared: true,
  },
  { what: 'of it the sender’s own lateness p99, ms', digits: 2, of: ({ latency }, kind) => latency[kind].lateP99Ms },
  { what: 'events that never came', digits: 0, of: ({ latency }, kind) => latency[kind].missingCount },
];

export const returnRows = (of: (round: Round, kind: Kind) => CaughtUp): Row[] => {
  // Times of those few who missed nothing would say nothing of those who did.
  const times =
    (what: (result: CaughtUp) => number) =>
    (round: Round, kind: Kind): number =>
      kind === 'deskwire' ? what(of(round, kind)) : NaN;
  return [
    { what: 'all are back after, s', digits: 2, of: (round, kind) => of(round, kind).allBackMs / 1e3 },
    {
      what: 'all have what they missed after, s',
      digits: 2,
      of: times((result) => (result.allCaughtUpMs ?? NaN) / 1e3),
    },
    {
      what: 'from accepted to everything p50, ms',
      digits: 1,
      of: times(({ caughtUpMs }) => quantile(caughtUpMs, 0.5)),
    },
    {
      what: 'from accepted to everything p99, ms',
      digits: 1,
      of: times(({ caughtUpMs }) => quantile(caughtUpMs, 0.99)),
    },
    { what: 'the same with the handshake p99, ms', digits: 1, of: times(({ dialledMs }) => quantile(dialledMs, 0.99)) },
    {
      what: 'of it the clients’ process, lateness p99, ms',
      digits: 1,
      of: times(({ clientLateP99Ms }) => clientLateP99Ms),
    },
    { what: 'entries that were missed while away', digits: 0, of: (round, kind) => of(round, kind).missedCount },
    { what: 'entries that never came', digits: 0, of: (round, kind) => of(round, kind).lostCount },
    {
      what: 'clients whose stream is exact, %',
      digits: 1,
      of: (round, kind) => (100 * of(round, kind).exactCount) / of(round, kind).clientCount,
    },
  ];
};

export const othersRows = (): Row[] => {
  const of =
    (what: (storm: Storm) => number) =>
    (round: Round, kind: Kind): number =>
      what(round.storm[kind]);
  return [
    { what: 'others’ acknowledgement before p99, ms', digits: 2, of: of(({ before }) => before.acknowledgedP99Ms) },
    { what: 'until all are back p99, ms', digits: 2, of: of(({ during }) => during.acknowledgedP99Ms) },
    {
      what: 'the latter against the former',
      digits: 2,
      of: of(({ before, during }) => during.acknowledgedP99Ms / before.acknowledgedP99Ms),
    },
    { what: 'others’ delivery before p99, ms', digits: 2, of: of(({ before }) => before.deliveredP99Ms) },
    { what: 'until all are back p99, ms', digits: 2, of: of(({ during }) => during.deliveredP99Ms) },
    { what: 'of it the sender’s own lateness p99, ms', digits: 2, of: of(({ during }) => during.lateP99Ms) },
  ];
};

interface CostRow extends Row {
  readonly name: keyof Costs;
}

const costRow = (name: keyof Costs, what: string, digits: number, compared = false): CostRow => ({
  ...{ name, what, digits, compared },
  // The peer has no store.
  of: ({ costs }, kind) => (kind === 'peer' && /statements/i.test(name) ? NaN : costs[kind][name]),
});

export const COST_ROWS: readonly CostRow[] = [
  costRow('idleNodeCpuMicrosPerSecond', 'an idle node, CPU a second, µs', 0),
  costRow('idleNodeStatementsPerSecond', '– statements to Postgres', 2),
  costRow('idleNodeRedisCommandsPerSecond', '– commands to Redis', 2),
  costRow('cpuMicrosPerConnection', 'a connection, from the handshake to its session, µs', 0, true),
  costRow('statementsPerConnection', '– statements to Postgres', 2),
  costRow('redisCommandsPerConnection', '– commands to Redis', 2),
  costRow('cpuMicrosPerIdleConnectionSecond', 'holding an idle connection for a second, µs', 2, true),
  costRow('cpuMicrosPerJoin', 'a join, µs', 0, true),
  costRow('statementsPerJoin', '– statements to Postgres', 2),
  costRow('redisCommandsPerJoin', '– commands to Redis', 2),
  costRow('cpuMicrosPerFurtherDelivery', 'an event to one more member on the node, µs', 1, true),
  costRow('bytesPerDelivery', 'an event to one member, bytes on the wire', 0, true),
];
