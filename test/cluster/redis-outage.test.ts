import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { hashSlot } from '../../src/cluster/hash-slot.ts';
import { startCluster, startRedis, startSentinels, type RedisProcess } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { listen, note, startNode, type TestNode } from './support.ts';

const rejections: unknown[] = [];
process.on('unhandledRejection', (error) => rejections.push(error));
afterEach(() => {
  expect(rejections.splice(0)).toEqual([]);
});

/** Ends with the test. */
const ending = <T extends { stop(): Promise<void> }>(started: T): T => {
  onTestFinished(() => started.stop());
  return started;
};

const both = (nodes: readonly TestNode[], connected: boolean, timeoutMs: number): Promise<unknown> =>
  until(
    `all to be ${connected ? 'connected' : 'cut off'}`,
    () => nodes.every(({ bus }) => bus.connected === connected),
    timeoutMs,
  );

const start = async (url: string): Promise<[TestNode, TestNode]> => {
  const nodes: [TestNode, TestNode] = [await startNode(url), await startNode(url)];
  expect(nodes.map(({ bus }) => bus.connected)).toEqual([true, true]);
  return nodes;
};

/** Every one of these channels works, and did not have to be asked for again. */
const expectAllHeard = async (from: TestNode, channels: ReadonlyMap<string, { heard: string[] }>): Promise<void> => {
  for (const { heard } of channels.values()) heard.length = 0;
  for (const id of channels.keys()) from.bus.publish(id, note(id));
  await until('all notes', () => [...channels].every(([id, { heard }]) => heard.includes(id)));
};

