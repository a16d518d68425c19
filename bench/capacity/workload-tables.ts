import { number, table } from '../../scripts/markdown.ts';
import { COST_NAMES, COSTS, type CostsFile } from './costs.ts';
import { demandOf } from './demand.ts';
import { about, figure } from './figures.ts';
import type { Plan } from './saturation.ts';
import { optionOf, SETTING_NAMES, SETTINGS } from './workload.ts';

/** The sizes that are shown beside each other. */
export const SIZES = [10_000, 100_000, 1_000_000] as const;

/** These, and the one that is asked for. */
export const sizesOf = ({ connections }: Plan): number[] => [...new Set([...SIZES, connections])].sort((a, b) => a - b);

export const costsTable = (file: CostsFile): string =>
  [
    `Node ${file.node}, Postgres ${file.postgres}, Redis ${file.redis}; ${file.machine}; ${file.date}; ${file.rounds === 1 ? 'one round' : `medians of ${String(file.rounds)} rounds`}.`,
    table(
      ['', 'cost', '', 'how'],
      COST_NAMES.map((name) => {
        const { value, unit, how } = file.costs[name];
        return [`\`${name}\``, `${figure(value)} ${unit}`.trim(), COSTS[name][1], how];
      }),
    ),
  ].join('\n\n');

export const settingsTable = (plan: Plan): string =>
  table(
    ['option', 'value', 'what it is'],
    SETTING_NAMES.map((name) => [`\`--${optionOf(name)}\``, figure(plan[name]), SETTINGS[name].why]),
  );

export const demandTable = (plan: Plan): string => {
  const sizes = sizesOf(plan);
  const demands = sizes.map((connections) => demandOf({ ...plan, connections }));
  const row = (what: string, of: (demand: (typeof demands)[number]) => number): string[] => [
    what,
    ...demands.map((demand) => about(of(demand))),
  ];
  return table(
    ['a workload of', ...sizes.map((size) => `${number(size)} connections`)],
    [
      row('conversations that are open', ({ conversations }) => conversations),
      row('agents', ({ agents }) => agents),
      row('messages a second', ({ messages }) => messages),
      row('receipts, and typing, a second', ({ receipts }) => receipts),
      row('connections that come and go, a second', ({ handshakes }) => handshakes),
      row('joins a second', ({ joins }) => joins),
      row('conversations opened a second, each claimed and closed', ({ opened }) => opened),
    ],
  );
};
