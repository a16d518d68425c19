import { connect, type Socket as NetSocket } from 'node:net';
import { Server } from 'socket.io';
import { io as connectClient, type Socket } from 'socket.io-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { createAdmission, type AdmissionOptions } from '../../src/transport/http/admission.ts';
import { createHandshakePace, type HandshakePace } from '../../src/transport/http/handshake-pace.ts';
import { startHttp } from './start.ts';

const POLLING = '/socket.io/?EIO=4&transport=polling';
const WEBSOCKET = '/socket.io/?EIO=4&transport=websocket';

/** A real Socket.IO server behind the admission; the clock stands still unless it is moved. */
const start = async (overrides: Partial<AdmissionOptions> = {}) => {
  const time = { nowMs: 1_700_000_000_000 };
  const { app, port, url } = await startHttp();
  const server = new Server(app.server, { cors: { origin: ['https://shop.example'], credentials: true } });
  createAdmission({
    limits: DEFAULT_LIMITS,
    allowedOrigins: ['https://shop.example'],
    trustedProxyCount: 0,
    clock: { ...systemClock, now: () => time.nowMs },
    isDraining: () => false,
    connectionsFrom: () => server.engine.clientsCount,
    pace: createHandshakePace({ clock: systemClock }),
    ...overrides,
  }).guard(app.server);
  onTestFinished(() => {
    server.disconnectSockets(true);
    app.server.closeAllConnections();
  });
  return { port, url, time, server };
};

const client = (url: string, transport: 'polling' | 'websocket'): Socket => {
  const socket = connectClient(url, { transports: [transport], forceNew: true, reconnectionDelay: 20 });
  onTestFinished(() => {
    socket.close();
  });
  return socket;
};

const connected = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.connected) resolve();
    else socket.once('connect', resolve);
  });

