import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { io as connect, type Socket } from 'socket.io-client';
import { attachAdapter } from '../../src/cluster/adapter.ts';
import { connectRedis, type RedisConnections } from '../../src/cluster/connections.ts';
import type { Target } from '../../src/ports/rooms.ts';
import { redisPlace } from '../../src/server/redis-settings.ts';
import { createRooms } from '../../src/transport/socketio/rooms.ts';
import { createSocketServer } from '../../src/transport/socketio/socketio.ts';
import { startCluster, startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { keptLog } from './support.ts';

interface Node {
  readonly connections: RedisConnections;
  readonly log: ReturnType<typeof keptLog>;
  /** Tells a room of a numbered event; `here`: on this node alone. */
  emit(target: Target, number: number, here?: boolean): void;
  enter(client: Client, ...rooms: string[]): void;
  client(): Promise<Client>;
}

interface Client {
  id: string;
  /** Numbers of the events that arrived, and when. */
  readonly got: number[];
  readonly atMs: number[];
  /** The last that only looked whether there is a way. */
  probe: number;
}

/** Numbers from here on are of events that only look whether there is a way. */
const PROBES = 1_000_000;
let lastProbe = PROBES;

/** The server's own Socket.IO, with what it uses of it, and nothing above. */
const startNode = async (url: string): Promise<Node> => {
  const httpServer = createServer();
  const io = createSocketServer({ httpServer, payloadBytes: 1e6, frameBytes: 1e6, allowedOrigins: [] });
  const log = keptLog();
  const connections = await connectRedis({ place: redisPlace(url), log });
  attachAdapter(io, connections);
  const rooms = createRooms(io);
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
  const { port } = httpServer.address() as AddressInfo;
  const clients: Socket[] = [];
  onTestFinished(async () => {
    for (const client of clients) client.close();
    await io.close();
    await connections.close();
  });
  return {
    connections,
    log,
    emit: (target, number, here) => {
      const payload = { conversationId: String(number) } as never;
      if (here === true) rooms.emitHere(target, 'typing:started', payload);
      else rooms.emit(target, 'typing:started', payload, { ephemeral: true });
    },
    enter: (client, ...names) => {
      for (const name of names) expect(rooms.enter(client.id, name)).toBe(true);
    },
    client: async () => {
      const socket = connect(`http://127.0.0.1:${String(port)}`, { transports: ['websocket'], forceNew: true });
      clients.push(socket);
      const client: Client = { id: '', got: [], atMs: [], probe: 0 };
      socket.on('typing:started', ({ conversationId }: { conversationId: string }) => {
        const number = Number(conversationId);
        if (number >= PROBES) {
          client.probe = number;
          return;
        }
        client.got.push(number);
        client.atMs.push(performance.now());
      });
      await until('a connection', () => socket.connected);
      client.id = socket.id ?? '';
      return client;
    },
  };
};

const redisForTest = async (): Promise<TestRedis> => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return redis;
};

