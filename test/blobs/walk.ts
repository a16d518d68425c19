import type { Blobs } from '../../src/ports/blobs.ts';
import { noise } from '../support/files.ts';
import { Random } from '../support/random.ts';
import type { Storage } from './storages.ts';
import { blobOf, freshName, gathered, listed, putBytes } from './support.ts';

const UPLOADS = 4;
const KEYS = 4;
const MAX_BYTES = 12_000;

interface Upload {
  name: string;
  /** What a client wants to send. */
  content: Buffer;
  /** Bytes that are kept, as far as its process said. */
  kept: number;
  /** Bytes that were ever said to be kept: what a process has on its way when another takes over may arrive later. */
  sent: number;
  /** Another process had it before. */
  moved: boolean;
  /** Which process works on it. */
  process: number;
}

const expectEqual = (what: string, found: unknown, expected: unknown): void => {
  if (found !== expected) throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}`);
};

const expectBytes = (what: string, found: Buffer | null, expected: Buffer | null): void => {
  if (found === null || expected === null) expectEqual(what, found, expected);
  else if (!found.equals(expected))
    throw new Error(`${what}: found other bytes (${String(found.length)}), expected ${String(expected.length)}`);
};

/**
 * Processes that come and go, uploads and blobs in any order, compared with what they should be. An upload is worked on by
 * one process at a time; another asks what was received before it goes on, as every node does.
 */
export const walk = async (storage: Storage, seed: number, steps: number, folder: string): Promise<void> => {
  const random = new Random(seed);
  const processes: Blobs[] = [await storage.open(), await storage.open()];
  const fresh = (): Upload => ({
    name: freshName(),
    content: noise(1 + random.below(MAX_BYTES), random.below(1_000_000)),
    kept: 0,
    sent: 0,
    moved: false,
    process: random.below(processes.length),
  });
  const uploads = Array.from({ length: UPLOADS }, fresh);
  const blobs = new Map<string, Buffer | null>(Array.from({ length: KEYS }, () => [freshName(), null]));
  const of = ({ process }: Upload): Blobs => processes[process]!;

  const learn = (what: string, upload: Upload, kept: number, least: number): void => {
    const most = storage.losesTails ? Math.max(upload.sent, least) : least;
    if (kept < least || kept > most)
      throw new Error(`${what}: found ${String(kept)}, expected ${String(least)} to ${String(most)}`);
    upload.kept = kept;
    upload.sent = Math.max(upload.sent, kept);
  };

  const actions: Record<string, (upload: Upload) => Promise<void>> = {
    append: async (upload) => {
      const bytes = upload.content.subarray(upload.kept, upload.kept + 1 + random.below(1_800));
      learn('append', upload, await of(upload).append(upload.name, upload.kept, bytes), upload.kept + bytes.length);
    },
    again: async (upload) => {
      if (upload.kept === 0) return;
      const offset = random.below(upload.kept);
      const bytes = upload.content.subarray(offset, offset + 1 + random.below(2_500));
      await of(upload).append(upload.name, offset, bytes);
      const end = Math.max(upload.kept, offset + bytes.length);
      learn('received after a repetition', upload, await of(upload).received(upload.name), end);
    },
    beyond: async (upload) => {
      const offset = Math.max(upload.kept, upload.sent) + 1 + random.below(2_000);
      learn('append beyond', upload, await of(upload).append(upload.name, offset, noise(100)), upload.kept);
    },
    received: async (upload) => learn('received', upload, await of(upload).received(upload.name), upload.kept),
    gather: async (upload) => {
      if (upload.kept === 0) return;
      const found = await gathered(of(upload), upload.name);
      learn('gathered', upload, found.length, upload.kept);
      expectBytes('gather', found, upload.content.subarray(0, upload.kept));
    },
    takeOver: async (upload) => {
      upload.process = random.below(processes.length);
      upload.moved = true;
      learn('received elsewhere', upload, await of(upload).received(upload.name), storage.losesTails ? 0 : upload.kept);
    },
    discard: async (upload) => {
      await of(upload).discard(upload.name);
      const left = await of(upload).received(upload.name);
      // What the other process had on its way arrives all the same; a sweep finds it.
      if (!(upload.moved && storage.losesTails)) expectEqual('received after discard', left, 0);
      // A name is never used for other bytes.
      Object.assign(upload, fresh());
    },
    put: async () => {
      const key = random.pick([...blobs.keys()]);
      const content = noise(random.below(MAX_BYTES), random.below(1_000_000));
      await putBytes(random.pick(processes), key, content, folder);
      blobs.set(key, content);
    },
    read: async () => {
      const [key, content] = random.pick([...blobs]);
      expectBytes('read', await blobOf(random.pick(processes), key), content);
    },
    readRange: async () => {
      const [key, content] = random.pick([...blobs]);
      if (content === null || content.length < 2) return;
      const start = random.below(content.length - 1);
      const end = Math.max(1, start + random.below(content.length - start));
      const found = await blobOf(random.pick(processes), key, { start, end });
      expectBytes('read range', found, content.subarray(start, end + 1));
    },
    remove: async () => {
      const key = random.pick([...blobs.keys()]);
      await random.pick(processes).remove(key);
      blobs.set(key, null);
    },
    list: async () => {
      const found = await listed(random.pick(processes).blobs());
      for (const [key, content] of blobs) expectEqual(`${key} is listed`, found.has(key), content !== null);
    },
    kill: async () => {
      const killed = random.below(processes.length);
      processes[killed] = await storage.open();
      for (const upload of uploads) upload.moved = true;
      for (const upload of uploads.filter(({ process }) => process === killed)) {
        const least = storage.losesTails ? 0 : upload.kept;
        learn('received after a kill', upload, await of(upload).received(upload.name), least);
      }
    },
  };
  const bag = Object.entries({
    ...{ append: 40, again: 6, beyond: 4, received: 8, gather: 4, takeOver: 6, discard: 3 },
    ...{ put: 6, read: 5, readRange: 5, remove: 2, list: 2, kill: 2 },
  }).flatMap(([name, share]) => Array.from({ length: share }, () => name));

  const taken: string[] = [];
  try {
    for (let step = 0; step < steps; step += 1) {
      const name = random.pick(bag);
      const index = random.below(UPLOADS);
      taken.push(`${name} ${String(index)}`);
      if (uploads[index]!.kept === uploads[index]!.content.length && name === 'append')
        Object.assign(uploads[index]!, fresh());
      await actions[name]!(uploads[index]!);
    }
    for (const upload of uploads) {
      while (upload.kept < upload.content.length) await actions['append']!(upload);
      await actions['gather']!(upload);
    }
  } catch (error) {
    throw new Error(`seed ${String(seed)}, step ${String(taken.length)} (…${taken.slice(-8).join(', ')})`, {
      cause: error,
    });
  } finally {
    await Promise.all(processes.map((process) => process.close()));
  }
};