/** A handshake by hand, for its status line and headers. */
const upgrade = (port: number, path = WEBSOCKET, headers: Record<string, string> = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const all = {
      Host: `127.0.0.1:${String(port)}`,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connect(port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (text.startsWith('HTTP/1.1 101')) socket.destroy();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });

const handshake = (url: string, headers: Record<string, string> = {}, path = POLLING) => fetch(url + path, { headers });

describe('new sessions', () => {
  test.each(['polling', 'websocket'] as const)(
    'pass over %s, and so do their requests and upgrades',
    async (transport) => {
      const { url } = await start({ limits: { ...DEFAULT_LIMITS, handshakesPerSecond: 1 } });
      await connected(client(url, transport));
    },
  );

  test('pass, and go from polling to WebSocket, with one handshake', async () => {
    const { url } = await start({ limits: { ...DEFAULT_LIMITS, handshakesPerSecond: 1 } });
    const socket = connectClient(url, { forceNew: true });
    onTestFinished(() => {
      socket.close();
    });
    await connected(socket);
    await expect.poll(() => socket.io.engine.transport.name).toBe('websocket');
  });

  test('are refused while draining, and stock clients come back when it is over', async () => {
    let draining = true;
    const { url, port } = await start({ isDraining: () => draining });
    const answer = await handshake(url);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(await answer.json()).toMatchObject({ status: 503, code: 'draining', retryable: true });
    expect(await upgrade(port)).toMatch(
      /^HTTP\/1\.1 503 Service Unavailable\r\n[^]*retry-after: 1\r\n[^]*"code":"draining"/,
    );

    const sockets = [client(url, 'polling'), client(url, 'websocket')];
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect_error', resolve))));
    draining = false;
    await Promise.all(sockets.map(connected));
  });

  test('are limited in number by address', async () => {
    const { url, port } = await start({ limits: { ...DEFAULT_LIMITS, connectionsPerAddress: 2 } });
    const first = client(url, 'websocket');
    await Promise.all([first, client(url, 'polling')].map(connected));
    const answer = await handshake(url);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '5']);
    expect(await answer.json()).toMatchObject({ code: 'too_many_connections' });
    expect(await upgrade(port)).toMatch(/^HTTP\/1\.1 429 /);
    first.close();
    await expect.poll(async () => (await handshake(url)).status).toBe(200);
  });

  test('are limited in rate by address, whatever a client writes into X-Forwarded-For', async () => {
    const { url, time } = await start({ limits: { ...DEFAULT_LIMITS, handshakesPerSecond: 3 } });
    const statuses = async (count: number) => {
      const found: number[] = [];
      for (let at = 0; at < count; at += 1) {
        found.push((await handshake(url, { 'x-forwarded-for': `192.0.2.${String(at)}` })).status);
      }
      return found;
    };
    expect(await statuses(5)).toEqual([200, 200, 200, 429, 429]);
    time.nowMs += 2_000;
    expect(await statuses(1)).toEqual([200]);
  });

  test('behind a trusted proxy are told apart by what the proxy saw', async () => {
    const { url } = await start({ limits: { ...DEFAULT_LIMITS, handshakesPerSecond: 1 }, trustedProxyCount: 1 });
    const from = async (forwarded: string) => (await handshake(url, { 'x-forwarded-for': forwarded })).status;
    expect(await from('192.0.2.1')).toBe(200);
    expect(await from('192.0.2.2')).toBe(200);
    expect(await from('198.51.100.7, 192.0.2.2')).toBe(429);
    expect(await from('2001:db8:1:2::1')).toBe(200);
    expect(await from('2001:db8:1:2:3:4:5:6')).toBe(429);
    expect(await from('2001:db8:1:3::1')).toBe(200);
  });

  test('can not slip by as a session that is open already', async () => {
    const { url, port } = await start({ isDraining: () => true });
    for (const query of ['&sid=', '&sid=x&sid=', '&%73id=', '#&sid=x', '&t=1#?sid=x']) {
      const path = POLLING + query;
      const line = await upgrade(port, path, { Connection: 'close', Upgrade: '' });
      expect(line.slice(0, 12), query).toBe('HTTP/1.1 503');
      expect((await upgrade(port, WEBSOCKET + query)).slice(0, 12), query).toBe('HTTP/1.1 503');
    }
    expect((await handshake(url, {}, `${POLLING}&sid=unknown`)).status).toBe(400);
  });
});

