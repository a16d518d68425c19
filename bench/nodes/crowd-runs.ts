import type { KeyObject } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { Crowd } from './crowd.ts';
import type { CatchUpJob, CaughtUp, NodesTarget, StormJob } from './jobs.ts';

/** How long traffic goes on after all are back: a hole shows when the next entry comes. */
const AFTERWARDS_MS = 1_000;
/** Clients have machines of their own; here they share two cores with the nodes, and step back as far as they can. */
const stepBack = (): void => {
  // Each thread has its own, those that collect garbage too.
  for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), constants.priority.PRIORITY_LOW);
};

/** Traffic, a fault, everybody's return, and the end of all streams. `strike` resolves when they can come back. */
const through = async (crowd: Crowd, warmUpSeconds: number, strike: () => Promise<void>): Promise<CaughtUp> => {
  await wait(warmUpSeconds * 1_000);
  const faultAt = performance.now();
  await strike();
  const healthyAt = performance.now();
  const lateness = monitorEventLoopDelay({ resolution: 1 });
  lateness.enable();
  await crowd.back(faultAt);
  lateness.disable();
  await wait(AFTERWARDS_MS);
  await crowd.settle();
  const outcome = { ...crowd.outcome(faultAt, healthyAt), clientLateP99Ms: lateness.percentile(99) / 1e6 };
  crowd.close();
  return outcome;
};

/** Members of each conversation sit on different nodes, and come back to another one than before, as behind a balancer. */
export const runCatchUp = async (target: NodesTarget, key: KeyObject, job: CatchUpJob): Promise<CaughtUp> => {
  const { urls } = target;
  const crowd = await Crowd.open(target, key, {
    ...job,
    speakerNodes: [...urls.keys()],
    urlOf: (follower, dials) =>
      urls[(follower + Math.floor(follower / job.conversationCount) + dials) % urls.length] ?? '',
  });
  crowd.speak(job.messagesPerSecond);
  return through(crowd, job.warmUpSeconds, async () => {
    crowd.cut();
    await wait(job.cutMs);
    crowd.heal();
  });
};

/** All sit on the first node, which is killed, and come back to the others; those who send sit there already. */
export const runStorm = async (target: NodesTarget, key: KeyObject, job: StormJob): Promise<CaughtUp> => {
  stepBack();
  const [first = '', ...others] = target.urls;
  const crowd = await Crowd.open(target, key, {
    ...job,
    speakerNodes: [1],
    urlOf: (follower, dials) => (dials === 0 ? first : (others[follower % others.length] ?? '')),
  });
  crowd.speak(job.messagesPerSecond);
  return through(crowd, job.warmUpSeconds, () => {
    process.kill(target.pids[0] ?? 0, 'SIGKILL');
    return Promise.resolve();
  });
};
