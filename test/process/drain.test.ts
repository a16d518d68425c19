import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { Reply, ReplyData } from '../../src/contract/contract.ts';
import type { Entry } from '../../src/contract/schemas.ts';
import { Clients, type TestClient } from '../support/client.ts';
import { ServerProcess } from '../support/process.ts';
import { agent, customer, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { IdlePoller } from './idle-poller.ts';
import { slowLine } from './slow-line.ts';

/** The drain's parts are bounded by 2 s for what waits and twice 1 s for what closes; with nothing slow it takes far less. */
const EXIT_BOUND_MS = 6_000;
const PROMPT_EXIT_MS = 2_000;

const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

const dataFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-drain-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
};

const start = (env: Record<string, string> = {}): ServerProcess => {
  const server = new ServerProcess({
    DATA_DIR: env['DATA_DIR'] ?? dataFolder(),
    DESKWIRE_LIMITS: JSON.stringify({ requestsPerSecond: 100_000, handshakesPerSecond: 100_000 }),
    ...env,
  });
  onTestFinished(() => server.end('SIGKILL').then(() => undefined));
  return server;
};

/** Exit code, and how long it took from the signal on. */
const terminated = async (server: ServerProcess): Promise<{ code: number | null; tookMs: number }> => {
  const started = Date.now();
  const code = await server.end('SIGTERM');
  return { code, tookMs: Date.now() - started };
};

type Sent = { clientMessageId: string; replies: Reply<ReplyData<'message:send'>>[] };

/** Sends without waiting for replies, a few at a time, until it is told that the server drains. */
const keepSending = async (client: TestClient, name: string): Promise<Sent[]> => {
  const sent: Sent[] = [];
  while (client.all('server:draining').length === 0 && client.socket.connected) {
    for (let index = 0; index < 5; index += 1) {
      const item: Sent = { clientMessageId: `${name}-${String(sent.length)}`, replies: [] };
      sent.push(item);
      client.socket.emit('message:send', { clientMessageId: item.clientMessageId, text: 'x' }, (reply) =>
        item.replies.push(reply),
      );
    }
    const answered = () => sent.filter(({ replies }) => replies.length > 0).length;
    const before = answered();
    // Never more than a handful ahead of the replies, so that the traffic is steady and not one heap.
    await until(
      'replies',
      () =>
        answered() > before ||
        answered() === sent.length ||
        !client.socket.connected ||
        client.all('server:draining').length > 0,
    );
  }
  return sent;
};

