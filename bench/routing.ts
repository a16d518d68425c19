import type { Built } from './build.ts';
import { removeFolder, startNode, temporaryFolder } from './children.ts';
import type { RoutingJob, RoutingResults } from './routing-jobs.ts';
import { routingReport, type RoutingMeasured } from './routing-report.ts';

interface Plan {
  readonly agentCount: number;
  /** Rows of the first table: who waits, and how many decisions the sorting router takes there, which is slow. */
  readonly floors: readonly { readonly waitingCount: number; readonly sortedCount: number }[];
  readonly decisionCount: number;
  readonly warmUpCount: number;
  /** Columns of the second table. */
  readonly desks: readonly number[];
  readonly desk: {
    readonly perSecond: number;
    readonly timedCount: number;
    readonly decisionCount: number;
    readonly inFlight: number;
  };
}

const FULL: Plan = {
  agentCount: 1_000,
  floors: [
    { waitingCount: 100, sortedCount: 5_000 },
    { waitingCount: 1_000, sortedCount: 5_000 },
    { waitingCount: 10_000, sortedCount: 1_000 },
    { waitingCount: 100_000, sortedCount: 100 },
  ],
  decisionCount: 20_000,
  warmUpCount: 2_000,
  desks: [1_000, 10_000],
  desk: { perSecond: 200, timedCount: 2_000, decisionCount: 5_000, inFlight: 64 },
};

const SMOKE: Plan = {
  agentCount: 200,
  floors: [{ waitingCount: 500, sortedCount: 500 }],
  decisionCount: 500,
  warmUpCount: 50,
  desks: [500],
  desk: { perSecond: 100, timedCount: 100, decisionCount: 400, inFlight: 16 },
};

const run = async <J extends RoutingJob>(built: Built, job: J): Promise<RoutingResults[J['kind']]> => {
  const child = startNode([built.routing, JSON.stringify(job)], { NODE_ENV: 'production' });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  if ((await exited) !== 0) throw new Error(`routing with ${String(job.waitingCount)} who wait failed`);
  return JSON.parse(output) as RoutingResults[J['kind']];
};

/** Routing: the floor by itself beside a router that sorts, and the whole core on its store. Gives tables. */
export const benchRouting = async (built: Built, roundCount: number, smoke: boolean): Promise<string> => {
  const { agentCount, floors, decisionCount, warmUpCount, desks, desk } = smoke ? SMOKE : FULL;
  const measured: RoutingMeasured = {
    floors: floors.map(({ waitingCount }) => ({ waitingCount, floor: [], sorting: [] })),
    desks: desks.map((waitingCount) => ({ waitingCount, results: [] })),
  };
  for (let round = 1; round <= roundCount; round += 1) {
    const told = `routing, round ${String(round)} of ${String(roundCount)}`;
    for (const [index, { waitingCount, sortedCount }] of floors.entries()) {
      process.stderr.write(`${told}: ${String(waitingCount)} wait\n`);
      const common = { kind: 'floor', agentCount, waitingCount, comparedCount: sortedCount } as const;
      const floor = await run(built, { ...common, router: 'floor', decisionCount, warmUpCount });
      const counts = { decisionCount: sortedCount, warmUpCount: Math.ceil(sortedCount / 10) };
      const sorting = await run(built, { ...common, router: 'sorting', ...counts });
      if (floor.digest !== sorting.digest)
        throw new Error(`with ${String(waitingCount)} who wait the two routers decide differently`);
      measured.floors[index]?.floor.push(floor);
      measured.floors[index]?.sorting.push(sorting);
    }
    for (const [index, waitingCount] of desks.entries()) {
      process.stderr.write(`${told}: the whole core, ${String(waitingCount)} wait\n`);
      const folder = temporaryFolder();
      measured.desks[index]?.results.push(
        await run(built, { kind: 'desk', folder, agentCount, waitingCount, ...desk }),
      );
      removeFolder(folder);
    }
  }
  if (smoke)
    return 'Every place and every conversation was assigned once, by both routers alike. Too short a run for timings.';
  return routingReport(measured, { agentCount, roundCount, ...desk });
};
