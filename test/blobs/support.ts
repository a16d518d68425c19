import { writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BlobInfo, Blobs, ByteRange } from '../../src/ports/blobs.ts';
import { nanoid } from 'nanoid';

/** Storages are shared by the tests of a file: each has names of its own. */
export const freshName = (): string => `a_${nanoid()}`;

export const listed = async (blobs: AsyncIterable<BlobInfo>): Promise<Map<string, number>> => {
  const found = new Map<string, number>();
  for await (const { key, changedAt } of blobs) {
    expect(found.has(key), `${key} is listed twice`).toBe(false);
    found.set(key, changedAt);
  }
  return found;
};

export const blobOf = async (blobs: Blobs, key: string, range?: ByteRange): Promise<Buffer | null> => {
  const body = await blobs.read(key, range);
  if (body === null) return null;
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
};

/** What an upload has, as whoever looks at it gets it. */
export const gathered = async (blobs: Blobs, upload: string): Promise<Buffer> => {
  const file = await blobs.gather(upload);
  try {
    return readFileSync(file.path);
  } finally {
    await file.release();
  }
};

export const putBytes = async (blobs: Blobs, key: string, bytes: Uint8Array, folder: string): Promise<void> => {
  const path = join(folder, `source-${nanoid()}`);
  writeFileSync(path, bytes);
  await blobs.put(key, path);
};

/** Adds all of it from `from` on, and gives what `append` said last. */
export const appendAll = async (
  blobs: Blobs,
  upload: string,
  content: Buffer,
  { from = 0, chunkBytes }: { from?: number; chunkBytes: number },
): Promise<number> => {
  let kept = from;
  for (let offset = from; offset < content.length; offset += chunkBytes) {
    kept = await blobs.append(upload, offset, content.subarray(offset, offset + chunkBytes));
    expect(kept).toBe(Math.min(content.length, offset + chunkBytes));
  }
  return kept;
};

/** As a client does: asks where to go on, and goes on there, until all of it is kept. */
export const resume = async (
  blobs: Blobs,
  upload: string,
  content: Buffer,
  { chunkBytes, chunks = Infinity }: { chunkBytes: number; chunks?: number },
): Promise<number> => {
  let offset = await blobs.received(upload);
  for (let sent = 0; sent < chunks && offset < content.length; sent += 1)
    offset = await blobs.append(upload, offset, content.subarray(offset, offset + chunkBytes));
  return offset;
};
