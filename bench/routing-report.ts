import { availableParallelism } from 'node:os';
import type { RoutingResults } from './routing-jobs.ts';
import { median } from './statistics.ts';

/** The results of all rounds. */
export interface RoutingMeasured {
  readonly floors: readonly {
    readonly waitingCount: number;
    readonly floor: RoutingResults['floor'][];
    readonly sorting: RoutingResults['floor'][];
  }[];
  readonly desks: readonly { readonly waitingCount: number; readonly results: RoutingResults['desk'][] }[];
}

interface Sizes {
  readonly agentCount: number;
  readonly roundCount: number;
  readonly perSecond: number;
  readonly inFlight: number;
}

const cell = (values: readonly number[], digits: number): string => {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${median(values).toFixed(digits)} (${least ?? ''}–${most ?? ''})`;
};

const SORTS = [
  { sort: 'freed', what: 'a place becomes free' },
  { sort: 'opened', what: 'a conversation is opened' },
] as const;

const floorRows = ({ floors }: RoutingMeasured): string[] =>
  SORTS.flatMap(({ sort, what }) => {
    let before: number | undefined;
    return floors.map(({ waitingCount, floor, sorting }) => {
      const perSecond = floor.map((result) => result[sort].perSecond);
      const sorted = sorting.map((result) => result[sort].perSecond);
      const p50 = floor.map((result) => result[sort].p50Micros);
      const p99 = floor.map((result) => result[sort].p99Micros);
      // Of the median, which other work on the machine moves least.
      const growth = before === undefined ? '' : (median(p50) / before).toFixed(2);
      before = median(p50);
      const columns = [
        `${what}, ${String(waitingCount)} wait`,
        cell(sorted, 0),
        cell(perSecond, 0),
        (median(perSecond) / median(sorted)).toFixed(1),
        cell(p50, 1),
        cell(p99, 0),
        growth,
      ];
      return `| ${columns.join(' | ')} |`;
    });
  });

const deskRows = ({ desks }: RoutingMeasured, { perSecond, inFlight }: Sizes): string[] => {
  const rows: { what: string; digits: number; of: (result: RoutingResults['desk']) => number }[] = [
    { what: `opened → assigned, p50 at ${String(perSecond)}/s, ms`, digits: 2, of: (r) => r.opened.p50Ms },
    { what: 'opened → assigned, p99, ms', digits: 2, of: (r) => r.opened.p99Ms },
    { what: `closed → next assigned, p50 at ${String(perSecond)}/s, ms`, digits: 2, of: (r) => r.freed.p50Ms },
    { what: 'closed → next assigned, p99, ms', digits: 2, of: (r) => r.freed.p99Ms },
    { what: `decisions per second, ${String(inFlight)} in flight`, digits: 0, of: (r) => r.perSecond },
    { what: 'CPU per decision in that run, all threads, µs', digits: 0, of: (r) => r.cpuMicros },
  ];
  return rows.map(({ what, digits, of }) => {
    const columns = desks.map(({ results }) => cell(results.map(of), digits));
    return `| ${what} | ${columns.join(' | ')} |`;
  });
};

/** Two tables in Markdown: medians, with the least and the most of all rounds in brackets. */
export const routingReport = (measured: RoutingMeasured, sizes: Sizes): string =>
  [
    `Node ${process.version}, ${String(availableParallelism())} cores, ${String(sizes.agentCount)} agents, medians of ${String(sizes.roundCount)} rounds. In brackets: least and most.`,
    '',
    '| decisions per second | sorting router | floor | ratio | floor, p50 µs | floor, p99 µs | p50 against a tenth as many |',
    '|---|---|---|---|---|---|---|',
    ...floorRows(measured),
    '',
    `| the whole core, stored and synced | ${measured.desks.map(({ waitingCount }) => `${String(waitingCount)} wait`).join(' | ')} |`,
    `|---${measured.desks.map(() => '|---').join('')}|`,
    ...deskRows(measured, sizes),
  ].join('\n');
