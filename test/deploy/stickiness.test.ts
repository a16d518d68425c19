import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Example, EXAMPLES, PYTHON } from '../examples/support.ts';
import { Clients, clientId, type TestClient } from '../support/client.ts';
import { agent, customer, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { pdfOf, upload } from '../support/uploader.ts';
import { startDeployment, type Deployment, type Node } from './deployment.ts';

const POLL = '/socket.io/?EIO=4&transport=polling';
const TEXTS = 20;
/** Stands for no answer at all. */
const CUT = 0;

let desk: Deployment;
const clients = new Clients();

beforeAll(async () => {
  desk = await startDeployment({ DESKWIRE_ROUTING: 'manual' });
});
beforeEach(() => allGone());
afterEach(() => {
  clients.closeAll();
});
afterAll(async () => {
  await desk.stop();
});

const connectionsOf = async (node: Node): Promise<number> => {
  const page = await (await fetch(`${node.url}/metrics`)).text();
  return Number(/^deskwire_connections (\d+)$/m.exec(page)?.[1]);
};

/** Waits until the nodes have noticed that nobody is there any more. */
const allGone = async (): Promise<void> => {
  for (const node of desk.nodes) {
    let count = await connectionsOf(node);
    await until(`${node.name} to be alone`, () => {
      void connectionsOf(node).then((now) => (count = now));
      return count === 0;
    });
  }
};

/** The node that a connection is at, by what it changes in the number of their connections. */
const seated = async <T>(open: () => Promise<T>): Promise<{ opened: T; node: string | undefined }> => {
  const before = await Promise.all(desk.nodes.map(connectionsOf));
  const opened = await open();
  const after = await Promise.all(desk.nodes.map(connectionsOf));
  const node = desk.nodes.find((_, index) => (after[index] ?? 0) === (before[index] ?? 0) + 1);
  return { opened, node: node?.name };
};

const viaProxy = (transports: string[], withCredentials = true) => ({ transports, withCredentials });

/** Statuses of the requests of sessions since there were so many in the proxy's log. */
const statusesSince = (count: number): number[] =>
  desk.proxy
    .requests()
    .slice(count)
    .filter(({ path }) => path === '/socket.io/')
    .map(({ status }) => status);

const texts = (client: TestClient, conversationId: string): (string | null)[] =>
  client.entries(conversationId).flatMap((entry) => (entry.type === 'message:created' ? [entry.text] : []));

describe('the proxy of docker-compose.yml', () => {
  it('without the cookie sends two requests of three to nodes that do not know their session', async () => {
    const session = async (send: boolean): Promise<number[]> => {
      const first = await fetch(`${desk.proxy.url}${POLL}`);
      const { sid } = JSON.parse((await first.text()).slice(1)) as { sid: string };
      const cookie = first.headers.getSetCookie()[0]?.split(';')[0] ?? '';
      const statuses: number[] = [];
      for (let index = 0; index < 3; index += 1) {
        const answer = await fetch(`${desk.proxy.url}${POLL}&sid=${sid}`, {
          ...{ method: 'POST', body: '3', headers: send ? { cookie } : {} },
        }).catch(() => undefined);
        statuses.push(answer?.status ?? CUT);
      }
      return statuses;
    };
    expect(await session(true)).toEqual([200, 200, 200]);
    expect((await session(false)).filter((status) => status === CUT).length).toBeGreaterThanOrEqual(2);
  });

  it.each([
    ['long-polling alone', ['polling']],
    ['long-polling with the upgrade', ['polling', 'websocket']],
    ['WebSocket alone', ['websocket']],
  ])('keeps JavaScript clients at their node, over %s', async (_name, transports) => {
    const [ann, bob, carol] = [
      await seated(() => clients.connect(desk.proxy.url, customer(clientId()), viaProxy(transports))),
      await seated(() => clients.connect(desk.proxy.url, agent(clientId()), viaProxy(transports))),
      await seated(() => clients.connect(desk.proxy.url, agent(clientId()), viaProxy(transports))),
    ];
    expect(new Set([ann.node, bob.node, carol.node]), 'each at a node of its own').toEqual(
      new Set(['node1', 'node2', 'node3']),
    );
    const last = transports.at(-1);
    await until('the upgrade', () => ann.opened.socket.io.engine.transport.name === last);

    const { entry } = await ann.opened.request('message:send', { clientMessageId: clientId(), text: '0' });
    const { conversationId } = entry;
    for (const { opened } of [bob, carol]) await opened.request('conversation:join', { conversationId });
    const speakers = [ann.opened, bob.opened, carol.opened];
    for (let index = 1; index < TEXTS; index += 1) {
      await speakers[index % 3]?.request('message:send', {
        ...{ conversationId, clientMessageId: clientId(), text: String(index) },
      });
    }
    const expected = Array.from({ length: TEXTS }, (_, index) => String(index));
    await until('all texts', () =>
      speakers.every((client) => texts(client, conversationId).at(-1) === expected.at(-1)),
    );
    expect(texts(ann.opened, conversationId)).toEqual(expected);
    for (const { opened } of [bob, carol]) expect(texts(opened, conversationId)).toEqual(expected.slice(1));
    // A request that reaches a node without its session ends the connection: who had lost his node would have begun anew.
    for (const client of speakers) expect(client.all('session:ready')).toHaveLength(1);
  });

  it('keeps Python clients at their node, over long-polling', async () => {
    const logged = desk.proxy.requests().length;
    const bob = await clients.connect(desk.proxy.url, agent('bob', { name: 'Bob' }), viaProxy(['websocket']));
    const { opened: dave, node } = await seated(async () => {
      const example = Example.of(
        PYTHON,
        [`${EXAMPLES}/python/ask.py`, desk.proxy.url, 'Do you ship to Norway?'],
        customer('dave', { name: 'Dave' }),
      );
      await example.line('stored as 2');
      return example;
    });
    expect(node).toBeDefined();
    const { conversations } = await bob.request('conversation:list', { customerId: 'dave' });
    await bob.request('message:send', {
      ...{ conversationId: conversations[0]?.id ?? '', clientMessageId: clientId(), text: 'We do.' },
    });
    await dave.line(/Bob: We do\.$/);
    expect(await dave.exitCode()).toBe(0);
    expect(dave.errors).toBe('');
    // Its farewell ends the session; the poll that it still sends then finds none.
    expect(
      statusesSince(logged)
        .slice(0, -1)
        .filter((status) => status >= 300),
    ).toEqual([]);
  });

  it('gives the cookie as the page that gets it needs it, and again when another node answers', async () => {
    const cookieOf = async (headers: Record<string, string>): Promise<string[]> =>
      (await fetch(`${desk.proxy.url}${POLL}`, { headers })).headers.getSetCookie();
    expect((await cookieOf({}))[0]).toMatch(/^deskwire_node=node[123]; Path=\/socket\.io\/; HttpOnly; SameSite=Lax$/);
    expect((await cookieOf({ 'x-forwarded-proto': 'https' }))[0]).toMatch(
      /^deskwire_node=node[123]; Path=\/socket\.io\/; HttpOnly; Secure; SameSite=None; Partitioned$/,
    );
    // Another tab of the same browser goes where the first one is.
    expect(await cookieOf({ cookie: 'deskwire_node=node2' })).toEqual([]);
    expect((await cookieOf({ cookie: 'deskwire_node=elsewhere' }))[0]).toMatch(/^deskwire_node=node[123];/);
  });

  it('takes a new session past a node that is frozen', async () => {
    const [frozen] = desk.nodes;
    frozen.signal('SIGSTOP');
    try {
      const started = Date.now();
      const answer = await fetch(`${desk.proxy.url}${POLL}`, { headers: { cookie: 'deskwire_node=node1' } });
      expect(answer.status).toBe(200);
      expect(answer.headers.getSetCookie()[0]).toMatch(/^deskwire_node=node[23];/);
      // Its first poll is given five seconds.
      expect(Date.now() - started).toBeLessThan(8_000);
    } finally {
      frozen.signal('SIGCONT');
    }
  });

  it('says for itself that it lives, for the nodes whether one can serve, and shows nobody their figures', async () => {
    const get = async (path: string): Promise<number> => (await fetch(`${desk.proxy.url}${path}`)).status;
    expect([await get('/healthz'), await get('/readyz'), await get('/docs')]).toEqual([200, 200, 200]);
    for (const path of ['/metrics', '//metrics', '/%6detrics', '/metrics?x', '/./metrics'])
      expect(await get(path), path).toBe(404);
  });

  it("lets this server's own pages in, and no others", async () => {
    const statusFor = async (origin: string): Promise<number> =>
      (await fetch(`${desk.proxy.url}${POLL}`, { headers: { origin } })).status;
    expect(await statusFor(desk.proxy.url)).toBe(200);
    expect(await statusFor('https://elsewhere.example')).toBe(403);
  });

  it('takes files up over long-polling and gives ranges of them, from any node', async () => {
    const ann = await clients.connect(desk.proxy.url, customer(clientId()), viaProxy(['polling']));
    const { entry } = await ann.request('message:send', { clientMessageId: clientId(), text: 'A file comes.' });
    const { conversationId } = entry;
    const data = pdfOf(1_500_000, 5);
    const attachment = await upload(ann, { conversationId, name: 'terms.pdf', data });
    const sent = await ann.request('message:send', {
      ...{ conversationId, clientMessageId: clientId(), attachmentIds: [attachment.id] },
    });
    const url = sent.entry.attachments[0]?.url;
    const link = new URL(url ?? '', desk.proxy.url);
    for (let index = 0; index < 3; index += 1) {
      const whole = await fetch(link);
      expect(Buffer.from(await whole.arrayBuffer()).equals(data)).toBe(true);
      const part = await fetch(link, { headers: { range: 'bytes=1000000-1000099' } });
      expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 1000000-1000099/1500000`]);
      expect(Buffer.from(await part.arrayBuffer()).equals(data.subarray(1_000_000, 1_000_100))).toBe(true);
    }
    const servedBy = desk.proxy.requests().filter(({ path }) => path.startsWith('/v1/attachments/'));
    expect(new Set(servedBy.map(({ triedAt }) => desk.nodeAt(triedAt[0]))).size).toBeGreaterThan(1);
  });

  // At the end: polls of these sessions may stay open.
  it('can keep nobody who does not send the cookie, but for WebSocket alone', async () => {
    const logged = desk.proxy.requests().length;
    const lost = Array.from({ length: 3 }, (_, index) =>
      clients.open(
        desk.proxy.url,
        { token: tokenFor(customer(`lost-${String(index)}`)) },
        viaProxy(['polling'], false),
      ),
    );
    await until('the nodes that do not know the session', () => statusesSince(logged).includes(444));
    await until('the end of a session', () => lost.some(({ socket }) => socket.io.engine.readyState === 'closed'));
    await clients.connect(desk.proxy.url, customer('straight'), viaProxy(['websocket'], false));
  });
});