const listenToAll = async (node: TestNode, ids: readonly string[]) =>
  new Map(await Promise.all(ids.map(async (id) => [id, await listen(node, id)] as const)));

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index)}`);

describe('one Redis', () => {
  it('dies and comes back: nothing throws or waits, and all subscriptions are in force before connected is told', async () => {
    const redis = ending(await startRedis());
    const [a, b] = await start(redis.url);
    const before = await listenToAll(b, names('before', 1200));
    const inForce: number[] = [];
    b.bus.onConnected((connected) => {
      if (!connected) return;
      // At this moment, not a little later.
      void redis
        .command('PUBSUB', 'SHARDCHANNELS', 'deskwire:c:*')
        .then((channels) => inForce.push((channels as string[]).length));
    });
    await redis.kill();
    await both([a, b], false, 1000);
    a.bus.publish('before0', note('lost'));
    a.bus.nudge();
    const during = await listenToAll(b, names('during', 300));
    before.get('before0')?.end();
    before.delete('before0');
    let nudged = 0;
    b.bus.onNudge(() => (nudged += 1));
    await redis.restart();
    await both([a, b], true, 10_000);
    await until('the count', () => inForce.length === 1);
    expect(inForce).toEqual([1499]);
    await expectAllHeard(a, new Map([...before, ...during]));
    expect(before.get('before1')?.heard).toEqual(['before1']);
    // What was lost is made up for from the store: who comes back tells the others to look.
    await until('a nudge', () => nudged > 0 || !a.bus.connected);
    const after = await listenToAll(b, names('after', 3));
    await expectAllHeard(a, after);
    expect(a.changes).toEqual([false, true]);
    expect(b.changes).toEqual([false, true]);
  });

  it('is logged once when it is gone and once when it is back, however often it was tried', async () => {
    const redis = ending(await startRedis());
    const [a] = await start(redis.url);
    await redis.kill();
    await both([a], false, 1000);
    // Long enough for many tries; what ends the wait is Redis, not a clock.
    const deadline = Date.now() + 1500;
    await until('many tries', () => Date.now() > deadline);
    await redis.restart();
    await both([a], true, 10_000);
    expect(a.log.lines.map(({ level }) => level)).toEqual(['info', 'warn', 'info']);
    expect(a.log.lines.map(({ message }) => message.split(':')[0])).toEqual([
      'Redis is in reach',
      'Redis is out of reach',
      'Redis is in reach',
    ]);
  });

  it('freezes: it counts as gone within about two seconds, holds nobody, and works again when it thaws', async () => {
    const redis = ending(await startRedis());
    const [a, b] = await start(redis.url);
    const channels = await listenToAll(b, names('c', 50));
    redis.pause();
    const froze = Date.now();
    const waited = listen(b, 'while frozen');
    for (let count = 0; count < 20_000; count += 1) a.bus.publish('c0', note('lost'));
    await both([a, b], false, 2600);
    console.log(`noticed after ${String(Date.now() - froze)} ms`);
    channels.set('while frozen', await waited);
    for (const [id, listener] of await listenToAll(b, names('later', 20))) channels.set(id, listener);
    redis.resume();
    await both([a, b], true, 10_000);
    await expectAllHeard(a, channels);
  });

  it('freezes and stays so: the connections end at once all the same', async () => {
    const redis = ending(await startRedis());
    const [a] = await start(redis.url);
    redis.pause();
    a.bus.publish('c', note('lost'));
    const began = performance.now();
    await a.bus.close();
    await a.connections.close();
    expect(performance.now() - began).toBeLessThan(100);
    expect(a.bus.connected).toBe(false);
  });

  it('is not there at the start: the server starts, says so as an error with REDIS_URL, and finds it later', async () => {
    const redis = ending(await startRedis({ password: 'geheim' }));
    await redis.kill();
    const node = await startNode(redis.url);
    expect(node.bus.connected).toBe(false);
    const [line] = node.log.lines;
    expect(line).toMatchObject({ level: 'error', message: expect.stringContaining('REDIS_URL') as string });
    expect(JSON.stringify(node.log.lines)).not.toContain('geheim');
    const listener = await listen(node, 'c_1');
    await redis.restart();
    await both([node], true, 10_000);
    const other = await startNode(redis.url);
    other.bus.publish('c_1', note('one'));
    await until('the note', () => listener.heard.length === 1);
  });

  it('is frozen at the start: the same', async () => {
    const redis = ending(await startRedis());
    redis.pause();
    const node = await startNode(redis.url);
    expect(node.log.lines.map(({ level }) => level)).toEqual(['error']);
    redis.resume();
    await both([node], true, 10_000);
  });

  it('cuts connections again and again: they come back each time', async () => {
    const redis = ending(await startRedis());
    const [a, b] = await start(redis.url);
    const channels = await listenToAll(b, names('c', 30));
    for (const type of ['normal', 'pubsub', 'normal', 'pubsub'] as const) {
      const [seenA, seenB] = [a.changes.length, b.changes.length];
      await redis.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
      await until('both to have noticed', () => a.changes.length >= seenA + 2 && b.changes.length >= seenB + 2);
      await both([a, b], true, 10_000);
      await expectAllHeard(a, channels);
    }
  });

  it('drops notes when Redis takes no more, and makes up for them with a nudge', async () => {
    const redis = ending(await startRedis());
    const [a, b] = await start(redis.url);
    let nudged = 0;
    b.bus.onNudge(() => (nudged += 1));
    const { heard } = await listen(b, 'c_1');
    const text = 'x'.repeat(2000);
    const count = 30_000;
    const heapBefore = process.memoryUsage().heapUsed;
    for (let sent = 0; sent < count; sent += 1) a.bus.publish('c_1', note(text));
    const grown = (process.memoryUsage().heapUsed - heapBefore) / 1024 / 1024;
    await until('a nudge', () => nudged > 0);
    expect(heard.length).toBeLessThan(count);
    expect(a.bus.connected).toBe(true);
    console.log(`${String(heard.length)} of ${String(count)} heard, heap +${grown.toFixed(0)} MiB`);
  });
});

describe('sentinels', () => {
  it('name another master when the first dies: the bus goes there by itself', async () => {
    const place = ending(await startSentinels());
    const [a, b] = await start(place.url);
    const channels = await listenToAll(b, names('c', 40));
    const first = await place.masterPort();
    await place.servers.find(({ port }) => port === first)?.kill();
    await both([a, b], false, 3000);
    await both([a, b], true, 20_000);
    expect(await place.masterPort()).not.toBe(first);
    await expectAllHeard(a, channels);
  });

  it('name another master when the first freezes, and the first thaws as a replica: nobody stays with it', async () => {
    const place = ending(await startSentinels({ count: 1 }));
    const [a, b] = await start(place.url);
    const channels = await listenToAll(b, names('c', 40));
    const first = await place.masterPort();
    const frozen = place.servers.find(({ port }) => port === first);
    frozen?.pause();
    await both([a, b], false, 3000);
    await both([a, b], true, 20_000);
    expect(await place.masterPort()).not.toBe(first);
    frozen?.resume();
    await expect
      .poll(async () => String(await frozen?.command('INFO', 'replication')), { timeout: 20_000 })
      .toContain('role:slave');
    await both([a, b], true, 10_000);
    await expectAllHeard(a, channels);
  });
});

describe('a cluster', () => {
  const ids = names('c', 60);
  const inFirst = (id: string): boolean => hashSlot(`deskwire:c:${id}`) <= 5460;
  const killFirst = (first: RedisProcess | undefined) => first?.kill();

  it('replaces a dead master: its channels go to the replica, the others are not touched', async () => {
    const cluster = ending(await startCluster());
    const [a, b] = await start(cluster.url);
    const channels = await listenToAll(b, ids);
    await expectAllHeard(a, channels);
    await killFirst(cluster.nodes[0]);
    await both([a, b], false, 3000);
    const untouched = new Map([...channels].filter(([id]) => !inFirst(id)));
    expect(untouched.size).toBeGreaterThan(10);
    await expectAllHeard(a, untouched);
    await both([a, b], true, 20_000);
    await expectAllHeard(a, channels);
    const more = await listenToAll(b, names('more', 60));
    await expectAllHeard(a, more);
  });

  it('makes master and replica change places: the same', async () => {
    const cluster = ending(await startCluster());
    const [a, b] = await start(cluster.url);
    const channels = await listenToAll(b, ids);
    await cluster.nodes[3]?.command('CLUSTER', 'FAILOVER');
    await expect
      .poll(async () => String(await cluster.nodes[3]?.command('ROLE')), { timeout: 20_000 })
      .toContain('master');
    // Nothing breaks: what is published tells by MOVED that there is a new map.
    await until(
      'all channels to work',
      () => {
        for (const id of ids) a.bus.publish(id, note(id));
        return ids.every((id) => channels.get(id)?.heard.includes(id));
      },
      20_000,
    );
    await both([a, b], true, 10_000);
    await expectAllHeard(a, channels);
    const more = await listenToAll(b, names('more', 60));
    await expectAllHeard(a, more);
  });

  it('moves a slot between living masters: its channels go along', async () => {
    const cluster = ending(await startCluster());
    const [a, b] = await start(cluster.url);
    const channels = await listenToAll(b, ids);
    const moved = ids.find(inFirst) ?? '';
    await cluster.moveSlot(hashSlot(`deskwire:c:${moved}`), 0, 1);
    const heard = channels.get(moved)?.heard ?? [];
    await until(
      'the moved channel to work',
      () => {
        a.bus.publish(moved, note('again'));
        return heard.includes('again');
      },
      20_000,
    );
    await both([a, b], true, 20_000);
    await expectAllHeard(a, channels);
    // And a channel of that slot that is new to both.
    const fresh = await startNode(cluster.url);
    const listener = await listen(fresh, moved);
    await expectAllHeard(a, new Map([[moved, listener]]));
  });

  it('freezes in one master: it counts as gone within about two seconds', async () => {
    const cluster = ending(await startCluster());
    const [a, b] = await start(cluster.url);
    const channels = await listenToAll(b, ids);
    cluster.nodes[0]?.pause();
    await both([a, b], false, 2600);
    await both([a, b], true, 20_000);
    cluster.nodes[0]?.resume();
    await expectAllHeard(a, channels);
  });
});
