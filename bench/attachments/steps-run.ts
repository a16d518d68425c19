import { join } from 'node:path';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { createImages } from '../../src/media/images.ts';
import { createInspector } from '../../src/media/inspector.ts';
import { AttachmentTypes } from '../../src/media/types.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { Log } from '../../src/ports/log.ts';
import { noMetrics } from '../../src/ports/metrics.ts';
import { openDiskBlobs } from '../../src/store/blobs/disk.ts';
import { makeFiles, type UploadFile } from './files.ts';
import type { AttachmentResults, StepsJob, StepTimes } from './jobs.ts';
import { median } from '../statistics.ts';

type Step = keyof AttachmentResults['steps'];

/** What becomes of an upload's bytes once they are read from a connection, step by step, one file after the other. */
export const runSteps = async ({
  folder,
  fileBytes,
  fileCount,
  chunkBytes,
}: StepsJob): Promise<AttachmentResults['steps']> => {
  const bad = (fields: object, message: string): never => {
    throw new Error(message, { cause: fields });
  };
  const log: Log = { debug: () => undefined, info: () => undefined, warn: bad, error: bad };
  const clock = systemClock;
  const { signal } = new AbortController();
  const blobs = await openDiskBlobs({ folder: join(folder, 'attachments'), log });
  const inspector = createInspector({
    types: new AttachmentTypes(['application/pdf']),
    images: createImages({ clock, log }),
    scanner: undefined,
    tempFolder: folder,
    limits: DEFAULT_LIMITS,
    ...{ clock, log, metrics: noMetrics },
  });
  const taken: Record<Step, StepTimes[]> = { append: [], gather: [], inspect: [], put: [] };
  const timed = async <T>(step: Step, work: () => Promise<T>): Promise<T> => {
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    const result = await work();
    const ms = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpuBefore);
    taken[step].push({ ms, cpuMs: (user + system) / 1_000 });
    return result;
  };
  const keep = async ({ name, mediaType, bytes, sha256 }: UploadFile): Promise<void> => {
    await timed('append', async () => {
      for (let at = 0; at < bytes.length; at += chunkBytes)
        await blobs.append(name, at, bytes.subarray(at, at + chunkBytes));
    });
    const gathered = await timed('gather', () => blobs.gather(name));
    const claim = { name, mediaType };
    const inspected = await timed('inspect', () =>
      inspector.inspect({ path: gathered.path, claim, size: bytes.length, sha256, deadline: Infinity, signal }),
    );
    await timed('put', () => blobs.put(name, inspected.path));
    await inspected.release();
    await gathered.release();
    await blobs.discard(name);
  };
  for (const file of await makeFiles(fileCount, fileBytes, 0)) await keep(file);
  await inspector.close();
  await blobs.close();
  const medianOf = (step: Step): StepTimes => ({
    ms: median(taken[step].map(({ ms }) => ms)),
    cpuMs: median(taken[step].map(({ cpuMs }) => cpuMs)),
  });
  return { append: medianOf('append'), gather: medianOf('gather'), inspect: medianOf('inspect'), put: medianOf('put') };
};
