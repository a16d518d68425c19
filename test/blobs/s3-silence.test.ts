import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openS3Blobs } from '../../src/store/blobs/s3.ts';
import { testFolder } from '../support/files.ts';
import { S3_ENV } from '../support/s3.ts';

/** A storage that answers where it is asked whether it is there, and nothing else. */
const silentStorage = async () => {
  Object.assign(process.env, S3_ENV);
  const server = createServer((request, response) => {
    if (request.method === 'HEAD') response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const place = { bucket: 'files', prefix: '', region: 'us-east-1', endpoint, forcePathStyle: true };
  return openS3Blobs({ place, tempFolder: testFolder(), partBytes: 10 });
};

describe('a storage that does not answer', () => {
  it('is given up: who asked is told, and the next may try again', async () => {
    const blobs = await silentStorage();
    const unavailable = { code: 'unavailable' };
    await Promise.all([
      expect(blobs.received('a')).rejects.toMatchObject(unavailable),
      expect(blobs.read('b')).rejects.toMatchObject(unavailable),
      expect(blobs.append('c', 0, Buffer.alloc(20)).then(() => blobs.gather('c'))).rejects.toMatchObject(unavailable),
    ]);
    await expect(blobs.received('c')).rejects.toMatchObject(unavailable);
    await blobs.close();
  });

  it('does not keep a server from stopping', async () => {
    const blobs = await silentStorage();
    await blobs.append('a', 0, Buffer.alloc(20));
    const reading = expect(blobs.read('b')).rejects.toMatchObject({ code: 'unavailable' });
    const startedAt = performance.now();
    await blobs.close();
    await reading;
    // Without being told, requests are given up after five seconds, twice.
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });
});
