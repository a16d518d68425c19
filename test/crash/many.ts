// Runs the crash test over many seeds: `npm run crash -- [runs] [first seed]`.
import { crashRun } from './crash-run.ts';

const [runs = '200', first = '1'] = process.argv.slice(2);
const totals = { runs: 0, kills: 0, acknowledged: 0, resent: 0, broken: 0 };
for (let seed = Number(first); seed < Number(first) + Number(runs); seed += 1) {
  const { broken, ...report } = await crashRun(seed);
  totals.runs += 1;
  totals.kills += report.kills;
  totals.acknowledged += report.acknowledged;
  totals.resent += report.resent;
  totals.broken += broken.length;
  for (const line of broken) console.error(`seed ${String(seed)}: ${line}`);
  if (totals.runs % 10 === 0) console.log(JSON.stringify({ seed, ...totals }));
}
console.log(JSON.stringify(totals));
process.exit(totals.broken === 0 ? 0 : 1);
