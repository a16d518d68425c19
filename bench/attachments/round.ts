import { setTimeout as wait } from 'node:timers/promises';
import type { AttachmentResults, AttachmentTarget, UploadsJob, Way, Window } from './jobs.ts';
import { MemoryWatch, type Growth } from './memory.ts';
import type { Plan } from './plan.ts';
import { LARGE_CHUNKS, UNBOUNDED, runJob, startAttachmentServer, startMessages } from './servers.ts';
import type { Built } from '../build.ts';
import { removeFolder, temporaryFolder } from '../children.ts';
import { quantile } from '../statistics.ts';

type Kind = AttachmentTarget['kind'];
type Uploads = AttachmentResults['uploads'];

/** The way in which each takes a file. */
const WAY_OF: Record<Kind, Way> = { peer: 'whole', deskwire: 'chunks' };

export type Memory = Uploads & Growth;

export interface Delays {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Small messages without uploads, beside uploads, and beside the same uploads to another server. */
export const SITUATIONS = ['none', 'here', 'elsewhere'] as const;
export type Situation = (typeof SITUATIONS)[number];

export interface Beside {
  readonly delays: Readonly<Record<Situation, Delays>>;
  readonly uploads: Readonly<Record<Exclude<Situation, 'none'>, Uploads>>;
  readonly lateP99Ms: number;
}

export interface Measuring {
  readonly built: Built;
  readonly plan: Plan;
}

const uploadsJob = (way: Way, { fileBytes, chunking }: Plan, more: Partial<UploadsJob> = {}): UploadsJob => ({
  ...{ kind: 'uploads', way, connectionCount: 1, filesEach: 1, fileBytes, photoCount: 0 },
  ...chunking,
  ...more,
});

const crowdOf = (way: Way, plan: Plan, more: Partial<UploadsJob> = {}): UploadsJob =>
  uploadsJob(way, plan, { connectionCount: plan.crowd.uploadCount, photoCount: plan.crowd.photoCount, ...more });

type Pair = Readonly<Record<Kind, AttachmentTarget>>;
const WAYS = ['thrown-away', 'whole', 'chunks'] as const satisfies readonly Way[];
const targetOf = (way: Way, { deskwire, peer }: Pair): AttachmentTarget => (way === 'chunks' ? deskwire : peer);

/** Memory that many uploads at once take of a server that has just started. */
const measureMemory = async ({ built, plan }: Measuring, target: AttachmentTarget): Promise<Memory> => {
  const watch = new MemoryWatch(target.pid);
  const uploads = await runJob(built, target, crowdOf(WAY_OF[target.kind], plan));
  return { ...uploads, ...watch.during(uploads.window) };
};

/** Small messages of other connections, with uploads and without in turns. */
const measureBeside = async (
  { built, plan }: Measuring,
  target: AttachmentTarget,
  other: AttachmentTarget,
): Promise<Beside> => {
  const { quietMs, ...sizes } = plan.messages;
  const messages = await startMessages(built, target, { kind: 'messages', ...sizes });
  const quiet: Window[] = [];
  const upload = async (to: AttachmentTarget): Promise<Uploads> => {
    const fromMs = Date.now();
    await wait(quietMs);
    quiet.push({ fromMs, toMs: Date.now() });
    return runJob(built, to, crowdOf(WAY_OF[to.kind], plan, { photoCount: 0 }));
  };
  const here = await upload(target);
  const elsewhere = await upload(other);
  const { samples, lateP99Ms } = await messages.end();
  const during = (windows: readonly Window[]): Delays => {
    const took = samples
      .filter(([sentAt]) => windows.some(({ fromMs, toMs }) => sentAt >= fromMs && sentAt < toMs))
      .map(([, tookMs]) => tookMs);
    return { count: took.length, p50Ms: quantile(took, 0.5), p99Ms: quantile(took, 0.99) };
  };
  return {
    delays: {
      none: during(quiet),
      here: during([here.window]),
      elsewhere: during([elsewhere.window]),
    },
    uploads: { here, elsewhere },
    lateP99Ms,
  };
};

/** Many uploads at once: the memory they take, and small messages beside them. */
export const measureCrowd = async (measuring: Measuring, kind: Kind): Promise<{ memory: Memory; beside: Beside }> => {
  const { built } = measuring;
  const [server, other] = await Promise.all([startAttachmentServer(kind, built), startAttachmentServer(kind, built)]);
  try {
    const memory = await measureMemory(measuring, server.target);
    return { memory, beside: await measureBeside(measuring, server.target, other.target) };
  } finally {
    await Promise.all([server.stop(), other.stop()]);
  }
};

/** One row of the table by which the size of a chunk is chosen. */
export interface Chunked {
  readonly line: AttachmentResults['line'];
  /** On the loopback; undefined: not of this way. */
  readonly uploads: Uploads | undefined;
}

/** Who uploads alone, by size of chunk and number in flight: over a slow line, and as fast as it goes. */
const measureChunkings = async (
  { built, plan }: Measuring,
  { deskwire, peer }: Pair,
): Promise<Record<string, Chunked>> => {
  const { sizes, inFlight } = plan.chunkings;
  const { fileBytes, messagesPerSecond, ...line } = plan.line;
  const common = { kind: 'line', line, fileBytes, messagesPerSecond } as const;
  const idle = await runJob(built, deskwire, { ...common, way: null, ...plan.chunking });
  const rows: Record<string, Chunked> = { 'nothing uploaded': { line: idle, uploads: undefined } };
  const { filesEach } = plan.fewUploads;
  for (const chunkBytes of sizes) {
    for (const count of inFlight) {
      const chunking = { chunkBytes, inFlight: count };
      const uploads = await runJob(built, deskwire, uploadsJob('chunks', plan, { ...chunking, filesEach }));
      const slow = await runJob(built, deskwire, { ...common, way: 'chunks', ...chunking });
      rows[`${String(chunkBytes / 1024)} KiB, ${String(count)} in flight`] = { line: slow, uploads };
    }
  }
  const whole = await runJob(built, peer, { ...common, way: 'whole', ...plan.chunking });
  rows['bare Socket.IO, the whole file in one event'] = { line: whole, uploads: undefined };
  return rows;
};

/** A few uploads at once, each way: what they cost the server. */
const measureFew = async ({ built, plan }: Measuring, pair: Pair): Promise<Record<string, Uploads>> => {
  const { counts, filesEach } = plan.fewUploads;
  const rows: Record<string, Uploads> = {};
  for (const way of WAYS) {
    for (const connectionCount of counts) {
      const job = uploadsJob(way, plan, { connectionCount, filesEach });
      rows[`${way} ${String(connectionCount)}`] = await runJob(built, targetOf(way, pair), job);
    }
  }
  return rows;
};

/** Few uploads at once, on servers that are warm: code that runs for the first time costs several times as much. */
export const measureAlone = async (
  measuring: Measuring,
): Promise<{ chunkings: Record<string, Chunked>; few: Record<string, Uploads> }> => {
  const { built, plan } = measuring;
  const [deskwire, peer] = await Promise.all([
    startAttachmentServer('deskwire', built, { ...LARGE_CHUNKS, ...UNBOUNDED }),
    startAttachmentServer('peer', built),
  ]);
  try {
    const pair = { deskwire: deskwire.target, peer: peer.target };
    for (const way of plan.warmUpFileCount === 0 ? [] : WAYS)
      await runJob(built, targetOf(way, pair), uploadsJob(way, plan, { filesEach: plan.warmUpFileCount }));
    return { chunkings: await measureChunkings(measuring, pair), few: await measureFew(measuring, pair) };
  } finally {
    await Promise.all([deskwire.stop(), peer.stop()]);
  }
};

export const measureSteps = async ({ built, plan }: Measuring): Promise<AttachmentResults['steps']> => {
  const folder = temporaryFolder();
  try {
    const { fileBytes, stepFileCount, chunking } = plan;
    return await runJob(built, null, { kind: 'steps', folder, fileBytes, fileCount: stepFileCount, ...chunking });
  } finally {
    removeFolder(folder);
  }
};