describe('SIGTERM', () => {
  it('[DRAIN-1] [REQ-1] under traffic: everybody is told, every request gets one reply, nothing acknowledged is lost', async () => {
    const DATA_DIR = dataFolder();
    const server = start({ DATA_DIR });
    const url = await server.url();
    const people = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        clients.connect(url, customer(`customer-${String(index)}`), {
          transports: [index % 4 === 3 ? 'polling' : 'websocket'],
        }),
      ),
    );
    const traffic = people.map((client, index) => keepSending(client, `c${String(index)}`));
    await until('traffic', () => people.every((client) => client.all('message:created').length > 20));
    const exit = terminated(server);

    const sent = await Promise.all(traffic);
    const { code, tookMs } = await exit;
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(EXIT_BOUND_MS);
    for (const client of people) {
      const [told, ...again] = client.all('server:draining');
      expect(told?.reconnectAfterMs).toBeGreaterThan(0);
      expect(again).toEqual([]);
    }
    for (const { clientMessageId, replies } of sent.flat()) {
      expect(replies.length, clientMessageId).toBe(1);
      const [reply] = replies;
      if (reply?.ok === false)
        expect(reply.error, clientMessageId).toMatchObject({ code: 'draining', retryable: true });
    }

    const restarted = start({ DATA_DIR });
    const next = await restarted.url();
    for (const [index, requests] of sent.entries()) {
      const client = await clients.connect(next, customer(`customer-${String(index)}`));
      const { conversations } = await client.request('conversation:list', {});
      const log: Entry[] = [];
      for (let hasMore = true; hasMore;) {
        const page = await client.request('conversation:history', {
          conversationId: conversations[0]?.id ?? '',
          afterSeq: log.length,
          limit: 200,
        });
        log.push(...page.entries);
        ({ hasMore } = page);
      }
      const kept = new Map(
        log.flatMap((entry) => (entry.type === 'message:created' ? [[entry.clientMessageId, entry.id]] : [])),
      );
      for (const { clientMessageId, replies } of requests) {
        const [reply] = replies;
        // Refused means that it is not there; acknowledged, that it is, as it was acknowledged.
        expect(kept.get(clientMessageId), clientMessageId).toBe(reply?.ok === true ? reply.data.entry.id : undefined);
      }
    }
  });

  it.each(['websocket', 'polling'])(
    '[DRAIN-1] [REQ-1] on a slow line over %s: what was sent before its sender was told gets its reply too',
    async (transport) => {
      const server = start();
      const line = await slowLine(await server.url(), 60);
      onTestFinished(line.close);
      const client = await clients.connect(line.url, customer('ann'), { transports: [transport] });
      await client.request('message:send', { clientMessageId: 'first', text: 'x' });
      const replies: Reply[] = [];
      let sent = 0;
      const exit = terminated(server);
      while (client.all('server:draining').length === 0) {
        // A fast machine would send tens of thousands here, more than the line carries in the time that a drain has.
        if (sent < 2_000) {
          sent += 1;
          client.socket.emit('conversation:list', {}, (reply) => replies.push(reply));
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await exit).code).toBe(0);
      await until('the end of the connection', () => client.socket.disconnected);
      expect(replies).toHaveLength(sent);
      const refused = replies.flatMap((reply) => (reply.ok ? [] : [reply.error.code]));
      expect(new Set(refused)).toEqual(new Set(['draining']));
    },
  );

  it('[DRAIN-1] is visible: /readyz says draining, and handshakes are refused with 503 and Retry-After', async () => {
    const server = start();
    const url = await server.url();
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    // Somebody who does not fetch what waits for him keeps the drain going until its bound.
    await IdlePoller.open(url, tokenFor(customer('ann')));
    const exit = terminated(server);
    let ready = await fetch(`${url}/readyz`);
    while (ready.status === 200) ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ code: 'unavailable', reasons: ['draining'] });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    const polled = await fetch(`${url}/socket.io/?EIO=4&transport=polling`);
    expect([polled.status, polled.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await polled.json()).toMatchObject({ code: 'draining', retryable: true });
    const upgraded = await new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
      socket.on('unexpected-response', (_request, { statusCode, headers }) => {
        resolve([statusCode, headers['retry-after']]);
        socket.terminate();
      });
      socket.on('open', () => reject(new Error('the handshake was taken')));
      socket.on('error', () => undefined);
    });
    expect(upgraded).toEqual([503, '1']);
    const { code, tookMs } = await exit;
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(EXIT_BOUND_MS);
  });

  it('[DRAIN-1] lets stock clients come back by themselves, over websocket and over polling, and go on where they were', async () => {
    const DATA_DIR = dataFolder();
    const server = start({ DATA_DIR });
    const url = await server.url();
    const bob = await clients.connect(url, agent('bob'));
    const returning = await Promise.all(
      [['websocket'], ['polling'], ['polling', 'websocket']].map((transports, index) =>
        clients.connect(url, customer(`customer-${String(index)}`), {
          transports,
          reconnection: true,
          reconnectionDelay: 100,
          reconnectionDelayMax: 500,
        }),
      ),
    );
    const sent = await Promise.all(
      returning.map((client) => client.request('message:send', { clientMessageId: 'before', text: 'x' })),
    );
    expect(await terminated(server)).toMatchObject({ code: 0 });
    await until('bob to be cut', () => bob.socket.disconnected);

    const restarted = start({ DATA_DIR, PORT: new URL(url).port });
    expect(await restarted.url()).toBe(url);
    await Promise.all(
      returning.map(async (client, index) => {
        await until('the second session', () => client.all('session:ready').length === 2);
        const { conversationId, seq } = sent[index]?.entry ?? { conversationId: '', seq: 0 };
        const page = await client.request('conversation:join', { conversationId, afterSeq: seq - 1 });
        expect(page.entries.map((entry) => entry.id)).toEqual([sent[index]?.entry.id]);
        expect(await client.request('message:send', { clientMessageId: 'before', text: 'x' })).toMatchObject({
          duplicate: true,
        });
      }),
    );
  });

  it('[DRAIN-1] is not held up by connections that are idle, half open, silent or deaf', async () => {
    const server = start();
    const url = await server.url();
    const { hostname, port } = new URL(url);
    await Promise.all(
      Array.from({ length: 5 }, (_, index) =>
        clients.connect(url, customer(`idle-${String(index)}`), { transports: ['polling'] }),
      ),
    );
    const idle = start();
    const idleUrl = await idle.url();
    await Promise.all(
      ['websocket', 'polling'].map((transport) =>
        clients.connect(idleUrl, customer('idle'), { transports: [transport] }),
      ),
    );
    const { code, tookMs } = await terminated(idle);
    expect(code).toBe(0);
    expect(tookMs, 'with nothing under way and nobody slow').toBeLessThan(PROMPT_EXIT_MS);

    const open = (text: string) => {
      const socket = connectTcp(Number(port), hostname, () => socket.write(text));
      socket.on('error', () => undefined);
      onTestFinished(() => {
        socket.destroy();
      });
      return socket;
    };
    open('');
    open('GET /healthz HTTP/1.1\r\nHost: x\r\n');
    // Says hello to the engine, and never signs in.
    const silent = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    silent.on('error', () => undefined);
    await new Promise((resolve) => silent.once('open', resolve));
    // Signs in, and never reads again: neither what is sent to it nor the goodbye.
    const deaf = await clients.connect(url, customer('deaf'));
    const { ws } = deaf.socket.io.engine.transport as unknown as { ws: WebSocket };
    ws.pause();
    await IdlePoller.open(url, tokenFor(customer('gone')));
    const end = await terminated(server);
    expect(end.code).toBe(0);
    expect(end.tookMs).toBeLessThan(EXIT_BOUND_MS);
  });

  it('[DRAIN-1] a second one ends it at once', async () => {
    const server = start();
    const url = await server.url();
    await IdlePoller.open(url, tokenFor(customer('ann')));
    const exit = terminated(server);
    await until('the drain to begin', () => server.stdout.includes('"msg":"draining"'));
    const { code, tookMs } = await Promise.race([exit, terminated(server)]);
    expect(code).toBe(1);
    expect(tookMs).toBeLessThan(2_000);
  });
});
