import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../support/random.ts';
import { Claimant } from './claimant.ts';
import { Course } from './course.ts';
import { checkHistory, type LoggedChange, type Operation } from './history.ts';

export interface ClaimRunOptions {
  readonly seed: number;
  /** Claims sent, in all. */
  readonly claimCount: number;
  readonly agentCount: number;
  readonly conversationCount: number;
  /** SIGKILLs of the server, each after a number of claims that comes from the seed. */
  readonly killCount: number;
}

export interface ClaimReport {
  readonly claims: number;
  /** Assignments that were acknowledged to their claimant. */
  readonly won: number;
  /** Acknowledged claims of what was the claimant's already. */
  readonly repeated: number;
  readonly refused: number;
  /** Those of the refused whose winner's claim was under way at the same time: contended in the narrowest sense. */
  readonly raced: number;
  readonly releases: number;
  readonly refusedReleases: number;
  /** Claims and releases whose answer was lost. */
  readonly unknownClaims: number;
  readonly unknownReleases: number;
  /** Changes in the logs that were never acknowledged: lost answers that took effect. */
  readonly unacknowledged: number;
  readonly kills: number;
  /** What the checker found, by conversation. */
  readonly broken: string[];
}

/** The claims that were acknowledged, by fence: of several, the first answered. */
const winnersOf = (operations: readonly Operation[]): Map<number, Operation> => {
  const winners = new Map<number, Operation>();
  for (const operation of operations) {
    const { verb, outcome } = operation;
    if (verb === 'claim' && outcome.kind === 'ok' && !winners.has(outcome.fence)) winners.set(outcome.fence, operation);
  }
  return winners;
};

const countsOf = (operations: readonly Operation[], log: readonly LoggedChange[]) => {
  const count = (verb: Operation['verb'], ...kinds: Operation['outcome']['kind'][]): number =>
    operations.filter((operation) => operation.verb === verb && kinds.includes(operation.outcome.kind)).length;
  const winners = winnersOf(operations);
  const releases = count('release', 'ok');
  const raced = operations.filter(({ sentAt, answeredAt, outcome }) => {
    const winner = outcome.kind === 'already_assigned' ? winners.get(outcome.fence) : undefined;
    return winner !== undefined && winner.sentAt < answeredAt && sentAt < winner.answeredAt;
  });
  return {
    claims: operations.filter(({ verb }) => verb === 'claim').length,
    won: winners.size,
    repeated: count('claim', 'ok') - winners.size,
    refused: count('claim', 'already_assigned'),
    raced: raced.length,
    releases,
    refusedReleases: count('release', 'stale_fence', 'forbidden'),
    unknownClaims: count('claim', 'unknown'),
    unknownReleases: count('release', 'unknown'),
    unacknowledged: log.length - winners.size - releases,
  };
};

const sum = <K extends string>(all: readonly Record<K, number>[], names: readonly K[]): Record<K, number> =>
  Object.fromEntries(names.map((name) => [name, all.reduce((total, one) => total + one[name], 0)])) as Record<
    K,
    number
  >;

/** One seeded run: agents contend for few conversations while the server is killed; then the checker looks at each. */
export const claimRun = async (options: ClaimRunOptions): Promise<ClaimReport> => {
  const { seed, claimCount, agentCount, conversationCount, killCount } = options;
  const random = new Random(seed);
  const killAt = new Set<number>();
  // Not among the last: what was lost is to be met with afterwards.
  while (killAt.size < killCount) killAt.add(1 + random.below(Math.floor(claimCount * 0.95)));
  const dataDir = mkdtempSync(join(tmpdir(), 'deskwire-claims-'));
  const course = new Course({ dataDir, claimCount, killAt });
  const claimants = Array.from(
    { length: agentCount },
    (_, index) => new Claimant(`agent-${String(index)}`, new Random(random.below(2 ** 32)), course),
  );
  try {
    await course.open(conversationCount);
    await Promise.all(claimants.map((claimant) => claimant.run()));
    const logs = [...(await course.logs())].map(([conversationId, log]) => {
      const operations = course.operations.get(conversationId) ?? [];
      const broken = checkHistory(operations, log).map((line) => `${conversationId}: ${line}`);
      return { broken, counts: countsOf(operations, log) };
    });
    const counts = logs.map((one) => one.counts);
    const names = Object.keys(countsOf([], [])) as (keyof ReturnType<typeof countsOf>)[];
    return { ...sum(counts, names), kills: course.kills, broken: logs.flatMap(({ broken }) => broken) };
  } finally {
    const ended = course.end();
    for (const claimant of claimants) claimant.close();
    await ended;
    rmSync(dataDir, { recursive: true, force: true });
  }
};
