import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { Clients, type Received, type TestClient } from '../support/client.ts';
import { customer, startServer, tokenFor, type TestServer, type TestServerOptions } from '../support/server.ts';
import { until } from '../support/until.ts';
import { playScenario, SCENARIO_SERVER, type Cast } from './scenario.ts';

const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

const start = async (options: TestServerOptions = {}): Promise<TestServer> => {
  const server = await startServer(options);
  onTestFinished(() => server.stop());
  return server;
};

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Fields that differ from run to run, beside times. */
const MADE_HERE: ReadonlySet<string> = new Set([
  'sessionId',
  'offerId',
  'firstResponseMs',
  'resolutionMs',
  'estimatedWaitMs',
  'url',
]);

const nameOf = ({ payload }: Received): string => (payload as { attachment: { name: string } }).attachment.name;

/** Told when something else is done, the scanner or the clock, in between whatever else is going on. */
const TOLD_BETWEEN: ReadonlySet<string> = new Set(['queue:updated', 'attachment:updated']);

/** What a client has heard, in order, without what differs from run to run: times, and ids that the server made. */
const heard = (
  { received }: TestClient,
  { conversationIds, attachmentIds }: Pick<Cast, 'conversationIds' | 'attachmentIds'>,
): unknown => {
  const told = received.filter(({ event }) => !TOLD_BETWEEN.has(event));
  // Two files are scanned at once, and either may be done first.
  const checked = received
    .filter(({ event }) => event === 'attachment:updated')
    .sort((one, other) => nameOf(one).localeCompare(nameOf(other)));
  const text = JSON.stringify([...told, ...checked], (key, value: unknown) => {
    if (MADE_HERE.has(key)) return value === null ? null : key;
    if (key === 'clientMessageId' && String(value).startsWith('n_')) return key;
    return typeof value === 'string' && ISO_TIME.test(value) ? 'time' : value;
  });
  const named = (left: string, ids: readonly string[], what: string): string =>
    ids.reduce((rest, id, index) => rest.replaceAll(id, `${what}-${String(index)}`), left);
  return JSON.parse(named(named(text, conversationIds, 'conversation'), attachmentIds, 'attachment'));
};

/** The scenario over these transports, on a server of its own; what each of the cast has heard. */
const streamsOver = async (transports: string[]): Promise<Record<string, unknown>> => {
  const server = await start(SCENARIO_SERVER);
  const upgrades = transports.length > 1;
  const { ann, bob, boss, robot, ...ids } = await playScenario(async (identity) => {
    const client = await clients.connect(server.url, identity, { transports });
    if (upgrades) await until('the upgrade', () => client.socket.io.engine.transport.name === 'websocket');
    expect(client.socket.io.engine.transport.name).toBe(upgrades ? 'websocket' : transports[0]);
    return client;
  });
  return Object.fromEntries(
    Object.entries({ ann, bob, boss, robot }).map(([name, client]) => [name, heard(client, ids)]),
  );
};

describe('transports', () => {
  it('[WIRE-2] websocket, polling, and polling that becomes websocket give the same streams', async () => {
    const all = [['websocket'], ['polling'], ['polling', 'websocket']].map(streamsOver);
    const [websocket = {}, polling, upgraded] = await Promise.all(all);
    for (const stream of Object.values(websocket)) {
      expect((stream as { event: string }[]).map(({ event }) => event).indexOf('session:ready')).toBe(0);
    }
    expect((websocket['ann'] as unknown[]).length).toBeGreaterThan(20);
    expect(JSON.stringify(websocket['ann'])).toMatch(/"attachment:updated".*"state":"ready".*"state":"refused"/);
    expect(polling).toEqual(websocket);
    expect(upgraded).toEqual(websocket);
  });

  it('[WIRE-2] an upgrade in the middle of a stream loses, repeats and disorders nothing', async () => {
    const server = await start();
    const ann = await clients.connect(server.url, customer('ann'));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    let sent = 0;
    const phones: TestClient[] = [];
    // Each phone joins while it still polls, and upgrades under the messages that go on.
    for (let phone = 0; phone < 5; phone += 1) {
      const client = clients.open(
        server.url,
        { token: tokenFor(customer('ann')) },
        { transports: ['polling', 'websocket'] },
      );
      phones.push(client);
      const joined = client
        .connected()
        .then(() => client.request('conversation:join', { conversationId, afterSeq: 0, limit: 1 }));
      const isUpgraded = (): boolean => client.socket.io.engine.transport.name === 'websocket';
      const page = await joined;
      expect(page.hasMore).toBe(sent > 0);
      await client.request('conversation:join', { conversationId, afterSeq: sent });
      do {
        sent += 1;
        await ann.request('message:send', { conversationId, clientMessageId: `m${String(sent)}`, text: 'x' });
      } while (!isUpgraded());
    }
    await Promise.all(
      phones.map(async (client) => {
        const last = await until('the last message', () =>
          client.entries(conversationId).find(({ seq }) => seq === sent + 1),
        );
        const seqs = client.entries(conversationId).map(({ seq }) => seq);
        expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => last.seq - seqs.length + 1 + index));
      }),
    );
  });
});

