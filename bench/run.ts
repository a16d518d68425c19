/**
 * Measures Deskwire beside a peer, in turns, on one machine, and prints tables.
 *
 *     npx tsx bench/run.ts [messages] [routing] [attachments] [nodes] [--rounds 5] [--smoke] [--json FILE]
 *
 * Without a name: all of them. `--smoke`: small counts, one round; says only whether everything works and every message,
 * assignment and file is accounted for. `--json`: where the figures of several nodes go, for programs.
 */
import { parseArgs } from 'node:util';
import { benchAttachments } from './attachments/attachments.ts';
import { build, type Built } from './build.ts';
import { cleanUpAtExit } from './children.ts';
import { benchMessages } from './messages.ts';
import { benchNodes } from './nodes/nodes.ts';
import { benchRouting } from './routing.ts';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const { smoke, json } = args;
const BENCHES = {
  messages: benchMessages,
  routing: benchRouting,
  attachments: benchAttachments,
  nodes: (built: Built, rounds: number, isSmoke: boolean) => benchNodes(built, rounds, isSmoke, json),
};
const NAMES = Object.keys(BENCHES) as (keyof typeof BENCHES)[];
const roundCount = smoke ? 1 : Number(args.rounds);
if (!Number.isInteger(roundCount) || roundCount < 1)
  throw new Error(`--rounds: expected a whole number from 1, found ${args.rounds}`);
const unknown = positionals.find((name) => !Object.hasOwn(BENCHES, name));
if (unknown !== undefined) throw new Error(`expected ${NAMES.join(' or ')}, found ${unknown}`);
const wanted = NAMES.filter((name) => positionals.length === 0 || positionals.includes(name));

cleanUpAtExit();
process.stderr.write('building\n');
const built = build();
for (const name of wanted) process.stdout.write(`${await BENCHES[name](built, roundCount, smoke)}\n\n`);
