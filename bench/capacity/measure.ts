/**
 * Measures every cost of costs.json on this machine, and writes the file. A quiet machine, Linux, Postgres and Redis installed; about
 * eight minutes a round.
 *
 *     npx tsx bench/capacity/measure.ts [--rounds 3] [--provisional] [--smoke]
 *
 * `--provisional`: also on a machine that does other work; what is written counts as not measured. `--smoke`: small counts; says what it
 * found and writes nothing.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { build, type Built } from '../build.ts';
import { cleanUpAtExit } from '../children.ts';
import { median } from '../statistics.ts';
import { COST_NAMES, COSTS, COSTS_PATH, type Costs, type CostsFile } from './costs.ts';
import { HOW } from './measuring/how.ts';
import { measureConnections } from './measuring/connection-costs.ts';
import {
  measureBeats,
  measureConversations,
  measureDeliveries,
  measureHeads,
  measureMessages,
} from './measuring/desk-costs.ts';
import { MeasuredDesk } from './measuring/desk.ts';
import { measureMemory } from './measuring/memory-costs.ts';
import { measureRedis } from './measuring/redis-costs.ts';
import { measureWire } from './measuring/wire.ts';

const FULL = {
  ...{ messages: 8_000, conversations: 2_000, nudgeSeconds: 10, remembered: 2_000, earlier: 200 },
  ...{ connections: 1_000, heldSeconds: 50, agents: 300, agentSeconds: 20, warmUps: 3, turns: 3 },
};
const SMOKE: typeof FULL = {
  ...{ messages: 400, conversations: 64, nudgeSeconds: 1, remembered: 100, earlier: 20 },
  ...{ connections: 60, heldSeconds: 1, agents: 20, agentSeconds: 1, warmUps: 1, turns: 1 },
};

/** Of its cores, by the load of the last minute: the build before it may be in it. */
const QUIET = 0.5;

const tell = (what: string): void => void process.stderr.write(`${what}\n`);

/** Runs `task` on a desk of two nodes that knows of nothing earlier. */
const onDesk = async <T>(built: Built, task: (desk: MeasuredDesk) => Promise<T>): Promise<T> => {
  const desk = await MeasuredDesk.start(built, 2);
  try {
    return await task(desk);
  } finally {
    await desk.stop();
  }
};

const measureRound = async (built: Built, sizes: typeof FULL): Promise<Partial<Costs>> => {
  tell('Redis');
  const redis = await measureRedis();
  tell('memory');
  const memory = await onDesk(built, (desk) => measureMemory(desk, sizes));
  return onDesk(built, async (desk) => {
    tell('beats');
    const beats = await measureBeats(desk, sizes);
    tell('messages');
    const messages = await measureMessages(desk, sizes, beats);
    const deliveries = await measureDeliveries(desk, sizes);
    tell('connections');
    const wire = await measureWire(desk, sizes.heldSeconds);
    const connections = await measureConnections(desk, sizes, beats);
    tell('conversations');
    const conversations = await measureConversations(desk, sizes, beats);
    const heads = await measureHeads(desk);
    return {
      ...{ ...redis, ...memory, ...beats, ...messages, ...deliveries, ...wire, ...connections, ...conversations },
      ...heads,
    };
  });
};

const versionOf = (command: string, pattern: RegExp): string =>
  pattern.exec(execFileSync(command, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown';

const postgresVersion = (): string => {
  try {
    return versionOf('psql', /(\d+(?:\.\d+)*)/);
  } catch {
    return 'unknown';
  }
};

const fileOf = (rounds: readonly Partial<Costs>[], measured: boolean): CostsFile => {
  const costs = COST_NAMES.map((name) => {
    const values = rounds.map((round) => round[name]).filter((value) => value !== undefined && Number.isFinite(value));
    if (values.length < rounds.length) throw new Error(`${name} was not measured in each round`);
    const value = Number(Math.max(0, median(values as number[])).toPrecision(3));
    return [name, { value, unit: COSTS[name][0], measured, how: HOW[name] }];
  });
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  return {
    machine: `${String(cpus().length)} cores (${model}), which nodes, clients, Postgres and Redis share`,
    node: process.versions.node,
    postgres: postgresVersion(),
    redis: versionOf('redis-server', /v=(\S+)/),
    date: new Date().toISOString().slice(0, 10),
    rounds: rounds.length,
    costs: Object.fromEntries(costs) as CostsFile['costs'],
  };
};

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    provisional: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
  },
});
const roundCount = args.smoke ? 1 : Number(args.rounds);
if (!Number.isInteger(roundCount) || roundCount < 1)
  throw new Error(`--rounds: expected a whole number from 1, found ${args.rounds}`);

const [load = 0] = loadavg();
if (load > cpus().length * QUIET && !args.provisional && !args.smoke)
  throw new Error(
    `the machine does other work (load ${load.toFixed(1)}): wait until it is quiet, or give --provisional, and nothing that is found counts as measured`,
  );

cleanUpAtExit();
tell('building');
const built = build();
const rounds: Partial<Costs>[] = [];
for (let round = 1; round <= roundCount; round += 1) {
  tell(`round ${String(round)} of ${String(roundCount)}`);
  rounds.push(await measureRound(built, args.smoke ? SMOKE : FULL));
}
const text = `${JSON.stringify(fileOf(rounds, !args.provisional && !args.smoke), null, 2)}\n`;
if (args.smoke) process.stdout.write(text);
else {
  writeFileSync(COSTS_PATH, text);
  tell('wrote bench/capacity/costs.json; run `npm run generate` for docs/scaling.md');
}
