import { number } from '../../scripts/markdown.ts';
import { COST_NAMES, valuesOf, type CostName, type Costs, type CostsFile } from './costs.ts';
import { carriedTable, spentTable } from './part-tables.ts';
import type { Plan } from './saturation.ts';
import { desksTable, fullTable, lossTable, sizesTable } from './size-tables.ts';
import { costsTable, demandTable, settingsTable } from './workload-tables.ts';

/** By command line and document. */
export interface Section {
  /** The block of docs/scaling.md. */
  readonly name: string;
  readonly title: string;
  readonly render: (file: CostsFile, plan: Plan) => string;
}

const withValues =
  (render: (costs: Costs, plan: Plan) => string): Section['render'] =>
  (file, plan) =>
    render(valuesOf(file), plan);

export const SECTIONS: readonly Section[] = [
  { name: 'costs', title: 'What was measured', render: costsTable },
  { name: 'settings', title: 'The workload and the machines', render: (_, plan) => settingsTable(plan) },
  { name: 'demand', title: 'What it asks for', render: (_, plan) => demandTable(plan) },
  { name: 'carried', title: 'What one of each carries', render: withValues(carriedTable) },
  { name: 'sizes', title: 'How many it takes', render: withValues(sizesTable) },
  { name: 'full', title: 'Where each is full', render: withValues(fullTable) },
  { name: 'spent', title: 'What the CPU goes to', render: withValues(spentTable) },
  { name: 'loss', title: 'After the loss of a node', render: withValues(lossTable) },
  { name: 'desks', title: 'A million connections on several desks', render: withValues(desksTable) },
];

/** Sections that show nothing which had to be measured. */
export const UNMEASURED_SECTIONS: ReadonlySet<string> = new Set(['settings', 'demand']);

const NAMED = 4;

/** For whoever must not take it for measured. */
export const missingText = (missing: readonly CostName[]): string => {
  const more = missing.length > NAMED ? ' …' : '';
  const names = `${missing.slice(0, NAMED).join(', ')}${more}`;
  return `Not measured: ${number(missing.length)} of ${number(COST_NAMES.length)} costs (${names}). No figure that rests on them is given; \`npx tsx bench/capacity/measure.ts\` measures them.`;
};
