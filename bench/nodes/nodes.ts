import { writeFileSync } from 'node:fs';
import type { Built } from '../build.ts';
import { nodesFigures } from './figures.ts';
import { openFileLimit } from '../process-usage.ts';
import { Place } from './place.ts';
import { FULL, SMOKE, type Plan } from './plan.ts';
import { nodesReport } from './report.ts';
import { measureRound, type Round } from './round.ts';

/** Files that a process has open besides the crowd's connections. */
const OTHER_FILES = 1_000;

const checkOpenFiles = ({ storm, catchUp, costs }: Plan): void => {
  const clients = [storm.job, catchUp].map(({ conversationCount, membersEach }) => conversationCount * membersEach);
  const needed = Math.max(...clients, costs.connectionCount) + OTHER_FILES;
  if (openFileLimit() >= needed) return;
  throw new Error(
    `${String(openFileLimit())} open files are allowed, expected ${String(needed)}; raise it: ulimit -n ${String(needed)}`,
  );
};

/**
 * Several nodes beside bare Socket.IO servers on the stock Redis adapter, in turns, with the same Redis server. Every message is
 * accounted for. Gives tables; `jsonFile`: where the figures go, for programs.
 */
export const benchNodes = async (
  built: Built,
  roundCount: number,
  smoke: boolean,
  jsonFile?: string,
): Promise<string> => {
  const plan = smoke ? SMOKE : FULL;
  checkOpenFiles(plan);
  const place = await Place.open(built);
  const rounds: Round[] = [];
  try {
    for (let round = 1; round <= roundCount; round += 1) {
      const tell = (what: string): boolean =>
        process.stderr.write(`nodes, round ${String(round)} of ${String(roundCount)}: ${what}\n`);
      rounds.push(await measureRound({ built, plan, place, tell }));
    }
  } finally {
    await place.close();
  }
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(nodesFigures(rounds, plan), null, 2)}\n`);
  if (smoke)
    return 'Across nodes every message was acknowledged once and reached every member, and every stream was exact. Too short a run for timings.';
  return nodesReport(rounds, plan);
};
