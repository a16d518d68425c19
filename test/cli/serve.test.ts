import { createServer, type AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCli, startCli, temporaryFolder, type Started } from './run.ts';

interface ReadyLine {
  readonly msg: string;
  readonly url: string;
}

const readyUrl = async ({ stdout }: Started): Promise<string> => {
  const find = (): ReadyLine | undefined =>
    stdout()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as ReadyLine)
      .find(({ msg }) => msg === 'listening');
  await expect.poll(find, { timeout: 20_000 }).toBeDefined();
  return find()?.url ?? '';
};

const environment = (): Record<string, string> => ({ DATA_DIR: temporaryFolder(), PORT: '0', HOST: '127.0.0.1' });

describe('deskwire serve', () => {
  test('serves, signs in who has a token of the same environment, and ends with 0 on SIGTERM', async () => {
    const env = environment();
    const started = startCli(['serve'], env);
    const url = await readyUrl(started);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);

    const { stdout: token } = await runCli(['token', '--role', 'customer', '--sub', 'ann'], env);
    // Over WebSocket from the start: a client cut in the middle of its upgrade notices only at its ping timeout.
    const socket = io(url, { auth: { token: token.trim() }, forceNew: true, transports: ['websocket'] });
    onTestFinished(() => {
      socket.close();
    });
    const ready = await new Promise((resolve) => socket.once('session:ready', resolve));
    expect(ready).toMatchObject({ userId: 'ann', role: 'customer', tenant: 'default' });

    const left = new Promise<string>((resolve) => socket.once('disconnect', resolve));
    started.child.kill('SIGTERM');
    expect(await left).not.toBe('io server disconnect');
    expect((await started.ended).code).toBe(0);
  });

  test('ends on SIGINT as well', async () => {
    const started = startCli(['serve'], environment());
    await readyUrl(started);
    started.child.kill('SIGINT');
    expect((await started.ended).code).toBe(0);
  });

  test('a signal while it still starts ends it with 0 too, and a second one at once with 1', async () => {
    const [patient, hurried] = [startCli(['serve'], environment()), startCli(['serve'], environment())];
    // The secret is made early in a start, so its notice is out before the port is open.
    for (const started of [patient, hurried]) {
      await expect.poll(started.stdout, { timeout: 20_000, interval: 1 }).toContain('development secret');
      started.child.kill('SIGTERM');
    }
    hurried.child.kill('SIGINT');
    expect((await patient.ended).code).toBe(0);
    expect((await hurried.ended).code).toBe(1);
  });

  test('a configuration that is wrong ends it with 78', async () => {
    const { code, stdout, stderr } = await runCli(['serve'], { ...environment(), NODE_ENV: 'production' });
    expect([code, stdout]).toEqual([78, '']);
    expect(stderr).toContain('DESKWIRE_JWT_SECRET');
  });

  test('a port that is taken ends it with 1 and one line', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => {
      other.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void other.close());
    const port = String((other.address() as AddressInfo).port);
    const { code, stderr } = await runCli(['serve'], { ...environment(), PORT: port });
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^.*127\\.0\\.0\\.1:${port}.*PORT.*\n$`));
  });

  test('a data folder that is a file ends it with 1 and one line', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    const { code, stderr } = await runCli(['serve'], { ...environment(), DATA_DIR: file });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr).toContain(file);
  });
});
