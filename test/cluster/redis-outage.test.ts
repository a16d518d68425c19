import { describe, expect, it, onTestFinished } from 'vitest';
import { connectRedis } from '../../src/cluster/connections.ts';
import { systemClock, type Clock } from '../../src/ports/clock.ts';
import { redisPlace } from '../../src/server/redis-settings.ts';
import { startRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import {
  both,
  ending,
  expectAllHeard,
  keptLog,
  listen,
  listenToAll,
  names,
  note,
  startNode,
  twoNodesOn,
} from './support.ts';

describe('one Redis', () => {
  it('dies and comes back: nothing throws or waits, and all subscriptions are in force before connected is told', async () => {
    const [redis, a, b] = await twoNodesOn(startRedis());
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
    for (const { bus } of [a, b]) bus.onNudge(() => (nudged += 1));
    await redis.restart();
    await both([a, b], true, 10_000);
    await until('the count', () => inForce.length === 1);
    expect(inForce).toEqual([1499]);
    await expectAllHeard(a, new Map([...before, ...during]));
    expect(before.get('before1')?.heard).toEqual(['before1']);
    // What was lost is made up for from the store: who comes back last tells the other to look.
    await until('a nudge', () => nudged > 0);
    const after = await listenToAll(b, names('after', 3));
    await expectAllHeard(a, after);
    expect(a.changes).toEqual([false, true]);
    expect(b.changes).toEqual([false, true]);
  });

  it('is logged once when it is gone and once when it is back, however often it was tried', async () => {
    const [redis, a] = await twoNodesOn(startRedis());
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

  it('comes back without its users, or without their rights: the reason is logged when it is another one, once in ten seconds', async () => {
    const redis = ending(await startRedis());
    const giveUser = (...more: string[]) =>
      redis.command('ACL', 'SETUSER', 'desk', 'reset', 'on', '>geheim', '+@all', '&*', ...more);
    await giveUser();
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, now: () => Date.now() + aheadMs };
    const log = keptLog();
    const place = redisPlace(redis.url.replace('//', '//desk:geheim@'));
    const connections = await connectRedis({ place, log, clock });
    onTestFinished(() => connections.close());
    expect(connections.connected).toBe(true);
    const tries = async (): Promise<number> =>
      Number(/total_connections_received:(\d+)/.exec(String(await redis.command('INFO', 'stats')))?.[1]);
    // Each look is a connection of its own; of the others there are two a try.
    const severalTries = async (): Promise<void> => {
      const before = await tries();
      let looks = 0;
      await until('several tries', async () => (await tries()) - before - (looks += 1) > 4);
    };
    const reasons = () =>
      log.lines.flatMap(({ level, fields }) =>
        level === 'warn' ? [(fields as { reason: string }).reason.split(' ')[0]] : [],
      );

    await redis.restart();
    await until('the loss to be noticed', () => !connections.connected);
    await severalTries();
    expect(reasons()).toHaveLength(1);
    aheadMs += 10_000;
    await until('the reason', () => reasons().length > 1);
    expect(reasons()[1]).toBe('WRONGPASS');
    aheadMs += 10_000;
    await severalTries();
    expect(reasons()).toHaveLength(2);

    await giveUser('-ping');
    await until('the new reason', () => reasons().length > 2);
    expect(reasons()[2]).toBe('NOPERM');
    await giveUser();
    await until('it to be back', () => connections.connected);
    expect(log.lines.at(-1)?.message).toBe('Redis is in reach');
    expect(reasons()).toHaveLength(3);
    expect(JSON.stringify(log.lines)).not.toContain('geheim');
  });

  it('freezes: it counts as gone within about two seconds, holds nobody, and works again when it thaws', async () => {
    const [redis, a, b] = await twoNodesOn(startRedis());
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
    const [redis, a] = await twoNodesOn(startRedis());
    redis.pause();
    a.bus.publish('c', note('lost'));
    const began = performance.now();
    await a.bus.close();
    await a.connections.close();
    expect(performance.now() - began).toBeLessThan(500);
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

  it('takes back the right to listen: connected is not told before every subscription is confirmed again', async () => {
    const [redis, a, b] = await twoNodesOn(startRedis());
    const channels = await listenToAll(b, names('c', 5));
    const tries = async (): Promise<number> =>
      Number(/total_connections_received:(\d+)/.exec(String(await redis.command('INFO', 'stats')))?.[1]);
    const before = await tries();
    // It ends the connections of those who listen to what they may not listen to any more.
    await redis.command('ACL', 'SETUSER', 'default', 'resetchannels');
    await both([a, b], false, 3000);
    // Each try connects, signs in and is answered, and only the subscription is refused.
    await expect.poll(tries, { timeout: 10_000, interval: 200 }).toBeGreaterThan(before + 12);
    expect([a.changes, b.changes]).toEqual([[false], [false]]);
    await redis.command('ACL', 'SETUSER', 'default', 'allchannels');
    await both([a, b], true, 10_000);
    await expectAllHeard(a, channels);
    expect([a.changes, b.changes]).toEqual([
      [false, true],
      [false, true],
    ]);
    expect(b.log.lines.find(({ level }) => level === 'warn')?.fields).toHaveProperty('reason');
  });

  it('cuts connections again and again: they come back each time', async () => {
    const [redis, a, b] = await twoNodesOn(startRedis());
    const channels = await listenToAll(b, names('c', 30));
    for (const type of ['normal', 'pubsub', 'normal', 'pubsub'] as const) {
      const [seenA, seenB] = [a.changes.length, b.changes.length];
      await redis.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
      await until('both to have noticed', () => a.changes.length >= seenA + 2 && b.changes.length >= seenB + 2);
      await both([a, b], true, 10_000);
      await expectAllHeard(a, channels);
    }
  });

  it('drops notes when Redis takes no more, and tells the others that it did, seldom', async () => {
    const [, a, b] = await twoNodesOn(startRedis());
    const lossesOf: string[] = [];
    b.bus.onLoss((nodeId) => lossesOf.push(nodeId));
    let nudged = 0;
    b.bus.onNudge(() => (nudged += 1));
    const { heard } = await listen(b, 'c_1');
    const before = lossesOf.length;
    const text = 'x'.repeat(2000);
    const count = 30_000;
    const heapBefore = process.memoryUsage().heapUsed;
    for (let sent = 0; sent < count; sent += 1) a.bus.publish('c_1', note(text));
    const grown = (process.memoryUsage().heapUsed - heapBefore) / 1024 / 1024;
    await until('word of it', () => lossesOf.length > before && nudged > 0);
    expect(lossesOf.slice(before).length).toBeLessThan(3);
    expect(new Set(lossesOf)).toEqual(new Set([a.id]));
    expect(heard.length).toBeLessThan(count);
    expect(a.bus.connected).toBe(true);
    console.log(`${String(heard.length)} of ${String(count)} heard, heap +${grown.toFixed(0)} MiB`);
  });
});
