import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Blobs } from '../../src/ports/blobs.ts';
import { noise, sha256Of } from '../support/files.ts';
import type { Storage } from './storages.ts';
import { appendAll, freshName, gathered, listed, resume } from './support.ts';

/** The part of the contract that is about what grows. @param scene is there once the tests run */
export const describeUploads = (scene: () => { storage: Storage; blobs: Blobs }): void => {
  describe('an upload', () => {
    let storage: Storage;
    let blobs: Blobs;
    beforeAll(() => {
      ({ storage, blobs } = scene());
    });

    it('that nobody began has nothing', async () => {
      expect(await blobs.received(freshName())).toBe(0);
    });

    it.each([1, 999, 1_000, 1_001, 4_096, 70_000])('in chunks of %i bytes is what was sent', async (chunkBytes) => {
      const upload = freshName();
      const content = noise(Math.min(70_000, chunkBytes * 40), chunkBytes);
      expect(await appendAll(blobs, upload, content, { chunkBytes })).toBe(content.length);
      expect(await blobs.received(upload)).toBe(content.length);
      expect(sha256Of(await gathered(blobs, upload))).toBe(sha256Of(content));
    });

    it('goes on in another process', async () => {
      const upload = freshName();
      const content = noise(20_000, 2);
      await appendAll(blobs, upload, content.subarray(0, 7_350), { chunkBytes: 350 });
      const other = await storage.open();
      const kept = await other.received(upload);
      expect(kept).toBeGreaterThan(storage.losesTails ? 5_000 : 7_349);
      expect(kept).toBeLessThanOrEqual(7_350);
      expect(await resume(other, upload, content, { chunkBytes: 512 })).toBe(content.length);
      expect((await gathered(other, upload)).equals(content)).toBe(true);
      expect(await blobs.received(upload)).toBe(content.length);
      expect((await gathered(blobs, upload)).equals(content)).toBe(true);
      await other.close();
    });

    it('goes to and fro between two processes, and is what was sent', async () => {
      const upload = freshName();
      const content = noise(30_000, 3);
      const other = await storage.open();
      for (let turn = 0; (await other.received(upload)) < content.length; turn += 1) {
        expect(turn).toBeLessThan(100);
        await resume(turn % 2 === 0 ? blobs : other, upload, content, { chunkBytes: 700, chunks: 4 });
        if (turn === 20) await resume(other, upload, content, { chunkBytes: 700 });
      }
      expect((await gathered(blobs, upload)).equals(content)).toBe(true);
      await other.close();
    });

    it('of a process that was killed has a right beginning, and is resumed', async () => {
      const upload = freshName();
      const content = noise(12_000, 4);
      for (let life = 0; life < 5; life += 1) {
        const killed = await storage.open();
        await resume(killed, upload, content, { chunkBytes: 330, chunks: 5 });
      }
      const heir = await storage.open();
      const kept = await heir.received(upload);
      expect(kept).toBeGreaterThan(0);
      expect((await gathered(heir, upload)).equals(content.subarray(0, kept))).toBe(true);
      await resume(heir, upload, content, { chunkBytes: 330 });
      expect((await gathered(heir, upload)).equals(content)).toBe(true);
      await heir.close();
    });

    it('gets nothing beyond its end, and says where that is: from a process that does not know it', async () => {
      const upload = freshName();
      const content = noise(5_000, 5);
      expect(await blobs.append(upload, 1_000, content.subarray(1_000))).toBe(0);
      expect(await blobs.received(upload)).toBe(0);
      await appendAll(blobs, upload, content.subarray(0, 3_000), { chunkBytes: 1_500 });
      const other = await storage.open();
      const kept = await other.received(upload);
      expect(await other.append(upload, 4_000, content.subarray(4_000))).toBe(kept);
      expect((await gathered(other, upload)).equals(content.subarray(0, kept))).toBe(true);
      await other.close();
    });

    it('gets nothing beyond its end, and says where that is: from the process that has just added to it', async () => {
      const upload = freshName();
      const content = noise(5_000, 6);
      await blobs.append(upload, 0, content.subarray(0, 2_500));
      expect(await blobs.append(upload, 4_000, content.subarray(4_000))).toBe(2_500);
      expect(await blobs.received(upload)).toBe(2_500);
      expect((await gathered(blobs, upload)).equals(content.subarray(0, 2_500))).toBe(true);
    });

    it.each([
      ['all', 0, 2_500],
      ['the beginning', 0, 400],
      ['what is in the middle', 1_200, 300],
      ['the last bytes', 2_300, 200],
      ['the last bytes and more', 2_300, 900],
    ])('keeps what follows when %s is written again', async (_, offset, length) => {
      const upload = freshName();
      const content = noise(6_000, 7);
      await appendAll(blobs, upload, content.subarray(0, 2_500), { chunkBytes: 500 });
      const end = Math.max(2_500, offset + length);
      const kept = await blobs.append(upload, offset, content.subarray(offset, offset + length));
      expect(kept).toBeGreaterThanOrEqual(offset + length);
      expect(kept).toBeLessThanOrEqual(end);
      expect(await blobs.received(upload)).toBe(end);
      await resume(blobs, upload, content, { chunkBytes: 500 });
      expect((await gathered(blobs, upload)).equals(content)).toBe(true);
    });

    it('keeps what follows when another process, which lags behind, writes its beginning again', async () => {
      const upload = freshName();
      const content = noise(9_000, 8);
      await appendAll(blobs, upload, content, { chunkBytes: 3_000 });
      const lagging = await storage.open();
      await lagging.append(upload, 0, content.subarray(0, 1_100));
      expect(await lagging.received(upload)).toBe(9_000);
      expect(await blobs.received(upload)).toBe(9_000);
      expect((await gathered(blobs, upload)).equals(content)).toBe(true);
      await lagging.close();
    });

    it('that two processes add to at once, the same bytes, has those bytes', async () => {
      const content = noise(24_000, 9);
      const other = await storage.open();
      for (const [one, two] of [
        [700, 1_100],
        [1_500, 1_000],
        [250, 2_000],
      ] as const) {
        const upload = freshName();
        await Promise.all([
          appendAll(blobs, upload, content, { chunkBytes: one }),
          appendAll(other, upload, content, { chunkBytes: two }),
        ]);
        await resume(other, upload, content, { chunkBytes: two });
        expect((await gathered(other, upload)).equals(content)).toBe(true);
        expect((await gathered(blobs, upload)).equals(content)).toBe(true);
      }
      await other.close();
    });

    it('is gathered into a file of its own: what comes later does not change it', async () => {
      const upload = freshName();
      const content = noise(8_000, 10);
      await appendAll(blobs, upload, content.subarray(0, 5_000), { chunkBytes: 900 });
      const file = await blobs.gather(upload);
      const other = await storage.open();
      await resume(other, upload, content, { chunkBytes: 900 });
      await blobs.append(upload, 0, noise(5_000, 11));
      await blobs.discard(upload);
      expect(readFileSync(file.path).equals(content.subarray(0, 5_000))).toBe(true);
      await file.release();
      expect(existsSync(file.path)).toBe(false);
      await file.release();
      await other.close();
    });

    it('that is discarded is gone for all, as often as it is done', async () => {
      const upload = freshName();
      await appendAll(blobs, upload, noise(5_000, 12), { chunkBytes: 500 });
      const other = await storage.open();
      expect(await other.received(upload)).toBeGreaterThan(0);
      await other.discard(upload);
      await blobs.discard(upload);
      await blobs.discard(upload);
      await blobs.discard(freshName());
      expect(await blobs.received(upload)).toBe(0);
      expect((await listed(blobs.uploads())).has(upload)).toBe(false);
      await other.close();
    });

    it('that is discarded right after its last bytes stays gone', async () => {
      for (let round = 0; round < 5; round += 1) {
        const upload = freshName();
        await blobs.append(upload, 0, noise(4_000));
        await blobs.discard(upload);
        // Whatever was on its way would arrive before this does.
        await appendAll(blobs, freshName(), noise(9_000), { chunkBytes: 3_000 });
        expect(await blobs.received(upload)).toBe(0);
      }
    });

    it('that another process discarded begins anew', async () => {
      const upload = freshName();
      await appendAll(blobs, upload, noise(5_000, 13), { chunkBytes: 500 });
      const other = await storage.open();
      await other.discard(upload);
      const content = noise(4_000, 14);
      await resume(blobs, upload, content, { chunkBytes: 1_000 });
      expect(await blobs.received(upload)).toBe(4_000);
      expect((await gathered(blobs, upload)).equals(content)).toBe(true);
      await other.close();
    });

    it('is listed once, with the time of its last bytes', async () => {
      const before = Date.now() - storage.clockErrorMs;
      const uploads = [freshName(), freshName(), `${freshName()}-`, freshName()];
      for (const upload of uploads) await appendAll(blobs, upload, noise(4_000), { chunkBytes: 1_000 });
      const found = await listed(blobs.uploads());
      for (const upload of uploads) {
        expect(found.get(upload)).toBeGreaterThanOrEqual(before);
        expect(found.get(upload)).toBeLessThanOrEqual(Date.now() + storage.clockErrorMs);
      }
    });

    it('is one of many at once', { timeout: 60_000 }, async () => {
      const contents = Array.from({ length: storage.manyUploads }, (_, index) => noise(3_000, 100 + index));
      const uploads = contents.map(() => freshName());
      for (let offset = 0; offset < 3_000; offset += 1_000) {
        const kept = await Promise.all(
          contents.map((content, index) =>
            blobs.append(uploads[index]!, offset, content.subarray(offset, offset + 1_000)),
          ),
        );
        expect(new Set(kept)).toEqual(new Set([offset + 1_000]));
      }
      for (const [index, content] of contents.entries()) {
        const found = await gathered(blobs, uploads[index]!);
        if (!found.equals(content)) throw new Error(`upload ${String(index)} is not what was sent`);
      }
      await Promise.all(uploads.map((upload) => blobs.discard(upload)));
      const left = await listed(blobs.uploads());
      expect(uploads.filter((upload) => left.has(upload))).toEqual([]);
    });
  });
};
