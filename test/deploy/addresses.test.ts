import { request } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ServerProcess } from '../support/process.ts';
import { startProxy } from '../support/proxy.ts';
import { freePorts } from '../support/redis.ts';

const PER_SECOND = 5;

/** The status of a handshake that comes from this address of the machine. */
const handshake = (port: number, from: string, forwardedFor?: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const asked = request(
      {
        ...{ host: '127.0.0.1', port, localAddress: from, path: '/socket.io/?EIO=4&transport=polling' },
        ...(forwardedFor !== undefined && { headers: { 'x-forwarded-for': forwardedFor } }),
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      },
    );
    asked.on('error', reject);
    asked.end();
  });

it('behind the proxy each client is counted by its own address, whatever it says of itself', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-addresses-'));
  const server = new ServerProcess({
    DATA_DIR: folder,
    DESKWIRE_TRUSTED_PROXIES: '1',
    DESKWIRE_LIMITS: JSON.stringify({ handshakesPerSecond: PER_SECOND }),
  });
  onTestFinished(async () => {
    await server.end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const { host } = new URL(await server.url());
  // Two of its three nodes are gone, and nobody notices.
  const gone = await freePorts(2);
  const proxy = await startProxy([`127.0.0.1:${String(gone[0])}`, host, `127.0.0.1:${String(gone[1])}`]);
  onTestFinished(() => proxy.stop());

  const flood = await Promise.all(
    Array.from({ length: 40 }, (_, index) => handshake(proxy.port, '127.0.0.1', `192.0.2.${String(index)}`)),
  );
  expect(new Set(flood)).toEqual(new Set([200, 429]));
  expect(flood.filter((status) => status === 429).length).toBeGreaterThan(PER_SECOND);
  expect(await handshake(proxy.port, '127.0.0.2')).toBe(200);
});
