/**
 * Prints what a desk of so many connections takes, from the costs in costs.json.
 *
 *     npm run capacity -- [--connections 100000] [--messages-per-connection-hour 20] [--cores 8] … [--provisional]
 *
 * All options, with what they are by default, stand in the second table. `--provisional`: also when costs are not measured.
 */
import { parseArgs } from 'node:util';
import { loadCosts, unmeasured } from './costs.ts';
import { missingText, SECTIONS } from './sections.ts';
import { optionOf, planOf, SETTING_NAMES, type Setting } from './workload.ts';

const NUMBERS = Object.fromEntries(SETTING_NAMES.map((name) => [optionOf(name), { type: 'string' as const }]));

try {
  const { values } = parseArgs({ options: { provisional: { type: 'boolean', default: false }, ...NUMBERS } });
  const options: Readonly<Record<string, unknown>> = values;
  const given: Partial<Record<Setting, number>> = Object.fromEntries(
    SETTING_NAMES.map((name) => [name, options[optionOf(name)]] as const)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, Number(value)]),
  );
  const plan = planOf(given);
  const file = loadCosts();
  const missing = unmeasured(file);
  if (missing.length > 0 && !values.provisional) throw new Error(missingText(missing));
  const mark = missing.length > 0 ? 'PROVISIONAL, NOT MEASURED: ' : '';
  for (const { title, render } of SECTIONS) process.stdout.write(`## ${mark}${title}\n\n${render(file, plan)}\n\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
