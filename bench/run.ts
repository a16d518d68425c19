/**
 * Measures Deskwire beside a bare Socket.IO relay, in turns, on one machine, and prints one table.
 *
 *     npx tsx bench/run.ts [--rounds 5] [--smoke]
 *
 * `--smoke`: small counts, one round; says only whether everything works and every message is accounted for.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { build } from './build.ts';
import { cleanUpAtExit } from './children.ts';
import type { Job, Results, Target } from './jobs.ts';
import { openFileLimit } from './process-usage.ts';
import { report, type Measured } from './report.ts';
import { load, startServer } from './servers.ts';

const { values: args } = parseArgs({
  options: { smoke: { type: 'boolean', default: false }, rounds: { type: 'string', default: '5' } },
});
const { smoke } = args;
const roundCount = smoke ? 1 : Number(args.rounds);
if (!Number.isInteger(roundCount) || roundCount < 1)
  throw new Error(`--rounds: expected a whole number from 1, found ${args.rounds}`);

const jobs = {
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
} as const satisfies Record<string, Job>;

/** Files that a server has open besides its connections. */
const OTHER_FILES = 200;
const filesNeeded = jobs.idle.connectionCount + OTHER_FILES;
if (openFileLimit() < filesNeeded) {
  throw new Error(
    `${String(openFileLimit())} open files are allowed, expected ${String(filesNeeded)}; raise it: ulimit -n ${String(filesNeeded)}`,
  );
}

cleanUpAtExit();
process.stderr.write('building\n');
const built = build();

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

// In turns, so that whatever else the machine does falls on both.
for (let round = 1; round <= roundCount; round += 1) {
  for (const kind of ['relay', 'deskwire'] as const) {
    process.stderr.write(`round ${String(round)} of ${String(roundCount)}: ${kind}\n`);
    measured[kind].closed.push(await measureOnce(kind, jobs.closed));
    measured[kind].open.push(await measureOnce(kind, jobs.open));
    measured[kind].idle.push(await measureOnce(kind, jobs.idle));
  }
}

if (smoke)
  process.stdout.write('Every message was acknowledged once and reached both members. Too short a run for timings.\n');
else {
  const where = `Node ${process.version}, ${String(availableParallelism())} cores, medians of ${String(roundCount)} rounds, relay and Deskwire in turns`;
  process.stdout.write(`${report(measured.relay, measured.deskwire, jobs, where)}\n`);
}
