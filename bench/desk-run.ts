import { Day } from './desk-day.ts';
import type { DeskJob, DeskTimes, RoutingResults } from './routing-jobs.ts';
import { quantile } from './statistics.ts';
import { until } from './until.ts';

/** Step `n` is due at `n / perSecond`, whatever became of those before, and its time counts from then. */
const atRate = async (perSecond: number, count: number, step: (dueAtMs: number) => void): Promise<void> => {
  const intervalMs = 1_000 / perSecond;
  const startedAt = performance.now();
  let done = 0;
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const due = Math.min(count, Math.floor((performance.now() - startedAt) / intervalMs) + 1);
      for (; done < due; done += 1) step(startedAt + done * intervalMs);
      if (done === count) resolve();
      // A timer would be up to a millisecond late, which is as much as what is measured.
      else setImmediate(tick);
    };
    tick();
  });
};

const timesOf = (tookMs: readonly number[], count: number): DeskTimes => {
  if (tookMs.length !== count) throw new Error(`${String(tookMs.length)} were assigned, expected ${String(count)}`);
  return { p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) };
};

/**
 * The whole core on its store. As many as are closed are opened again, so that the number of those who wait stays the same.
 *
 * @throws when a conversation isn't assigned exactly once, or anything is logged as wrong
 */
export const runDesk = async (job: DeskJob): Promise<RoutingResults['desk']> => {
  const { folder, agentCount, waitingCount, perSecond, timedCount, decisionCount, inFlight } = job;
  const day = await Day.begin(folder);
  await day.fill(agentCount, waitingCount);
  const freeOne = (dueAtMs?: number): void => {
    day.close('swamped', dueAtMs);
    day.open('swamped');
  };

  // As fast as it goes; it warms up for the rest.
  let begun = 0;
  const busy = async (count: number): Promise<void> => {
    begun = 0;
    day.onFreed = () => {
      if (begun >= count) return;
      begun += 1;
      freeOne();
    };
    for (let index = 0; index < inFlight; index += 1) day.onFreed();
    await until('all of them', () => day.took.freed.length >= count, 300_000);
    await day.settled();
    day.onFreed = () => undefined;
  };
  await busy(Math.ceil(decisionCount / 4));
  day.took.freed.length = 0;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await busy(decisionCount);
  const seconds = (performance.now() - startedAt) / 1e3;
  const cpu = process.cpuUsage(cpuBefore);
  timesOf(day.took.freed, decisionCount);

  day.took.freed.length = 0;
  await atRate(perSecond, timedCount, freeOne);
  await day.settled();
  const freed = timesOf(day.took.freed, timedCount);

  day.took.opened.length = 0;
  await atRate(perSecond, timedCount, (dueAtMs) => {
    day.open('roomy', dueAtMs);
    day.close('roomy');
  });
  await day.settled();
  const opened = timesOf(day.took.opened, timedCount);
  if (day.waitingCount !== waitingCount) throw new Error(`${String(day.waitingCount)} wait at the end`);
  await day.end();
  return { freed, opened, perSecond: decisionCount / seconds, cpuMicros: (cpu.user + cpu.system) / decisionCount };
};
