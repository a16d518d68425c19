import type { KeyObject } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { NodesResults, NodesTarget, PacedJob, Sample } from './jobs.ts';
import { Rooms } from './rooms.ts';

/** What its standard output says once it is warm. */
export const WARM = 'warm';
/** As exact as a timer is: one that spins would take a core from the nodes. */
const TICK_MS = 1;

/** Numbers of what is due since the last call, at so many a second from `startedAt` on. */
export const duePerTick = (perSecond: number, startedAt: number): (() => number) => {
  let done = 0;
  return () => {
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000) + 1;
    const count = due - done;
    done = due;
    return count;
  };
};

/**
 * Messages at a steady rate, each timed from when it was due, also when those before it are late. By how much this process was
 * late in sending is told apart; it is in the times too.
 */
export const runPaced = async (target: NodesTarget, key: KeyObject, job: PacedJob): Promise<NodesResults['paced']> => {
  const rooms = await Rooms.open(target, key, job);
  const intervalMs = 1_000 / job.messagesPerSecond;
  const lateMs: number[] = [];
  const acknowledgedAt: number[] = [];
  const deliveredAt: number[] = [];
  rooms.onAcknowledged = (id) => (acknowledgedAt[id] = performance.now());
  rooms.onDelivered = (id, member) => {
    if (member === rooms.receiverOf(id)) deliveredAt[id] = performance.now();
  };

  const ended = new AbortController();
  process.on('SIGTERM', () => ended.abort());
  const warmUpCount = Math.round(job.warmUpSeconds * job.messagesPerSecond);
  const limit = job.seconds === null ? Infinity : warmUpCount + Math.round(job.seconds * job.messagesPerSecond);
  const startedAt = performance.now();
  const newlyDue = duePerTick(job.messagesPerSecond, startedAt);
  while (!ended.signal.aborted && rooms.sentCount < limit) {
    for (let left = Math.min(newlyDue(), limit - rooms.sentCount); left > 0; left -= 1) {
      lateMs.push(performance.now() - startedAt - rooms.sentCount * intervalMs);
      rooms.send();
      if (rooms.sentCount === warmUpCount) process.stdout.write(`${WARM}\n`);
    }
    await wait(TICK_MS);
  }
  const missingCount = await rooms.settled();
  rooms.close();

  const samples: Sample[] = [];
  for (let id = warmUpCount; id < rooms.sentCount; id += 1) {
    const [acknowledged, delivered] = [acknowledgedAt[id], deliveredAt[id]];
    if (acknowledged === undefined || delivered === undefined) continue;
    const dueAt = startedAt + id * intervalMs;
    samples.push({
      dueAtMs: performance.timeOrigin + dueAt,
      lateMs: lateMs[id] ?? 0,
      acknowledgedMs: acknowledged - dueAt,
      deliveredMs: delivered - dueAt,
    });
  }
  return { samples, missingCount };
};
