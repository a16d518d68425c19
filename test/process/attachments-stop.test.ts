import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { Clients, type TestClient } from '../support/client.ts';
import { open } from '../support/company.ts';
import { photo, sha256Of } from '../support/files.ts';
import { ServerProcess } from '../support/process.ts';
import { customer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { beginPayload, filesIn, sendChunks, textOf, upload } from '../support/uploader.ts';

const PROMPT_EXIT_MS = 5_000;

const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

const dataFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-upload-stop-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const start = (env: Record<string, string>): ServerProcess => {
  const server = new ServerProcess(env);
  onTestFinished(() => server.end('SIGKILL').then(() => undefined));
  return server;
};

/** A client that comes back, as often as it has to, wherever the server is then. */
const returning = (url: () => Promise<string>): (() => Promise<TestClient>) => {
  let client: TestClient | undefined;
  return async () => {
    if (client?.socket.connected === true) return client;
    client = await clients.connect(await url(), customer('ann'));
    return client;
  };
};

/** Processes that a process has started (proc(5)). */
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number);

describe('SIGTERM', () => {
  it('[FILE-2] [DRAIN-1] in the middle of an upload: what is resumed at the next server equals the original', async () => {
    const DATA_DIR = dataFolder();
    let server = start({ DATA_DIR });
    const connection = returning(() => server.url());
    const { id } = await open(await connection());
    const data = textOf(2_000_000, 1);
    let stopped: Promise<number | null> | undefined;
    const file = { conversationId: id, name: 'a.txt', data };
    const attachment = await upload(connection, file, {
      chunkBytes: 16_384,
      onProgress: (receivedBytes) => {
        if (receivedBytes < 500_000 || stopped !== undefined) return;
        stopped = server.end('SIGTERM');
        server = start({ DATA_DIR });
      },
    });
    expect(await stopped).toBe(0);
    expect(attachment).toMatchObject({ state: 'ready', sha256: sha256Of(data), size: data.length });
    await until('the rest to go', () => filesIn(DATA_DIR).length === 1);
  });

  it('[DRAIN-1] [FILE-7] while the scanner is slow: it ends in time, and the next server goes on', async () => {
    const DATA_DIR = dataFolder();
    const folder = dataFolder();
    const command = join(folder, 'scan');
    const held = join(folder, 'held');
    writeFileSync(command, `#!/bin/sh\ntouch '${folder}/asked'\nwhile [ -e '${held}' ]; do sleep 0.05; done\nexit 0\n`);
    chmodSync(command, 0o755);
    const env = {
      DATA_DIR,
      ATTACHMENTS_SCAN_COMMAND: command,
      DESKWIRE_LIMITS: JSON.stringify({ requestTimeoutMs: 1_000 }),
    };
    const server = start(env);
    const ann = await clients.connect(await server.url(), customer('ann'));
    const { id } = await open(ann);
    writeFileSync(held, '');
    onTestFinished(() => rmSync(held, { force: true }));
    const data = textOf(5_000, 2);
    const file = { conversationId: id, clientAttachmentId: 'one', name: 'a.txt', data };
    const { attachmentId } = await ann.request('attachment:begin', beginPayload(file));
    await sendChunks(ann, { attachmentId, data, from: 0, chunkBytes: 5_000 });
    expect(await ann.request('attachment:finish', { attachmentId })).toMatchObject({
      attachment: { state: 'checking' },
    });
    const started = Date.now();
    expect(await server.end('SIGTERM')).toBe(0);
    expect(Date.now() - started).toBeLessThan(PROMPT_EXIT_MS);
    rmSync(held);

    const next = start(env);
    const back = await clients.connect(await next.url(), customer('ann'));
    expect(await upload(back, file)).toMatchObject({ id: attachmentId, state: 'ready', sha256: sha256Of(data) });
  });
});

describe('SIGKILL', () => {
  it.skipIf(!existsSync('/proc/self/task'))('of the server ends the process that looks at images too', async () => {
    const DATA_DIR = dataFolder();
    const server = start({ DATA_DIR });
    const ann = await clients.connect(await server.url(), customer('ann'));
    const { id } = await open(ann);
    await upload(ann, { conversationId: id, name: 'a.png', data: await photo({ type: 'png' }) });
    const children = childrenOf(server.child.pid ?? 0);
    expect(children).toHaveLength(1);
    await server.end('SIGKILL');
    // What has ended and was not yet collected has no command line.
    const runs = (pid: number): boolean => {
      try {
        return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8') !== '';
      } catch {
        return false;
      }
    };
    await until('the children to end', () => !children.some(runs));
  });

  it('[FILE-2] of the process that looks at images costs nobody anything: the image is looked at again', async () => {
    const DATA_DIR = dataFolder();
    const server = start({ DATA_DIR });
    const ann = await clients.connect(await server.url(), customer('ann'));
    const { id } = await open(ann);
    for (let round = 0; round < 3; round += 1) {
      const data = await photo({ width: 200 + round });
      const done = upload(ann, { conversationId: id, name: 'a.jpg', data });
      const child = await until('the process', () => childrenOf(server.child.pid ?? 0)[0]);
      process.kill(child, 'SIGKILL');
      expect(await done).toMatchObject({ state: 'ready', sha256: sha256Of(data), width: 200 + round });
    }
    await ann.request('conversation:history', { conversationId: id });
  });
});
