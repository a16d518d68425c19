import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Blobs } from '../../src/ports/blobs.ts';
import { noise, sha256Of, testFolder } from '../support/files.ts';
import { describeUploads } from './contract-uploads-suite.ts';
import type { Storage } from './storages.ts';
import { appendAll, blobOf, freshName, gathered, listed, putBytes, resume } from './support.ts';

/** What every storage of attachments does, whatever it keeps them in. */
export const describeBlobs = (name: string, make: () => Promise<Storage>): void => {
  describe(`blobs in ${name}`, () => {
    let storage: Storage;
    let blobs: Blobs;

    beforeAll(async () => {
      storage = await make();
      blobs = await storage.open();
    });
    afterAll(async () => {
      await blobs.close();
      await storage.remove();
    });

    it('has room', async () => {
      expect(await blobs.freeBytes()).toBeGreaterThan(0);
    });

    describeUploads(() => ({ storage, blobs }));

    describe('a blob', () => {
      it.each([0, 1, 1_000, 300_000])('of %i bytes is read as it was put, by all', async (length) => {
        const content = noise(length, 20);
        const key = freshName();
        await putBytes(blobs, key, content, testFolder());
        expect(sha256Of((await blobOf(blobs, key))!)).toBe(sha256Of(content));
        const other = await storage.open();
        expect(sha256Of((await blobOf(other, key))!)).toBe(sha256Of(content));
        await other.close();
      });

      it.each([
        [0, 9],
        [1, 1],
        [4_999, 5_000],
        [0, 9_999],
        [9_999, 9_999],
        [70, 9_000],
      ])('is read from byte %i to %i', async (start, end) => {
        const content = noise(10_000, 21);
        const key = freshName();
        await putBytes(blobs, key, content, testFolder());
        expect(await blobOf(blobs, key, { start, end })).toEqual(content.subarray(start, end + 1));
      });

      it('that is not there is null, and can be removed', async () => {
        expect(await blobs.read(freshName())).toBeNull();
        expect(await blobs.read(freshName(), { start: 5, end: 9 })).toBeNull();
        await blobs.remove(freshName());
      });

      it('is removed for all, as often as it is done', async () => {
        const key = freshName();
        await putBytes(blobs, key, noise(100), testFolder());
        await blobs.remove(key);
        await blobs.remove(key);
        expect(await blobs.read(key)).toBeNull();
        expect((await listed(blobs.blobs())).has(key)).toBe(false);
      });

      it('is replaced when it is put again, also with itself', async () => {
        const key = freshName();
        const folder = testFolder();
        await putBytes(blobs, key, noise(50_000, 22), folder);
        const content = noise(20, 23);
        const path = join(folder, 'second');
        writeFileSync(path, content);
        await blobs.put(key, path);
        expect(await blobOf(blobs, key)).toEqual(content);
        await blobs.put(key, path);
        expect(await blobOf(blobs, key)).toEqual(content);
      });

      it('is a copy: it stays when the file goes', async () => {
        const key = freshName();
        const path = join(testFolder(), 'source');
        writeFileSync(path, 'as it was put');
        await blobs.put(key, path);
        expect(existsSync(path)).toBe(true);
        rmSync(path);
        writeFileSync(path, 'another one');
        expect((await blobOf(blobs, key))?.toString()).toBe('as it was put');
      });

      it('of a file that is not there rejects and leaves what there was', async () => {
        const key = freshName();
        const folder = testFolder();
        await expect(blobs.put(key, join(folder, 'nothing'))).rejects.toThrow();
        expect(await blobs.read(key)).toBeNull();
        await putBytes(blobs, key, noise(100, 24), folder);
        await expect(blobs.put(key, join(folder, 'nothing'))).rejects.toThrow();
        expect(await blobOf(blobs, key)).toEqual(noise(100, 24));
      });

      it('shares no name with an upload', async () => {
        const name = freshName();
        await appendAll(blobs, name, noise(3_000, 25), { chunkBytes: 1_000 });
        expect(await blobs.read(name)).toBeNull();
        await putBytes(blobs, name, noise(2_000, 26), testFolder());
        await blobs.discard(name);
        expect(await blobOf(blobs, name)).toEqual(noise(2_000, 26));
        await appendAll(blobs, name, noise(3_000, 25), { chunkBytes: 1_000 });
        await blobs.remove(name);
        expect(await blobs.received(name)).toBe(3_000);
      });

      it('is listed once, with the time at which it was put', async () => {
        const before = Date.now() - storage.clockErrorMs;
        const folder = testFolder();
        const keys = Array.from({ length: 30 }, freshName);
        for (const key of [...keys, ...keys]) await putBytes(blobs, key, noise(10), folder);
        const found = await listed(blobs.blobs());
        for (const key of keys) {
          expect(found.get(key)).toBeGreaterThanOrEqual(before);
          expect(found.get(key)).toBeLessThanOrEqual(Date.now() + storage.clockErrorMs);
        }
      });

      it.each(['abc..', '..abc', 'a..b', '.hidden', '-', '_', 'a.thumbnail', 'x', 'X', '0'.repeat(120)])(
        'whose key is %s stays in its place',
        async (key) => {
          const before = storage.top();
          await putBytes(blobs, key, Buffer.from(key), testFolder());
          expect((await blobOf(blobs, key))?.toString()).toBe(key);
          expect((await listed(blobs.blobs())).has(key)).toBe(true);
          expect(storage.top()).toEqual(before);
          await blobs.remove(key);
          expect(await blobs.read(key)).toBeNull();
        },
      );
    });

    describe('out of reach', () => {
      const refused = { code: 'unavailable' };

      /** Tries again until what it has in hand is too much to be only remembered. */
      const appendLots = async (upload: string, from: number): Promise<void> => {
        for (let offset = from; offset < from + 10_000; offset += 1_000)
          await blobs.append(upload, offset, noise(1_000, 31));
      };

      it('everything is refused, and works again afterwards', { timeout: 60_000 }, async () => {
        const [upload, key, folder] = [freshName(), freshName(), testFolder()];
        const content = noise(9_000, 30);
        await appendAll(blobs, upload, content.subarray(0, 3_000), { chunkBytes: 1_000 });
        await putBytes(blobs, key, content, folder);
        await storage.goOutOfReach();
        try {
          const calls: Record<string, () => Promise<unknown>> = {
            received: () => blobs.received(upload),
            'append to a new one': () => appendLots(freshName(), 0),
            'append from within': () => blobs.append(freshName(), 5_000, content),
            gather: () => blobs.gather(upload),
            discard: () => blobs.discard(upload),
            uploads: () => listed(blobs.uploads()),
            put: () => putBytes(blobs, key, noise(10), folder),
            read: () => blobs.read(key),
            'read a range': () => blobs.read(key, { start: 1, end: 2 }),
            remove: () => blobs.remove(key),
            blobs: () => listed(blobs.blobs()),
          };
          for (const [what, call] of Object.entries(calls)) await expect(call(), what).rejects.toMatchObject(refused);
        } finally {
          await storage.comeBack();
        }
        expect(await blobOf(blobs, key)).toEqual(content);
        await resume(blobs, upload, content, { chunkBytes: 1_000 });
        expect((await gathered(blobs, upload)).equals(content)).toBe(true);
        const other = freshName();
        await appendAll(blobs, other, content, { chunkBytes: 2_000 });
        await putBytes(blobs, key, noise(10), folder);
        expect(await blobOf(blobs, key)).toEqual(noise(10));
      });

      it('an upload goes on where it was kept to', { timeout: 60_000 }, async () => {
        const upload = freshName();
        const content = noise(20_000, 32);
        await appendAll(blobs, upload, content.subarray(0, 5_000), { chunkBytes: 500 });
        await storage.goOutOfReach();
        try {
          for (let offset = 5_000; offset < 9_000; offset += 500)
            await blobs.append(upload, offset, content.subarray(offset, offset + 500)).catch(() => undefined);
        } finally {
          await storage.comeBack();
        }
        await resume(blobs, upload, content, { chunkBytes: 500 });
        expect(await blobs.received(upload)).toBe(content.length);
        expect((await gathered(blobs, upload)).equals(content)).toBe(true);
      });
    });
  });
};
