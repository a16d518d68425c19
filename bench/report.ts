import type { Results } from './jobs.ts';
import { median } from './statistics.ts';

/** The results of all rounds. */
export interface Measured {
  readonly closed: Results['closed-loop'][];
  readonly open: Results['open-loop'][];
  readonly idle: Results['idle'][];
}

interface Row {
  readonly what: string;
  readonly unit: string;
  readonly digits: number;
  readonly of: (measured: Measured) => number[];
}

interface Sizes {
  readonly closed: { readonly conversationCount: number; readonly inFlight: number };
  readonly open: { readonly messagesPerSecond: number };
  readonly idle: { readonly connectionCount: number };
}

const KIB = 1024;

const rows = ({ closed, open, idle }: Sizes): Row[] => {
  const load = `${String(closed.conversationCount)} conversations, ${String(closed.inFlight)} in flight`;
  const rate = `at ${String(open.messagesPerSecond)} messages/s`;
  const connections = `${String(idle.connectionCount)} connections`;
  return [
    {
      what: `server CPU per message (${load})`,
      unit: 'µs',
      digits: 1,
      of: (m) => m.closed.map((r) => r.cpuMicrosPerMessage),
    },
    {
      what: 'messages per second in that run',
      unit: '/s',
      digits: 0,
      of: (m) => m.closed.map((r) => r.messagesPerSecond),
    },
    { what: `acknowledgement p50 ${rate}`, unit: 'ms', digits: 2, of: (m) => m.open.map((r) => r.p50Ms) },
    { what: `acknowledgement p99 ${rate}`, unit: 'ms', digits: 2, of: (m) => m.open.map((r) => r.p99Ms) },
    {
      what: `memory per idle connection, RSS (${connections})`,
      unit: 'KiB',
      digits: 1,
      of: (m) => m.idle.map((r) => r.rssBytes / KIB),
    },
    { what: 'the same, V8 heap and external', unit: 'KiB', digits: 1, of: (m) => m.idle.map((r) => r.heapBytes / KIB) },
  ];
};

const cell = (values: readonly number[], { unit, digits }: Row): string => {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${median(values).toFixed(digits)} ${unit} (${least ?? ''}–${most ?? ''})`;
};

/** One table in Markdown: medians with the span of all rounds, and ours divided by the peer's. */
export const report = (relay: Measured, deskwire: Measured, sizes: Sizes, where: string): string =>
  [
    `${where}. In brackets: least and most.`,
    '',
    '| | bare relay, nothing stored | Deskwire, stored and synced | ratio |',
    '|---|---|---|---|',
    ...rows(sizes).map((row) => {
      const ratio = median(row.of(deskwire)) / median(row.of(relay));
      return `| ${row.what} | ${cell(row.of(relay), row)} | ${cell(row.of(deskwire), row)} | ${ratio.toFixed(2)} |`;
    }),
  ].join('\n');
