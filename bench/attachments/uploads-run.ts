import { setPriority } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { UploadClient } from './upload-client.ts';
import { makeFiles, type UploadFile } from './files.ts';
import type { AttachmentResults, AttachmentTarget, UploadsJob } from './jobs.ts';
import { checkWhole, sendFile, type UploadTimes } from './uploads.ts';
import type { ClientOptions } from '../client.ts';
import { cpuMicros } from '../process-usage.ts';
import { median } from '../statistics.ts';

/** Uploaders have machines of their own in real life: here the server and whoever measures it go first. */
const NICENESS = 10;
/** The server's memory before the upload is looked at in this time. */
const SETTLE_MS = 200;

interface Uploader {
  readonly client: UploadClient;
  readonly conversationId: string;
  readonly files: readonly UploadFile[];
}

const signIn = async (
  { kind }: AttachmentTarget,
  options: ClientOptions,
  name: string,
  files: readonly UploadFile[],
): Promise<Uploader> => {
  const client = new UploadClient({ sub: name, role: 'customer' }, options);
  await client.client.ready();
  if (kind === 'peer') return { client, files, conversationId: name };
  const { data } = await client.client.request('conversation:open', {});
  return { client, files, conversationId: (data as { conversation: { id: string } }).conversation.id };
};

/** Uploads from many connections at once. @throws when one is refused, or arrives as another file */
export const runUploads = async (
  target: AttachmentTarget,
  options: ClientOptions,
  job: UploadsJob,
): Promise<AttachmentResults['uploads']> => {
  const { way, connectionCount, filesEach, fileBytes, photoCount } = job;
  setPriority(NICENESS);
  const files = await makeFiles(connectionCount * filesEach, fileBytes, photoCount * filesEach);
  const uploaders = await Promise.all(
    Array.from({ length: connectionCount }, (_, index) =>
      signIn(
        target,
        options,
        `uploader-${String(process.pid)}-${String(index)}`,
        files.slice(index * filesEach, (index + 1) * filesEach),
      ),
    ),
  );
  await wait(SETTLE_MS);

  const times: UploadTimes[] = [];
  const serverBefore = cpuMicros(target.pid);
  const ownBefore = cpuMicros(process.pid);
  const fromMs = performance.timeOrigin + performance.now();
  await Promise.all(
    uploaders.map(async (uploader) => {
      for (const file of uploader.files) times.push(await sendFile(way, { ...uploader, file, chunking: job }));
    }),
  );
  const window = { fromMs, toMs: performance.timeOrigin + performance.now() };
  const serverCpuMicros = cpuMicros(target.pid) - serverBefore;
  const loadCpuMicros = cpuMicros(process.pid) - ownBefore;

  for (const { client, files } of uploaders) {
    if (way === 'whole') for (const file of files) await checkWhole(client, file);
    client.client.close();
  }
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0);
  if (times.length !== files.length)
    throw new Error(`${String(times.length)} files arrived, expected ${String(files.length)}`);
  return {
    ...{ window, serverCpuMicros, loadCpuMicros, bytes },
    bytesMs: median(times.map(({ bytesMs }) => bytesMs)),
    finishMs: median(times.map(({ finishMs }) => finishMs)),
  };
};
