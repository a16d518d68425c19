// Traffic over faults on several nodes: `npm run chaos -- [--messages 100000] [--seed 7] [--nodes 3] [--redis single|sentinel|cluster] [--faults …] [--seconds 60]`.
import { chaosRun } from './chaos-run.ts';
import { readOptions } from './options.ts';
import { reportLines } from './report.ts';

for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
const enough = new AbortController();
// The first time it is enough, and what there is gets checked; the second time it ends.
process.on('SIGINT', () => (enough.signal.aborted ? process.exit(1) : enough.abort()));

const report = await chaosRun(readOptions(process.argv.slice(2)), (line) => console.log(line), enough.signal);
for (const line of reportLines(report)) console.log(line);
process.exit(report.violations.length === 0 ? 0 : 1);
