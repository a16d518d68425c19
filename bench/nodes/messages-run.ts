import type { KeyObject } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { MessagesJob, NodesResults, NodesTarget } from './jobs.ts';
import { Meters } from './meters.ts';
import { Rooms } from './rooms.ts';

/** What its standard output says before the measured messages and after them, with a pause in which others can take note. */
export const MEASURING = 'measuring';
export const MEASURED = 'measured';
const PAUSE_MS = 300;

const tell = async (what: string): Promise<void> => {
  process.stdout.write(`${what}\n`);
  await wait(PAUSE_MS);
};

/** A closed loop: as many messages as the nodes take, with so many unanswered, and what all of it used. */
export const runMessages = async (
  target: NodesTarget,
  key: KeyObject,
  job: MessagesJob,
): Promise<NodesResults['messages']> => {
  const rooms = await Rooms.open(target, key, job);
  const meters = await Meters.open(target);
  await rooms.relay(job.inFlight, job.warmUpCount);
  await tell(MEASURING);
  const before = await meters.read();
  const startedAt = performance.now();
  const missingCount = await rooms.relay(job.inFlight, job.messageCount);
  const seconds = (performance.now() - startedAt) / 1_000;
  // What follows an acknowledgement, such as telling nodes that have no members, is part of a message too.
  await wait(PAUSE_MS);
  const spent = await meters.spentSince(before);
  await tell(MEASURED);
  rooms.close();
  await meters.close();
  return { spent, messagesPerSecond: job.messageCount / seconds, missingCount };
};