const SHOP = 'https://shop.example';
const query = (transport: string) => `/socket.io/?EIO=4&transport=${transport}`;

const polled = (url: string, origin: string | undefined): Promise<Response> =>
  fetch(url + query('polling'), { headers: origin === undefined ? {} : { origin } });

/** Status of a WebSocket handshake from a page of `origin`: 101, or what it was refused with. */
const upgraded = (url: string, origin: string | undefined, path = query('websocket')): Promise<number> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace('http', 'ws') + path, origin === undefined ? {} : { origin });
    socket.on('open', () => {
      resolve(101);
      socket.terminate();
    });
    socket.on('unexpected-response', (_request, response) => {
      resolve(response.statusCode ?? 0);
      socket.terminate();
    });
    socket.on('error', reject);
  });

describe('pages of other origins', () => {
  it('[WIRE-2] come in by their exact origin alone, over polling and over websocket', async () => {
    const { url } = await start({ env: { DESKWIRE_ALLOWED_ORIGINS: `${SHOP},http://localhost:5173` } });
    const own = new URL(url).origin;
    const allowed = [SHOP, 'http://localhost:5173'];
    const foreign = [
      'https://evil.example',
      'http://shop.example',
      'https://shop.example:8443',
      'https://shop.example.evil.example',
      'https://www.shop.example',
      'https://shop.exampl',
      'HTTPS://SHOP.EXAMPLE',
      'null',
      'http://localhost:5174',
    ];
    for (const origin of [...allowed, own, undefined]) {
      const answer = await polled(url, origin);
      expect([origin, answer.status]).toEqual([origin, 200]);
      expect(await upgraded(url, origin), origin).toBe(101);
      const listed = origin !== undefined && allowed.includes(origin);
      expect(answer.headers.get('access-control-allow-origin')).toBe(listed ? origin : null);
      if (listed) expect(answer.headers.get('access-control-allow-credentials')).toBe('true');
      expect(answer.headers.get('vary')).toMatch(/origin/i);
    }
    for (const origin of foreign) {
      const answer = await polled(url, origin);
      expect([origin, answer.status]).toEqual([origin, 403]);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      expect(await upgraded(url, origin), origin).toBe(403);
    }
  });

  it('[WIRE-2] do not come in through a session that another page has opened', async () => {
    const { url } = await start({ env: { DESKWIRE_ALLOWED_ORIGINS: SHOP } });
    const opened = await (await polled(url, SHOP)).text();
    const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
    expect(await upgraded(url, 'https://evil.example', `${query('websocket')}&sid=${sid}`)).toBe(403);
    const written = await fetch(`${url}${query('polling')}&sid=${sid}`, {
      method: 'POST',
      headers: { origin: 'https://evil.example', 'content-type': 'text/plain;charset=UTF-8' },
      body: '40',
    });
    expect(written.status).toBe(403);
    const still = await fetch(`${url}${query('polling')}&sid=${sid}`, {
      method: 'POST',
      headers: { origin: SHOP },
      body: '40',
    });
    expect(still.status).toBe(200);
  });

  it('[WIRE-2] are told before they ask: a preflight names the allowed origin and no other', async () => {
    const { url } = await start({ env: { DESKWIRE_ALLOWED_ORIGINS: SHOP } });
    const preflight = (origin: string) =>
      fetch(url + query('polling'), {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
      });
    expect((await preflight(SHOP)).headers.get('access-control-allow-origin')).toBe(SHOP);
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).not.toBe(
      'https://evil.example',
    );
  });

  it('[WIRE-2] work with the stock client, which sends the origin of its page', async () => {
    const { url } = await start({ env: { DESKWIRE_ALLOWED_ORIGINS: SHOP } });
    for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
      const client = await clients.connect(url, customer('ann'), { transports, extraHeaders: { origin: SHOP } });
      expect(client.received[0]?.event).toBe('session:ready');
      if (transports.length > 1)
        await until('the upgrade', () => client.socket.io.engine.transport.name === 'websocket');
      await client.request('conversation:list', {});
      const foreign = clients.open(
        url,
        { token: tokenFor(customer('ann')) },
        { transports, extraHeaders: { origin: 'https://evil.example' } },
      );
      const errors: Error[] = [];
      foreign.socket.on('connect_error', (error) => errors.push(error));
      await until('connect_error', () => errors[0]);
      expect(foreign.received).toEqual([]);
    }
  });
});
