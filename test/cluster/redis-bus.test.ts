import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hashSlot } from '../../src/cluster/hash-slot.ts';
import { Random, seedOf } from '../support/random.ts';
import { startCluster, startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { listen, note, startNode, textOf } from './support.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(() => redis.command('CONFIG', 'RESETSTAT'));

/** How often Redis was asked for something since the test began. */
const calls = async (command: string): Promise<number> => {
  const stats = String(await redis.command('INFO', 'commandstats'));
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
};

describe('the bus over Redis', () => {
  it('brings a note to the nodes that listen to its conversation, with the id of who says it, and not back', async () => {
    const [a, b, c] = [await startNode(redis.url), await startNode(redis.url), await startNode(redis.url)];
    const heard: unknown[] = [];
    await b.bus.subscribe('c_1', (got, nodeId) => heard.push([textOf(got), nodeId]));
    const own = await listen(a, 'c_1');
    const other = await listen(c, 'c_2');
    a.bus.publish('c_1', note('one'));
    a.bus.publish('c_2', note('two'));
    await until('both', () => heard.length === 1 && other.heard.length === 1);
    expect(heard).toEqual([['one', a.id]]);
    // What another says later arrives after what it says itself would have.
    b.bus.publish('c_1', note('three'));
    await until('the answer', () => own.heard.length > 0);
    expect(own.heard).toEqual(['three']);
    expect(other.heard).toEqual(['two']);
  });

  it('brings entries as they were', async () => {
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const heard: unknown[] = [];
    await b.bus.subscribe('c_1', (got) => heard.push(got));
    const entry = {
      id: 'c_1-7',
      conversationId: 'c_1',
      seq: 7,
      type: 'conversation:rated',
      visibility: 'all',
      at: '2026-01-01T00:00:00.000Z',
      by: null,
      text: 'ä\n"\u2028😀',
    };
    const sent = { kind: 'entries', entries: [entry, { ...entry, seq: 8 }] } as never;
    a.bus.publish('c_1', sent);
    await until('the note', () => heard.length === 1);
    expect(heard).toEqual([sent]);
  });

  it('takes in no note that is not whole, and those after it', async () => {
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const { heard } = await listen(b, 'c_1');
    const entry = { id: 'c_1-7', conversationId: 'c_1', seq: 7, type: 'message:created', visibility: 'all' };
    for (const wrong of [
      { kind: 'typing-started', typist: { user: { id: 5 } } },
      { kind: 'typing-stopped', user: { id: 'q', name: 'Q', role: 'agent' }, reason: 'tired' },
      { kind: 'here', users: [{}], typists: [] },
      { kind: 'here', users: [], typists: [{ user: { id: 'q', name: 'Q', role: 'agent' }, expiresAt: 'x' }] },
      { kind: 'entries', entries: [{ ...entry, seq: 0 }] },
      { kind: 'entries', entries: [{ ...entry, type: 'toString' }] },
      { kind: 'entries', entries: [{ ...entry, visibility: undefined }] },
      { kind: 'entries', entries: [null] },
      { kind: 'other' },
      null,
    ])
      await redis.command('SPUBLISH', 'deskwire:c:c_1', `another\n${JSON.stringify(wrong)}`);
    a.bus.publish('c_1', note('right'));
    await until('the note after them', () => heard.length > 0);
    expect(heard).toEqual(['right']);
  });

  it('tells others that a node can be heard, without a nudge; a nudge tells it too', async () => {
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const greeted: string[] = [];
    let nudges = 0;
    a.bus.onGreeting(() => greeted.push('itself'));
    b.bus.onGreeting((nodeId) => greeted.push(nodeId));
    b.bus.onNudge(() => (nudges += 1));
    await until('a to be heard', () => {
      a.bus.greet();
      return greeted.length > 0;
    });
    expect(new Set(greeted)).toEqual(new Set([a.id]));
    expect(nudges).toBe(0);
    greeted.length = 0;
    a.bus.nudge();
    await until('the nudge', () => nudges === 1);
    expect(greeted).toContain(a.id);
  });

  it('is subscribed once however many listen, and until the last has ended', async () => {
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const before = await calls('ssubscribe');
    const first = await listen(b, 'c_1');
    const second = await listen(b, 'c_1');
    expect((await calls('ssubscribe')) - before).toBe(1);
    first.end();
    first.end();
    a.bus.publish('c_1', note('one'));
    await until('the second', () => second.heard.length === 1);
    expect(first.heard).toEqual([]);
    second.end();
    await expect.poll(() => redis.command('PUBSUB', 'SHARDNUMSUB', 'deskwire:c:c_1')).toEqual(['deskwire:c:c_1', 0]);
  });

  it('asks once for all that is subscribed together', async () => {
    const a = await startNode(redis.url);
    const before = await calls('ssubscribe');
    await Promise.all(Array.from({ length: 400 }, (_, index) => listen(a, `c_${String(index)}`)));
    expect((await calls('ssubscribe')) - before).toBeLessThanOrEqual(2);
    expect((await redis.command('PUBSUB', 'SHARDCHANNELS', 'deskwire:c:*')) as string[]).toHaveLength(400);
  });

  it('drops what it cannot read, says so once, and goes on', async () => {
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const listener = await listen(b, 'c_1');
    const garbled = [
      '',
      'x',
      '\n{}',
      'n\n',
      'n\n{',
      'n\nnull',
      'n\n{"kind":"later"}',
      'n\n{"kind":"entries","entries":[1]}',
      'n\n{"kind":"here"}',
    ];
    for (const text of garbled) await redis.command('SPUBLISH', 'deskwire:c:c_1', text);
    a.bus.publish('c_1', note('good'));
    await until('the good one', () => listener.heard.length > 0);
    expect(listener.heard).toEqual(['good']);
    expect(b.log.lines.filter(({ message }) => message.includes('could not be read'))).toHaveLength(1);
  });

  it('outlives a listener that throws', async () => {
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    await b.bus.subscribe('c_1', () => {
      throw new Error('not taken');
    });
    const listener = await listen(b, 'c_1');
    a.bus.publish('c_1', note('one'));
    await until('the other', () => listener.heard.length === 1);
    expect(b.log.lines.some(({ level }) => level === 'error')).toBe(true);
    expect(b.bus.connected).toBe(true);
  });

  it('nudges all others, and makes one of many', async () => {
    const [a, b, c] = [await startNode(redis.url), await startNode(redis.url), await startNode(redis.url)];
    const nudged = { a: 0, b: 0, c: 0 };
    a.bus.onNudge(() => (nudged.a += 1));
    b.bus.onNudge(() => (nudged.b += 1));
    c.bus.onNudge(() => (nudged.c += 1));
    await listen(b, 'c_1');
    await listen(c, 'c_1');
    for (let count = 0; count < 1000; count += 1) a.bus.nudge();
    // The first at once, the rest as one.
    await until('two nudges each', () => nudged.b === 2 && nudged.c === 2);
    b.bus.nudge();
    await until('one back', () => nudged.a === 1);
    expect(nudged).toEqual({ a: 1, b: 2, c: 3 });
  });

  it('keeps desks apart that take a database each', async () => {
    const [a, b, c] = [
      await startNode(redis.url),
      await startNode(`${redis.url}/3`),
      await startNode(`${redis.url}/3`),
    ];
    const [inA, inC] = [await listen(a, 'c_1'), await listen(c, 'c_1')];
    b.bus.publish('c_1', note('three'));
    await until('the same database', () => inC.heard.length === 1);
    a.bus.nudge();
    expect(inA.heard).toEqual([]);
  });

  it('ends as the last call says, whatever the order of subscribing and ending', async () => {
    const seed = seedOf(20_261_121);
    console.log(`SEED=${String(seed)}`);
    const random = new Random(seed);
    const [a, b] = [await startNode(redis.url), await startNode(redis.url)];
    const ids = Array.from({ length: 20 }, (_, index) => `c_race_${String(index)}`);
    const open = new Map<string, { heard: string[]; end: () => void }[]>(ids.map((id) => [id, []]));
    const pending: Promise<void>[] = [];
    for (let step = 0; step < 3000; step += 1) {
      const id = random.pick(ids);
      const mine = open.get(id) ?? [];
      if (random.chance(0.5)) {
        // Some end in the turn in which they are confirmed, while others of the channel are under way.
        const endsAtOnce = random.chance(0.4);
        const subscribed = listen(b, id).then((listener) => {
          if (endsAtOnce) listener.end();
          else mine.push(listener);
        });
        if (random.chance(0.3)) await subscribed;
        else pending.push(subscribed);
      } else {
        mine.splice(random.below(mine.length + 1), 1)[0]?.end();
      }
      if (random.chance(0.05)) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(pending);
    const wanted = ids.filter((id) => (open.get(id)?.length ?? 0) > 0);
    await expect
      .poll(async () => {
        const channels = (await redis.command('PUBSUB', 'SHARDCHANNELS', 'deskwire:c:c_race_*')) as string[];
        return channels.map((name) => name.slice('deskwire:c:'.length)).sort();
      })
      .toEqual([...wanted].sort());
    for (const id of ids) a.bus.publish(id, note(id));
    const all = wanted.flatMap((id) => open.get(id) ?? []);
    await until('all listeners', () => all.every(({ heard }) => heard.length === 1));
  });
});

describe('slots', () => {
  it('are counted as Redis counts them', async () => {
    const cluster = await startCluster();
    try {
      const random = new Random(seedOf(1));
      const names = ['', '{}', '{}x', 'a{b}c', 'a{b}{d}', '{', 'ü{é}', 'deskwire:c:c_1', 'deskwire:nudge'];
      for (let count = 0; count < 50; count += 1) names.push(`deskwire:c:${String(random.next())}`);
      for (const name of names)
        expect([name, hashSlot(name)]).toEqual([name, await cluster.nodes[0]?.command('CLUSTER', 'KEYSLOT', name)]);
    } finally {
      await cluster.stop();
    }
  });
});
