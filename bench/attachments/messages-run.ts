import { setTimeout as wait } from 'node:timers/promises';
import type { AttachmentResults, AttachmentTarget, MessagesJob } from './jobs.ts';
import type { ClientOptions } from '../client.ts';
import { Conversations } from '../conversations.ts';
import { quantile } from '../statistics.ts';

/** The longest run, in messages of its rate. */
const MAX_SECONDS = 600;

/** What its standard output says once it is warm. */
export const WARM = 'warm\n';

/**
 * Small messages on connections of their own, each sent when it is due whatever became of those before. A message's time counts
 * from when it was sent: timers are up to a millisecond late, and one that spins would take a core from the server. What this
 * process was late by is told apart.
 */
export const runMessages = async (
  { kind, url, pid }: AttachmentTarget,
  options: ClientOptions,
  { conversationCount, messagesPerSecond, warmUpSeconds }: MessagesJob,
): Promise<AttachmentResults['messages']> => {
  const target = { kind: kind === 'peer' ? 'relay' : kind, url, pid, memoryFile: '' } as const;
  const limit = MAX_SECONDS * messagesPerSecond;
  const conversations = await Conversations.open(target, options, conversationCount, limit);
  const sentAt: number[] = [];
  const lateMs: number[] = [];
  const samples: (readonly [number, number])[] = [];
  conversations.onAcknowledged = (id) => {
    const at = sentAt[id] ?? NaN;
    samples.push([performance.timeOrigin + at, performance.now() - at]);
  };
  const ended = new AbortController();
  process.on('SIGTERM', () => ended.abort());

  const intervalMs = 1_000 / messagesPerSecond;
  const startedAt = performance.now();
  let dueAt = startedAt;
  for (let count = 0; !ended.signal.aborted && count < limit; count += 1) {
    const now = performance.now();
    if (dueAt > now) await wait(dueAt - now);
    const at = performance.now();
    lateMs.push(at - dueAt);
    sentAt.push(at);
    conversations.send();
    dueAt += intervalMs;
    if (count === warmUpSeconds * messagesPerSecond) process.stdout.write(WARM);
  }
  await conversations.settled();
  conversations.close();
  return { samples, lateP99Ms: quantile(lateMs, 0.99) };
};
