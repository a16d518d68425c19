import { describe, expect, it } from 'vitest';
import { hashSlot } from '../../src/cluster/hash-slot.ts';
import { startCluster, startSentinels, type RedisProcess } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { both, expectAllHeard, listen, listenToAll, names, note, startNode, twoNodesOn } from './support.ts';

describe('sentinels', () => {
  it('name another master when the first dies: the bus goes there by itself', async () => {
    const [place, a, b] = await twoNodesOn(startSentinels());
    const channels = await listenToAll(b, names('c', 40));
    const first = await place.masterPort();
    await place.servers.find(({ port }) => port === first)?.kill();
    await both([a, b], false, 3000);
    await both([a, b], true, 20_000);
    expect(await place.masterPort()).not.toBe(first);
    await expectAllHeard(a, channels);
  });

  it('name another master when the first freezes, and the first thaws as a replica: nobody stays with it', async () => {
    const [place, a, b] = await twoNodesOn(startSentinels({ count: 1 }));
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
    const [cluster, a, b] = await twoNodesOn(startCluster());
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
    const [cluster, a, b] = await twoNodesOn(startCluster());
    const channels = await listenToAll(b, ids);
    await cluster.nodes[3]?.command('CLUSTER', 'FAILOVER');
    await expect
      .poll(async () => String(await cluster.nodes[3]?.command('ROLE')), { timeout: 20_000 })
      .toContain('master');
    // For a moment the old one still takes messages, too.
    const masters = async (): Promise<number> =>
      (await Promise.all(cluster.nodes.map((node) => node.command('ROLE')))).filter((role) =>
        String(role).startsWith('master'),
      ).length;
    await expect.poll(masters, { timeout: 20_000 }).toBe(3);
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
    const [cluster, a, b] = await twoNodesOn(startCluster());
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

  it('dies as a whole and comes back: also those who start meanwhile find it', async () => {
    const [cluster, a, b] = await twoNodesOn(startCluster());
    const channels = await listenToAll(b, ids);
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await both([a, b], false, 3000);
    for (const [id, listener] of await listenToAll(b, names('during', 20))) channels.set(id, listener);
    const late = await startNode(cluster.url);
    expect(late.log.lines.map(({ level }) => level)).toEqual(['error']);
    const lateChannels = await listenToAll(late, ids);
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    await both([a, b, late], true, 30_000);
    await expectAllHeard(a, channels);
    await expectAllHeard(a, lateChannels);
  });

  it('freezes in one master: it counts as gone within about two seconds', async () => {
    const [cluster, a, b] = await twoNodesOn(startCluster());
    const channels = await listenToAll(b, ids);
    cluster.nodes[0]?.pause();
    await both([a, b], false, 2600);
    await both([a, b], true, 20_000);
    cluster.nodes[0]?.resume();
    await expectAllHeard(a, channels);
  });
});