describe('handshakes that have to wait', () => {
  /** A pace at which nobody comes in before the test says so. */
  const held = () => {
    const waiting: (() => boolean)[] = [];
    const pace: HandshakePace = {
      enter: (_address, letIn) => waiting.push(letIn) > 0,
      get waitingCount() {
        return waiting.length;
      },
      waitingFrom: () => 0,
    };
    const letIn = (): boolean[] => waiting.splice(0).map((one) => one());
    const untilWaiting = (count: number) => expect.poll(() => waiting.length).toBe(count);
    return { pace, waiting, letIn, untilWaiting };
  };

  test('pass when it is their turn, over both transports', async () => {
    const { pace, letIn, untilWaiting } = held();
    const { url } = await start({ pace });
    const sockets = [client(url, 'polling'), client(url, 'websocket')];
    await untilWaiting(2);
    expect(letIn()).toEqual([true, true]);
    await Promise.all(sockets.map(connected));
  });

  test('are refused then, if the node drains now or the address has used up its connections', async () => {
    const { pace, waiting, letIn, untilWaiting } = held();
    let draining = false;
    const limits = { ...DEFAULT_LIMITS, connectionsPerAddress: 1 };
    const { url, port, server } = await start({ pace, limits, isDraining: () => draining });
    const [overWebSocket, overPolling] = [upgrade(port), handshake(url)];
    await untilWaiting(2);
    draining = true;
    expect(letIn()).toEqual([false, false]);
    expect(await overWebSocket).toMatch(/^HTTP\/1\.1 503 [^]*"code":"draining"/);
    expect((await overPolling).status).toBe(503);

    draining = false;
    const [first, second] = [client(url, 'websocket'), upgrade(port)];
    await untilWaiting(2);
    const [one, other] = waiting.splice(0);
    one?.();
    await expect.poll(() => server.engine.clientsCount).toBe(1);
    expect(other?.()).toBe(false);
    // Which of the two came first is not known.
    if (!first.connected) first.close();
    else expect(await second).toMatch(/^HTTP\/1\.1 429 [^]*"code":"too_many_connections"/);
  });

  test.each([
    ['reset its connection', (socket: NetSocket) => void socket.resetAndDestroy()],
    ['closed its connection', (socket: NetSocket) => void socket.destroy()],
  ])('are forgotten when the client %s meanwhile, and harm nobody', async (_how, leave) => {
    const { pace, letIn, untilWaiting } = held();
    const { url, port } = await start({ pace });
    const gone = connect(port, '127.0.0.1', () => {
      gone.write(`GET ${WEBSOCKET} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    });
    await untilWaiting(1);
    leave(gone);
    const socket = client(url, 'websocket');
    await untilWaiting(2);
    await expect.poll(letIn).toEqual([false, true]);
    await connected(socket);
  });

  test('count as connections of their address, so that one address does not fill the line', async () => {
    const { pace } = held();
    const limits = { ...DEFAULT_LIMITS, connectionsPerAddress: 3 };
    const { url, port } = await start({ pace: { ...pace, waitingFrom: () => 3 }, limits });
    expect((await handshake(url)).status).toBe(429);
    expect(await upgrade(port)).toMatch(/^HTTP\/1\.1 429 [^]*"code":"too_many_connections"/);
  });

  test('are refused for now when too many wait already', async () => {
    const { url, port } = await start({ pace: { enter: () => false, waitingCount: 9, waitingFrom: () => 0 } });
    const answer = await handshake(url);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await answer.json()).toMatchObject({ code: 'unavailable', retryable: true });
    expect(await upgrade(port)).toMatch(/^HTTP\/1\.1 503 [^]*"code":"unavailable"/);
  });
});

describe('pages', () => {
  test.each([
    [undefined, 200],
    ['https://shop.example', 200],
    ['https://evil.example', 403],
    ['https://shop.example.evil.example', 403],
    ['http://shop.example', 403],
    ['null', 403],
  ])('of the origin %s: %i', async (origin, status) => {
    const { url, port } = await start();
    const headers: Record<string, string> = origin === undefined ? {} : { Origin: origin };
    expect((await handshake(url, headers)).status).toBe(status);
    expect((await upgrade(port, WEBSOCKET, headers)).slice(9, 12)).toBe(status === 200 ? '101' : String(status));
  });

  test('of this server itself may connect', async () => {
    const { port, url } = await start();
    expect((await handshake(url, { origin: url })).status).toBe(200);
    expect((await upgrade(port, WEBSOCKET, { Origin: url })).slice(9, 12)).toBe('101');
  });

  test('that may connect can read why they can not now', async () => {
    const { url } = await start({ isDraining: () => true });
    const { headers } = await handshake(url, { origin: 'https://shop.example' });
    expect(headers.get('access-control-allow-origin')).toBe('https://shop.example');
  });
});

test('everything else passes, also while draining', async () => {
  const { url } = await start({ isDraining: () => true });
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/socket.io/socket.io.js`)).status).toBe(200);
  expect((await fetch(url + POLLING, { method: 'OPTIONS' })).status).toBeLessThan(300);
});

test('a peer that is gone before its refusal does not take the process with it', async () => {
  const { url, port } = await start({ isDraining: () => true });
  await Promise.all(
    Array.from(
      { length: 20 },
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect(port, '127.0.0.1', () => {
            socket.write(
              `GET ${WEBSOCKET} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmore bytes`,
            );
            socket.resetAndDestroy();
          });
          socket.on('close', () => resolve());
          socket.on('error', reject);
        }),
    ),
  );
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});
