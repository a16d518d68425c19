import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Blobs } from '../../src/ports/blobs.ts';
import { openS3Blobs, type S3Place } from '../../src/store/blobs/s3.ts';
import { noise, testFolder } from '../support/files.ts';
import { seedOf } from '../support/random.ts';
import { startS3, type TestS3 } from '../support/s3.ts';
import { describeBlobs } from './contract-suite.ts';
import { s3Storage } from './storages.ts';
import { appendAll, blobOf, freshName, gathered, listed, putBytes, resume } from './support.ts';
import { walk } from './walk.ts';

describeBlobs('a bucket', s3Storage);

describe('a bucket of attachments', () => {
  let s3: TestS3;
  let tempFolder: string;
  beforeAll(async () => {
    s3 = await startS3();
    tempFolder = mkdtempSync(join(tmpdir(), 'deskwire-blobs-'));
  });
  afterAll(async () => {
    await s3.remove();
    rmSync(tempFolder, { recursive: true, force: true });
  });

  const openBlobs = async (place: Partial<S3Place> = {}, partBytes = 1_000): Promise<Blobs> => {
    const blobs = await openS3Blobs({ place: { ...s3.place, ...place }, tempFolder, partBytes });
    onTestFinished(() => blobs.close());
    return blobs;
  };

  it('does, through a long walk, what a model does', { timeout: 120_000 }, async () => {
    const seed = seedOf(4_711);
    const storage = await s3Storage();
    onTestFinished(() => storage.remove());
    for (let round = 0; round < 2; round += 1) await walk(storage, seed + round, 150, testFolder());
  });

  it('shows nothing of what stands under another prefix', async () => {
    const [one, other] = [await openBlobs({ prefix: 'one/' }), await openBlobs({ prefix: 'one-more/' })];
    await putBytes(one, 'a_1', noise(10), testFolder());
    await appendAll(one, 'a_2', noise(3_000), { chunkBytes: 1_000 });
    expect(await other.read('a_1')).toBeNull();
    expect(await other.received('a_2')).toBe(0);
    expect((await listed(other.blobs())).size + (await listed(other.uploads())).size).toBe(0);
    await other.discard('a_2');
    await other.remove('a_1');
    expect(await blobOf(one, 'a_1')).toEqual(noise(10));
    expect(await one.received('a_2')).toBe(3_000);
  });

  it(
    'has more blobs than one page of a list, and warns of nothing while many are put at once',
    { timeout: 60_000 },
    async () => {
      const warnings: Error[] = [];
      const onWarning = (warning: Error): unknown => warnings.push(warning);
      process.on('warning', onWarning);
      onTestFinished(() => void process.off('warning', onWarning));
      const blobs = await openBlobs({ prefix: 'pages/' });
      const path = join(testFolder(), 'source');
      writeFileSync(path, 'x');
      const keys = Array.from({ length: 1_050 }, freshName);
      for (let from = 0; from < keys.length; from += 30)
        await Promise.all(keys.slice(from, from + 30).map((key) => blobs.put(key, path)));
      expect([...(await listed(blobs.blobs())).keys()].sort()).toEqual(keys.sort());
      expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
    },
  );

  it('keeps next to nothing of an upload in memory once it is sent, and nothing that came in its packet', async () => {
    const blobs = await openBlobs({ prefix: 'memory/' });
    const packet = noise(2_000);
    const upload = freshName();
    await blobs.append(upload, 0, packet.subarray(0, 900));
    packet.fill(0);
    await resume(blobs, upload, noise(2_000), { chunkBytes: 900 });
    expect((await gathered(blobs, upload)).equals(noise(2_000))).toBe(true);
  });

  it('serves others while many read slowly', { timeout: 60_000 }, async () => {
    const blobs = await openBlobs({ prefix: 'slow/' });
    const content = noise(3_000_000);
    await putBytes(blobs, 'a_1', content, testFolder());
    const reading: Readable[] = [];
    try {
      for (let reader = 0; reader < 120; reader += 1) {
        const body = await blobs.read('a_1');
        body!.on('error', () => undefined);
        reading.push(body!);
      }
      await putBytes(blobs, 'a_2', noise(10), testFolder());
      expect(await blobOf(blobs, 'a_2')).toEqual(noise(10));
    } finally {
      for (const body of reading) body.destroy();
    }
    expect((await blobOf(blobs, 'a_1'))?.equals(content)).toBe(true);
  });

  it('that is gone is out of reach, and not an empty one', { timeout: 60_000 }, async () => {
    const own = await startS3('short-lived');
    onTestFinished(() => own.remove());
    const blobs = await openS3Blobs({ place: own.place, tempFolder, partBytes: 1_000 });
    onTestFinished(() => blobs.close());
    await putBytes(blobs, 'a_1', noise(10), testFolder());
    rmSync(own.folder, { recursive: true });
    const refused = { code: 'unavailable' };
    await expect(listed(blobs.blobs())).rejects.toMatchObject(refused);
    await expect(blobs.received('a_2')).rejects.toMatchObject(refused);
    await expect(putBytes(blobs, 'a_1', noise(10), testFolder())).rejects.toMatchObject(refused);
    await expect(blobs.read('a_1')).rejects.toMatchObject(refused);
    await expect(blobs.remove('a_1')).rejects.toMatchObject(refused);
  });

  it('that is not there is refused at the start, by the setting and its name', async () => {
    const opening = openBlobs({ bucket: 'nobody-made-it' });
    await expect(opening).rejects.toThrow(/ATTACHMENTS_URL: the bucket nobody-made-it can't be read \(No[a-zA-Z]+/);
  });

  it('of a server that is not there is refused at the start', { timeout: 60_000 }, async () => {
    const gone = await startS3();
    await gone.remove();
    const opening = openS3Blobs({ place: gone.place, tempFolder });
    await expect(opening).rejects.toThrow(/ATTACHMENTS_URL: the bucket attachments can't be read/);
  });
});
