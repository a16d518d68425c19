/** The load generator, a process of its own: takes a target and a job as JSON arguments, prints the result as JSON. */
import { createSecretKey } from 'node:crypto';
import { LightClient, type ClientOptions } from './client.ts';
import { Conversations } from './conversations.ts';
import type { Job, Results, Target } from './jobs.ts';
import { cpuMicros, memoryUsage } from './process-usage.ts';
import { quantile } from './statistics.ts';

type JobOf<K extends Job['kind']> = Extract<Job, { kind: K }>;

/** Keeps `inFlight` messages unanswered until `count` more are sent; resolves when all is accounted for. */
const runClosedLoop = async (conversations: Conversations, inFlight: number, count: number): Promise<void> => {
  const last = conversations.sentCount + count;
  conversations.onAcknowledged = () => {
    if (conversations.sentCount < last) conversations.send();
  };
  for (let index = 0; index < Math.min(inFlight, count); index += 1) conversations.send();
  await conversations.settled();
};

const closedLoop = async (
  target: Target,
  options: ClientOptions,
  job: JobOf<'closed-loop'>,
): Promise<Results['closed-loop']> => {
  const { conversationCount, inFlight, messageCount, warmUpCount } = job;
  const conversations = await Conversations.open(target, options, conversationCount, warmUpCount + messageCount);
  await runClosedLoop(conversations, inFlight, warmUpCount);
  const cpuBefore = cpuMicros(target.pid);
  const ownBefore = cpuMicros(process.pid);
  const started = performance.now();
  await runClosedLoop(conversations, inFlight, messageCount);
  const seconds = (performance.now() - started) / 1000;
  const cpu = cpuMicros(target.pid) - cpuBefore;
  const own = cpuMicros(process.pid) - ownBefore;
  conversations.close();
  return {
    cpuMicrosPerMessage: cpu / messageCount,
    messagesPerSecond: messageCount / seconds,
    loadCpuMicrosPerMessage: own / messageCount,
  };
};

/** Message `n` is due at `n / messagesPerSecond`, whatever became of those before, and its time counts from then. */
const openLoop = async (
  target: Target,
  options: ClientOptions,
  job: JobOf<'open-loop'>,
): Promise<Results['open-loop']> => {
  const { conversationCount, messagesPerSecond, messageCount, warmUpCount } = job;
  const conversations = await Conversations.open(target, options, conversationCount, warmUpCount + messageCount);
  const first = warmUpCount;
  await runClosedLoop(conversations, 8, warmUpCount);
  const intervalMs = 1000 / messagesPerSecond;
  const tookMs: number[] = [];
  const started = performance.now();
  conversations.onAcknowledged = (id) => {
    tookMs.push(performance.now() - started - (id - first) * intervalMs);
  };
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const due = Math.min(messageCount, Math.floor((performance.now() - started) / intervalMs) + 1);
      while (conversations.sentCount - first < due) conversations.send();
      if (due === messageCount) resolve();
      // A timer would be up to a millisecond late, which is more than what is measured.
      else setImmediate(tick);
    };
    tick();
  });
  await conversations.settled();
  conversations.close();
  return { p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) };
};

/** How many connections sign in at the same time. */
const CONNECTING = 50;

const connectMany = async (options: ClientOptions, count: number, name: string): Promise<LightClient[]> => {
  const clients: LightClient[] = [];
  while (clients.length < count) {
    const batch = Array.from(
      { length: Math.min(CONNECTING, count - clients.length) },
      (_, index) => new LightClient({ sub: `${name}-${String(clients.length + index)}`, role: 'customer' }, options),
    );
    await Promise.all(batch.map((client) => client.ready()));
    clients.push(...batch);
  }
  return clients;
};

const idle = async (
  target: Target,
  options: ClientOptions,
  { connectionCount }: JobOf<'idle'>,
): Promise<Results['idle']> => {
  // What the first connections leave behind (compiled code, grown tables) is not the price of one more.
  for (const client of await connectMany(options, Math.min(200, connectionCount), 'early')) client.close();
  const before = await memoryUsage(target.pid, target.memoryFile);
  const clients = await connectMany(options, connectionCount, 'idle');
  let lost = 0;
  for (const client of clients) client.onClosed = () => (lost += 1);
  const after = await memoryUsage(target.pid, target.memoryFile);
  if (lost > 0) throw new Error(`the server closed ${String(lost)} idle connections`);
  for (const client of clients) client.close();
  return {
    rssBytes: (after.rss - before.rss) / connectionCount,
    heapBytes: (after.heapUsed + after.external - before.heapUsed - before.external) / connectionCount,
  };
};

const run = (target: Target, options: ClientOptions, job: Job): Promise<Results[Job['kind']]> => {
  switch (job.kind) {
    case 'closed-loop':
      return closedLoop(target, options, job);
    case 'open-loop':
      return openLoop(target, options, job);
    case 'idle':
      return idle(target, options, job);
  }
};

const [targetText = '', jobText = ''] = process.argv.slice(2);
const target = JSON.parse(targetText) as Target;
const key = createSecretKey(Buffer.from(process.env['DESKWIRE_JWT_SECRET'] ?? ''));
const result = await run(
  target,
  { url: target.url, key, saysReady: target.kind === 'deskwire' },
  JSON.parse(jobText) as Job,
);
process.stdout.write(JSON.stringify(result));
