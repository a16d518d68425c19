import { availableParallelism } from 'node:os';
import type { Plan } from './plan.ts';
import type { Round } from './round.ts';
import { COST_ROWS, LATENCY_ROWS, othersRows, returnRows, usageRows, type Row } from './rows.ts';
import { median } from '../statistics.ts';

const cell = (values: readonly number[], digits: number): string => {
  if (values.some((value) => !Number.isFinite(value))) return '';
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)].map((value) =>
    value.toFixed(digits),
  );
  return values.length === 1 ? (middle ?? '') : `${middle ?? ''} (${least ?? ''}–${most ?? ''})`;
};
const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const rule = (count: number): string => `|${'---|'.repeat(count)}`;

const table = (title: string, rows: readonly Row[], rounds: readonly Round[]): string =>
  [
    row(title, 'bare Socket.IO, stock adapter', 'Deskwire', 'ratio'),
    rule(4),
    ...rows.map(({ what, digits, of, compared }) => {
      const [peer, ours] = (['peer', 'deskwire'] as const).map((kind) => rounds.map((round) => of(round, kind)));
      const ratio = compared === true ? (median(ours ?? []) / median(peer ?? [])).toFixed(2) : '';
      return row(what, cell(peer ?? [], digits), cell(ours ?? [], digits), ratio);
    }),
  ].join('\n');

const fanTable = (rounds: readonly Round[]): string => {
  const header = row(
    ...['nodes', 'of them with members', 'peer: published', 'peer: sent to nodes', 'peer: to nodes without members'],
    ...['Deskwire: published', 'Deskwire: sent to nodes', 'Deskwire: to nodes without members'],
  );
  const lines = (rounds[0]?.fan.deskwire ?? []).map(({ nodeCount, holderCount }, index) => {
    const cells = (['peer', 'deskwire'] as const).flatMap((kind) =>
      (['publishes', 'deliveries', 'idleDeliveries'] as const).map((name) =>
        cell(
          rounds.map(({ fan }) => fan[kind][index]?.[name] ?? NaN),
          2,
        ),
      ),
    );
    return row(String(nodeCount), String(holderCount), ...cells);
  });
  return [header, rule(8), ...lines].join('\n');
};

/** Tables in Markdown: medians, with the least and the most of several rounds in brackets. */
export const nodesReport = (rounds: readonly Round[], { messages, latency, catchUp, storm }: Plan): string => {
  const crowd = (job: typeof catchUp | typeof storm.job): string =>
    `${String(job.conversationCount * job.membersEach)} clients in ${String(job.conversationCount)} conversations`;
  const { others } = storm;
  return [
    `Node ${process.version}, ${String(availableParallelism())} cores, medians of ${String(rounds.length)} rounds, in turns. In brackets: least and most.`,
    table(
      `for each message, ${String(messages.roomCount)} conversations across two nodes, ${String(messages.inFlight)} in flight`,
      usageRows(messages.messageCount),
      rounds,
    ),
    table(`two nodes, ${String(latency.messagesPerSecond)} messages/s across them`, LATENCY_ROWS, rounds),
    fanTable(rounds),
    table(
      `${crowd(catchUp)} cut off for ${String(catchUp.cutMs / 1_000)} s, ${String(catchUp.messagesPerSecond)} messages/s`,
      returnRows(({ catchUp: results }, kind) => results[kind]),
      rounds,
    ),
    table(
      `${crowd(storm.job)} whose node is killed, ${String(storm.job.messagesPerSecond)} messages/s; others: ${String(others.messagesPerSecond)}/s`,
      [...returnRows(({ storm: results }, kind) => results[kind]), ...othersRows()],
      rounds,
    ),
    table('what single things cost', COST_ROWS, rounds),
  ].join('\n\n');
};
