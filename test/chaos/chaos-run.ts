import { setTimeout as pause } from 'node:timers/promises';
import { Crowd } from './crowd.ts';
import { judge, type Verdict } from './judge.ts';
import type { Head, Setup } from './messages.ts';
import { commandOf, type ChaosOptions } from './options.ts';
import { AGENT_LEASE_MS, startPlace, type Place } from './place.ts';
import { describeFault, planFaults } from './plan.ts';
import { DatabaseReader } from './read-log.ts';
import { strike } from './strike.ts';

const TENANT = 'chaos';
/** After the last fault, all that was sent is answered by then. */
const SETTLE_MS = 120_000;
/** Then every stream comes to its end by then: the store is looked at every five seconds. */
const ARRIVE_MS = 20_000;
const STILL_MS = 2_500;
const PROGRESS_EVERY_MS = 10_000;

export interface ChaosReport extends Verdict {
  readonly command: string;
  readonly faults: Readonly<Record<string, number>>;
  /** From the first message to the last acknowledgement. */
  readonly sendingMs: number;
  /** Of the nodes: above `info`, by level and message. */
  readonly complaints: Readonly<Record<string, number>>;
  /** Starts of killed nodes that had to be repeated because Postgres or Redis was away. */
  readonly failedStarts: number;
}

const setupsOf = (options: ChaosOptions, urls: readonly string[]): Setup[] => {
  const { processes, messages, seconds, conversations, seed } = options;
  const share = (total: number, index: number): number =>
    Math.floor((total * (index + 1)) / processes) - Math.floor((total * index) / processes);
  return Array.from({ length: processes }, (_, index) => ({
    ...{ seed, index, tenant: TENANT, urls },
    conversations: share(conversations, index),
    agents: Math.max(2, Math.round(conversations / processes / 6)),
    supervisors: 2,
    rate: share(messages, index) / seconds,
    messages: share(messages, index),
    changesPerSecond: 3,
    agentLeaseMs: AGENT_LEASE_MS,
  }));
};

/** Heads, once nothing has been written for a while: routing and leases end after the last message. */
const stillHeads = async (reader: DatabaseReader): Promise<Record<string, Head>> => {
  let before = '';
  const deadline = Date.now() + 30_000;
  for (;;) {
    const heads = await reader.heads();
    const text = JSON.stringify(heads);
    if (text === before || Date.now() > deadline) return heads;
    before = text;
    await pause(STILL_MS);
  }
};

/**
 * One seeded run: traffic over faults, then peace, then everything that was promised is held against what is there.
 *
 * @param enough ends the traffic and the faults before their time; what was sent is checked
 */
export const chaosRun = async (
  options: ChaosOptions,
  say: (line: string) => void,
  enough: AbortSignal = new AbortController().signal,
): Promise<ChaosReport> => {
  const command = commandOf(options);
  say(command);
  const place = await startPlace(options);
  let crowd: Crowd | undefined;
  let reader: DatabaseReader | undefined;
  try {
    crowd = new Crowd(setupsOf(options, place.urls));
    const conversationIds = await crowd.ready();
    const startedAt = performance.now();
    const time = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s`;
    const clients = crowd;
    enough.addEventListener('abort', () => clients.tell({ kind: 'enough' }));
    crowd.tell({ kind: 'go' });
    const faults = await strikeAll(place, crowd, options, startedAt, (line) => say(`${time()}  ${line}`), enough);
    crowd.tell({ kind: 'calm' });
    say(`${time()}  all is healed`);
    const deadline = performance.now() + Math.max(SETTLE_MS, options.seconds * 1_000);
    while (!crowd.progress.done && performance.now() < deadline) {
      crowd.check();
      await pause(50);
    }
    const sendingMs = performance.now() - startedAt;
    const { issued, acknowledged } = crowd.progress;
    say(`${time()}  ${String(acknowledged)} of ${String(issued)} messages are acknowledged`);
    reader = new DatabaseReader(place.databaseUrl);
    await reader.open();
    const problems: string[] = [...place.crashes];
    if (!crowd.progress.done) problems.push(`${String(issued - acknowledged)} messages were not acknowledged in time`);
    const heads = await stillHeads(reader);
    problems.push(...(await crowd.arrive(heads, ARRIVE_MS)));
    problems.push(...(await reader.queued()).map((id) => `${id}: waits in the queue while agents are online`));
    say(`${time()}  everybody has come to the end; the histories are checked`);
    const { seats, totals } = await crowd.dump();
    const url = place.urls[0] ?? '';
    const verdict = await judge({ reader, url, tenant: TENANT, conversationIds, seats, totals, problems });
    const complaints: Record<string, number> = {};
    for (const { process } of place.nodes)
      for (const [line, count] of process.complaints) complaints[line] = (complaints[line] ?? 0) + count;
    const failedStarts = place.nodes.reduce((sum, { process }) => sum + process.failedStarts, 0);
    return { ...verdict, command, faults, sendingMs, complaints, failedStarts };
  } finally {
    crowd?.stop();
    await reader?.close().catch(() => undefined);
    await place.stop();
  }
};

const strikeAll = async (
  place: Place,
  crowd: Crowd,
  options: ChaosOptions,
  startedAt: number,
  say: (line: string) => void,
  enough: AbortSignal,
): Promise<Record<string, number>> => {
  const untilMs = (atMs: number): Promise<void> =>
    pause(Math.max(0, atMs - (performance.now() - startedAt)), undefined, { signal: enough }).catch(() => undefined);
  const counts: Record<string, number> = {};
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const progress = setInterval(() => {
    const { issued, acknowledged } = crowd.progress;
    say(`${String(acknowledged)} of ${String(issued)} issued messages are acknowledged`);
  }, PROGRESS_EVERY_MS);
  try {
    for (const fault of planFaults(options)) {
      await untilMs(fault.atMs);
      if (enough.aborted) break;
      crowd.check();
      say(describeFault(fault));
      counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
      const striking = strike(place, fault)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => {
          underWay.delete(striking);
          crowd.tell({ kind: 'faults', count: underWay.size });
        });
      underWay.add(striking);
      crowd.tell({ kind: 'faults', count: underWay.size });
    }
    await Promise.all(underWay);
    if (crowd.progress.issued < options.messages) await untilMs(options.seconds * 1_000);
  } finally {
    clearInterval(progress);
  }
  if (failures.length > 0) throw failures[0];
  return counts;
};
