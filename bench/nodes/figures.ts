import { availableParallelism } from 'node:os';
import { commandCount, sum } from './meters.ts';
import type { Plan } from './plan.ts';
import type { Round } from './round.ts';
import { COST_ROWS } from './rows.ts';
import { median } from '../statistics.ts';

/** What costs are made of, from the runs with many messages. */
const derived = (rounds: readonly Round[], messageCount: number): Record<string, number> => {
  const of = (what: (round: Round) => number): number => median(rounds.map(what));
  const spent = (round: Round) => round.messages.deskwire.spent;
  return {
    nodesCpuMicrosPerMessage: of((round) => sum(spent(round).nodeCpuMicros) / messageCount),
    peerNodesCpuMicrosPerMessage: of(({ messages }) => sum(messages.peer.spent.nodeCpuMicros) / messageCount),
    redisCpuMicrosPerPublish: of(
      (round) => spent(round).redisCpuMicros / commandCount(spent(round), 'publish', 'spublish'),
    ),
    redisCpuMicrosPerMessage: of((round) => spent(round).redisCpuMicros / messageCount),
    redisCommandsPerMessage: of((round) => commandCount(spent(round)) / messageCount),
    redisInBytesPerMessage: of((round) => spent(round).redisInBytes / messageCount),
    redisOutBytesPerMessage: of((round) => spent(round).redisOutBytes / messageCount),
    postgresCpuMicrosPerMessage: of((round) => spent(round).postgresCpuMicros / messageCount),
    walBytesPerMessage: of((round) => spent(round).walBytes / messageCount),
    statementsPerMessage: of((round) => spent(round).statements / messageCount),
    transactionsPerMessage: of((round) => spent(round).transactions / messageCount),
    loadCpuMicrosPerMessage: of((round) => spent(round).loadCpuMicros / messageCount),
  };
};

/** For programs: `costs`, medians of all rounds, flat, each named with its unit; and `rounds` as they were measured. */
export const nodesFigures = (rounds: readonly Round[], plan: Plan): object => ({
  node: process.version,
  cores: availableParallelism(),
  costs: {
    ...Object.fromEntries(COST_ROWS.map(({ name }) => [name, median(rounds.map(({ costs }) => costs.deskwire[name]))])),
    ...derived(rounds, plan.messages.messageCount),
  },
  rounds,
});
