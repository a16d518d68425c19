import { availableParallelism } from 'node:os';
import type { Built } from './build.ts';
import type { Job, Results, Target } from './jobs.ts';
import { openFileLimit } from './process-usage.ts';
import { report, type Measured } from './report.ts';
import { load, startServer } from './servers.ts';

/** Files that a server has open besides its connections. */
const OTHER_FILES = 200;

const jobsOf = (smoke: boolean) =>
  ({
    closed: {
      kind: 'closed-loop',
      conversationCount: smoke ? 20 : 200,
      inFlight: 64,
      warmUpCount: smoke ? 200 : 10_000,
      messageCount: smoke ? 1_000 : 40_000,
    },
    open: {
      kind: 'open-loop',
      conversationCount: smoke ? 20 : 200,
      messagesPerSecond: smoke ? 200 : 1_000,
      warmUpCount: smoke ? 200 : 2_000,
      messageCount: smoke ? 400 : 10_000,
    },
    idle: { kind: 'idle', connectionCount: smoke ? 200 : 4_000 },
  }) as const satisfies Record<string, Job>;

/** Messages beside a bare relay, in turns, so that whatever else the machine does falls on both. Gives a table. */
export const benchMessages = async (built: Built, roundCount: number, smoke: boolean): Promise<string> => {
  const jobs = jobsOf(smoke);
  const filesNeeded = jobs.idle.connectionCount + OTHER_FILES;
  if (openFileLimit() < filesNeeded) {
    throw new Error(
      `${String(openFileLimit())} open files are allowed, expected ${String(filesNeeded)}; raise it: ulimit -n ${String(filesNeeded)}`,
    );
  }

  const measureOnce = async <J extends Job>(kind: Target['kind'], job: J): Promise<Results[J['kind']]> => {
    const server = await startServer(kind, built);
    try {
      return await load(server, built, job);
    } finally {
      await server.stop();
    }
  };
  const measured: Record<Target['kind'], Measured> = {
    relay: { closed: [], open: [], idle: [] },
    deskwire: { closed: [], open: [], idle: [] },
  };
  for (let round = 1; round <= roundCount; round += 1) {
    for (const kind of ['relay', 'deskwire'] as const) {
      process.stderr.write(`messages, round ${String(round)} of ${String(roundCount)}: ${kind}\n`);
      measured[kind].closed.push(await measureOnce(kind, jobs.closed));
      measured[kind].open.push(await measureOnce(kind, jobs.open));
      measured[kind].idle.push(await measureOnce(kind, jobs.idle));
    }
  }
  if (smoke) return 'Every message was acknowledged once and reached both members. Too short a run for timings.';
  const where = `Node ${process.version}, ${String(availableParallelism())} cores, medians of ${String(roundCount)} rounds, relay and Deskwire in turns`;
  return report(measured.relay, measured.deskwire, jobs, where);
};