/** Emits until an event gets through: subscriptions of rooms are not waited for. */
const expectReached = async (from: Node, room: string, client: Client): Promise<void> => {
  const first = lastProbe + 1;
  await until(`${room} to be reached`, () => {
    from.emit({ rooms: [room] }, (lastProbe += 1));
    return client.probe >= first;
  });
};

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Emits one event a turn, and gives the p99 of its way to a client of the same node. */
const localP99 = async (node: Node, room: string, client: Client, count: number): Promise<number> => {
  client.got.length = 0;
  client.atMs.length = 0;
  const sentMs: number[] = [];
  for (const number of numbers(count)) {
    sentMs.push(performance.now());
    node.emit({ rooms: [room] }, number);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until('all local events', () => client.got.length >= count);
  expect(client.got).toEqual(numbers(count));
  const took = client.atMs.map((atMs, index) => atMs - (sentMs[index] ?? 0)).sort((x, y) => x - y);
  return took[Math.floor(took.length * 0.99)] ?? 0;
};

describe('the adapter over Redis', () => {
  it('brings an event to a room on other nodes once, in order, and not to who is left out', async () => {
    const redis = await redisForTest();
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const [here, there, slow] = [await a.client(), await b.client(), await b.client()];
    a.enter(here, 'staff:one', 'desk:x');
    b.enter(there, 'staff:one', 'desk:x');
    b.enter(slow, 'staff:one', 'slow-readers');
    await expectReached(b, 'staff:one', here);
    await expectReached(a, 'staff:one', there);
    for (const number of numbers(200)) a.emit({ rooms: ['staff:one'] }, number);
    // Of several rooms it goes to all nodes, and a connection that is in both gets it once.
    a.emit({ rooms: ['staff:one', 'desk:x'] }, 200);
    await until('all', () => there.got.includes(200) && here.got.includes(200));
    expect(there.got).toEqual(numbers(201));
    expect(here.got).toEqual(numbers(201));
    expect(slow.got).toEqual([]);
  });

  it('sends an event of a room to the nodes that have it only', async () => {
    const redis = await redisForTest();
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const [here, there] = [await a.client(), await b.client()];
    a.enter(here, 'staff:one');
    b.enter(there, 'staff:two');
    const subscribers = async (room: string): Promise<number> => {
      const channel = `deskwire:rooms#/#${room}#`;
      return ((await redis.command('PUBSUB', 'SHARDNUMSUB', channel)) as [string, number])[1];
    };
    // Nothing comes to it from other nodes.
    b.enter(there, 'all:two');
    await expect.poll(() => Promise.all([subscribers('staff:one'), subscribers('staff:two')])).toEqual([1, 1]);
    expect(await subscribers('all:two')).toBe(0);
    // A connection's own room is no channel.
    expect((await redis.command('PUBSUB', 'SHARDCHANNELS')) as string[]).toHaveLength(2 + 1 + 2);
  });

  it('keeps the order of what is emitted to all nodes and what is emitted to one', async () => {
    const redis = await redisForTest();
    const node = await startNode(redis.url);
    const client = await node.client();
    node.enter(client, 'staff:one');
    for (const number of numbers(500)) node.emit({ rooms: ['staff:one'] }, number, number % 3 === 0);
    await until('all', () => client.got.length === 500);
    expect(client.got).toEqual(numbers(500));
  });

  it('outlives what is no event at all', async () => {
    const redis = await redisForTest();
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const there = await b.client();
    b.enter(there, 'staff:one');
    await expectReached(a, 'staff:one', there);
    const broken = [
      '',
      'null',
      '{',
      '{}',
      '{"uid":"x","nsp":"/","type":3}',
      '{"uid":"x","nsp":"/","type":3,"data":{"opts":{}}}',
    ];
    for (const channel of ['', 'staff:one#'])
      for (const text of broken) await redis.command('SPUBLISH', `deskwire:rooms#/#${channel}`, text);
    await expectReached(a, 'staff:one', there);
    expect(b.connections.connected).toBe(true);
    expect(b.log.lines.map(({ level }) => level)).toContain('error');
  });

  it('delivers to its own connections as before while Redis is frozen, dead and back, and to others again by itself', async () => {
    const redis = await redisForTest();
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const [here, there] = [await a.client(), await b.client()];
    a.enter(here, 'staff:before');
    b.enter(there, 'staff:before');
    await expectReached(a, 'staff:before', there);
    const cutOff = () => until('the loss', () => !a.connections.connected && !b.connections.connected);
    const back = () => until('the return', () => a.connections.connected && b.connections.connected);
    const count = 3000;
    const p99: Record<string, number> = {};

    p99['up'] = await localP99(a, 'staff:before', here, count);
    redis.pause();
    p99['frozen, not noticed'] = await localP99(a, 'staff:before', here, count);
    await cutOff();
    p99['frozen'] = await localP99(a, 'staff:before', here, count);
    a.enter(here, 'staff:frozen');
    b.enter(there, 'staff:frozen');
    redis.resume();
    await back();
    await expectReached(a, 'staff:frozen', there);

    await redis.kill();
    p99['dead, not noticed'] = await localP99(a, 'staff:before', here, count);
    await cutOff();
    const heapBefore = process.memoryUsage().heapUsed;
    p99['dead'] = await localP99(a, 'staff:before', here, 5 * count);
    const grownMiB = (process.memoryUsage().heapUsed - heapBefore) / 1024 / 1024;
    a.enter(here, 'staff:dead');
    b.enter(there, 'staff:dead');
    await redis.restart();
    await back();
    p99['back'] = await localP99(a, 'staff:before', here, count);
    a.enter(here, 'staff:after');
    b.enter(there, 'staff:after');
    for (const room of ['staff:before', 'staff:frozen', 'staff:dead', 'staff:after']) {
      await expectReached(a, room, there);
      await expectReached(b, room, here);
    }
    const figures = Object.entries(p99).map(([state, ms]) => `${state} ${ms.toFixed(2)}`);
    console.log(`local p99, ms: ${figures.join(', ')}; heap while dead +${grownMiB.toFixed(1)} MiB`);
  });

  it('works in a cluster, and goes on when a master dies', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    const [a, b] = [await startNode(cluster.url), await startNode(cluster.url)];
    const [here, there] = [await a.client(), await b.client()];
    const rooms = numbers(20).map((number) => `staff:${String(number)}`);
    a.enter(here, ...rooms);
    b.enter(there, ...rooms);
    const expectAllReached = async () => {
      for (const room of rooms) await expectReached(a, room, there);
    };
    await expectAllReached();
    await cluster.nodes[0]?.kill();
    await until('the loss', () => !a.connections.connected && !b.connections.connected);
    await localP99(a, 'staff:0', here, 1000);
    await until('the return', () => a.connections.connected && b.connections.connected, 20_000);
    await expectAllReached();
  });
});
