import { availableParallelism } from 'node:os';
import type { AttachmentResults, AttachmentTarget } from './jobs.ts';
import type { Plan } from './plan.ts';
import { SITUATIONS, type Beside, type Chunked, type Memory, type Situation } from './round.ts';
import { median, quantile } from '../statistics.ts';

type Kind = AttachmentTarget['kind'];
type Uploads = AttachmentResults['uploads'];

/** The results of all rounds. */
export interface AttachmentsMeasured {
  readonly memory: Readonly<Record<Kind, Memory[]>>;
  readonly beside: Readonly<Record<Kind, Beside[]>>;
  readonly chunkings: Record<string, Chunked>[];
  readonly few: Record<string, Uploads>[];
  readonly steps: AttachmentResults['steps'][];
}

const MIB = 1024 * 1024;

const cell = (values: readonly number[], digits: number): string => {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${median(values).toFixed(digits)} (${least ?? ''}–${most ?? ''})`;
};
const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const rule = (count: number): string => `|${'---|'.repeat(count)}`;

const seconds = ({ window }: Uploads): number => (window.toMs - window.fromMs) / 1_000;
/** Millions of bytes, as rates are told. */
const megabytesPerSecond = (uploads: Uploads): number => uploads.bytes / 1e6 / seconds(uploads);
const cpuMsPerMib = ({ serverCpuMicros, bytes }: Uploads): number => serverCpuMicros / 1e3 / (bytes / MIB);

const memoryTable = ({ memory: { peer, deskwire } }: AttachmentsMeasured, { crowd, fileBytes }: Plan): string[] => {
  const rows: { what: string; digits: number; of: (result: Memory) => number }[] = [
    { what: 'memory before, RSS, MiB', digits: 0, of: (r) => r.beforeBytes / MIB },
    { what: 'growth: the most during it, less before, MiB', digits: 0, of: (r) => r.growthBytes / MIB },
    { what: 'processes that it started, RSS, MiB', digits: 0, of: (r) => r.childrenBytes / MIB },
    { what: 'seconds until all are done', digits: 1, of: seconds },
    { what: 'server CPU per MiB, ms', digits: 2, of: cpuMsPerMib },
  ];
  const what = `${String(crowd.uploadCount)} uploads of ${String(fileBytes / MIB)} MiB at once`;
  return [
    row(what, 'bare Socket.IO, whole files', 'Deskwire, in chunks', 'ratio'),
    rule(4),
    ...rows.map(({ what, digits, of }) => {
      const ratio = median(deskwire.map(of)) / median(peer.map(of));
      const told = Number.isFinite(ratio) ? ratio.toFixed(2) : '';
      return row(what, cell(peer.map(of), digits), cell(deskwire.map(of), digits), told);
    }),
  ];
};

const besideTable = ({ beside }: AttachmentsMeasured, { messages }: Plan): string[] => {
  const names: Record<Situation, string> = {
    none: 'nothing is uploaded',
    here: 'uploads, as fast as it takes them',
    elsewhere: 'the same, to another server on this machine',
  };
  const rows = (['peer', 'deskwire'] as const).flatMap((kind) =>
    SITUATIONS.map((situation) => {
      const results = beside[kind];
      const p99 = ({ delays }: Beside): number => delays[situation].p99Ms;
      return row(
        `${kind === 'peer' ? 'bare Socket.IO' : 'Deskwire'}: ${names[situation]}`,
        situation === 'none'
          ? ''
          : cell(
              results.map(({ uploads }) => megabytesPerSecond(uploads[situation])),
              0,
            ),
        cell(
          results.map(({ delays }) => delays[situation].p50Ms),
          2,
        ),
        cell(results.map(p99), 2),
        situation === 'none'
          ? ''
          : cell(
              results.map((result) => p99(result) / result.delays.none.p99Ms),
              2,
            ),
      );
    }),
  );
  const late = cell(
    [...beside.peer, ...beside.deskwire].map(({ lateP99Ms }) => lateP99Ms),
    2,
  );
  return [
    row(
      `${String(messages.messagesPerSecond)} small messages/s of other connections`,
      'uploads, MB/s',
      'p50, ms',
      'p99, ms',
      'p99 against none',
    ),
    rule(5),
    ...rows,
    '',
    `The sender itself was late by ${late} ms, 99 of 100.`,
  ];
};

const chunkingTable = ({ chunkings }: AttachmentsMeasured, { line }: Plan): string[] => {
  const [first = {}] = chunkings;
  return [
    row(
      `one connection, a line of ${String(line.bytesPerSecond / 1e6)} MB/s, ${String(line.delayMs)} ms each way`,
      'small message, p50 ms',
      'p99 ms',
      'upload on the line, MB/s',
      'upload on the loopback, MB/s',
    ),
    rule(5),
    ...Object.keys(first).map((name) => {
      const rows = chunkings.flatMap((round) => round[name] ?? []);
      const loopback = rows.flatMap(({ uploads }) => (uploads === undefined ? [] : [uploads]));
      const uploadMs = rows.map((result) => result.line.uploadMs).filter((ms) => ms > 0);
      return row(
        name,
        cell(
          rows.map((result) => quantile(result.line.tookMs, 0.5)),
          0,
        ),
        cell(
          rows.map((result) => quantile(result.line.tookMs, 0.99)),
          0,
        ),
        uploadMs.length === 0
          ? ''
          : cell(
              uploadMs.map((ms) => line.fileBytes / 1e3 / ms),
              2,
            ),
        loopback.length === 0 ? '' : cell(loopback.map(megabytesPerSecond), 0),
      );
    }),
  ];
};

const fewTable = ({ few }: AttachmentsMeasured, { fewUploads, fileBytes }: Plan): string[] => {
  const names = {
    'thrown-away': 'bare Socket.IO, chunks thrown away',
    whole: 'bare Socket.IO, whole files',
    chunks: 'Deskwire',
  };
  return [
    row('uploads at once', 'MB/s', 'server CPU per MiB, ms', 'bytes of a file, ms', 'finishing it, ms'),
    rule(5),
    ...fewUploads.counts.flatMap((count) =>
      Object.entries(names).map(([way, name]) => {
        const results = few.flatMap((round) => round[`${way} ${String(count)}`] ?? []);
        return row(
          `${String(count)} of ${String(fileBytes / MIB)} MiB: ${name}`,
          cell(results.map(megabytesPerSecond), 0),
          cell(results.map(cpuMsPerMib), 2),
          cell(
            results.map(({ bytesMs }) => bytesMs),
            0,
          ),
          way === 'chunks'
            ? cell(
                results.map(({ finishMs }) => finishMs),
                0,
              )
            : '',
        );
      }),
    ),
  ];
};

const STEPS = {
  append: 'chunks are written',
  gather: 'the upload is copied',
  inspect: 'it is read, hashed and looked at',
  put: 'it is made sure to be on disk, and named',
} as const;

const stepsTable = ({ steps }: AttachmentsMeasured, { fileBytes }: Plan): string[] => [
  row('one file, without connections', 'ms', 'CPU per MiB, ms'),
  rule(3),
  ...(Object.keys(STEPS) as (keyof typeof STEPS)[]).map((step) =>
    row(
      STEPS[step],
      cell(
        steps.map((round) => round[step].ms),
        1,
      ),
      cell(
        steps.map((round) => round[step].cpuMs / (fileBytes / MIB)),
        2,
      ),
    ),
  ),
];

/** Tables in Markdown: medians, with the least and the most of all rounds in brackets. */
export const attachmentsReport = (measured: AttachmentsMeasured, plan: Plan, roundCount: number): string =>
  [
    `Node ${process.version}, ${String(availableParallelism())} cores, medians of ${String(roundCount)} rounds. In brackets: least and most.`,
    memoryTable(measured, plan).join('\n'),
    besideTable(measured, plan).join('\n'),
    chunkingTable(measured, plan).join('\n'),
    fewTable(measured, plan).join('\n'),
    stepsTable(measured, plan).join('\n'),
  ].join('\n\n');
