import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { Facts, Store } from '../../src/ports/store.ts';
import { type PostgresStoreOptions, openPostgresStore } from '../../src/store/postgres/store.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { silentLog } from '../support/store.ts';
import { agentRecord, factsChange, factsOf, opened, openOf, send, seqsOf } from './builders.ts';

/** A database that goes away, or answers nothing. Commits are flushed here, as they are in production. */
describe('the Postgres store while its database fails', () => {
  let postgres: TestPostgres;
  let url: string;
  let store: Store;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());
  beforeEach(async () => {
    await postgres.start();
    url = await postgres.newDatabase();
    store = await open();
  });
  afterEach(async () => {
    postgres.resume();
    await store.close();
  });

  const open = async (options: Partial<PostgresStoreOptions> = {}): Promise<Store> =>
    (await openPostgresStore({ url, log: silentLog, metrics: noMetrics, ...options })).store;
  const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'done',
      (error: unknown) => (error as { code: string }).code,
    );
  const eventually = async (what: string, look: () => Promise<boolean>, timeoutMs = 15_000): Promise<void> => {
    const deadline = Date.now() + timeoutMs;
    while (!(await look())) {
      if (Date.now() > deadline) throw new Error(`waited ${String(timeoutMs)} ms for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const healthy = (one: Store) => eventually('health', async () => (await one.health()) === undefined);

  /** Sends messages with client ids until told to stop, each again until it is known to be kept. */
  const underLoad = async (conversations: readonly Facts[], meanwhile: () => Promise<void>): Promise<Set<string>> => {
    const acknowledged = new Set<string>();
    const codes = new Set<unknown>();
    let stopping = false;
    const writer = async (name: number): Promise<void> => {
      for (let count = 0; !stopping || count < 5; count++) {
        const facts = conversations[(name + count) % conversations.length]!;
        const clientMessageId = `${String(name)}-${String(count)}`;
        for (let kept = false; !kept;) {
          try {
            const seq = ((await store.heads([facts.id])).get(facts.id) ?? 0) + 1;
            // Some go the other way: with facts, or as the wrong one's expectation.
            const more = count % 4 === 0 ? { facts: { ...facts, subject: clientMessageId } } : {};
            const { kind } = await send(store, facts, seq, { clientMessageId }, more);
            kept = kind === 'committed' || kind === 'duplicate';
          } catch (error) {
            codes.add((error as { code: string }).code);
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
        }
        acknowledged.add(`${facts.id} ${clientMessageId}`);
      }
    };
    const writers = Array.from({ length: 24 }, (_, name) => writer(name));
    await eventually('some to be kept', () => Promise.resolve(acknowledged.size > 200));
    await meanwhile();
    const before = acknowledged.size;
    await eventually('more to be kept', () => Promise.resolve(acknowledged.size > before + 200));
    stopping = true;
    await Promise.all(writers);
    for (const code of codes) expect(['unavailable', 'timeout']).toContain(code);
    return acknowledged;
  };

  const expectWhole = async (conversations: readonly Facts[], acknowledged: Set<string>): Promise<void> => {
    const logged: string[] = [];
    for (const { id } of conversations) {
      const page = await store.entries({ conversationId: id, audience: 'staff', afterSeq: 0, limit: 100_000 });
      const entries = page?.entries ?? [];
      expect(seqsOf(entries)).toEqual(entries.map((_, index) => index + 1));
      expect(page?.lastSeq).toBe(entries.length);
      logged.push(
        ...entries.flatMap((entry) => (entry.type === 'message:created' ? [`${id} ${entry.clientMessageId}`] : [])),
      );
    }
    expect(new Set(logged).size).toBe(logged.length);
    expect([...acknowledged].filter((key) => !logged.includes(key))).toEqual([]);
  };

  it.each([
    ['restarts', () => postgres.stop()],
    ['is killed', () => postgres.kill()],
  ])('[STORE-10] keeps what it acknowledged, once, when the database %s under load', async (_what, end) => {
    const conversations = await Promise.all(Array.from({ length: 30 }, () => opened(store)));
    const acknowledged = await underLoad(conversations, async () => {
      for (let round = 0; round < 2; round++) {
        await end();
        await eventually('ill health', async () => (await store.health()) !== undefined);
        await postgres.start();
        await healthy(store);
      }
    });
    await expectWhole(conversations, acknowledged);
  });

  it('[STORE-10] says `unavailable` at once while the database is gone, and why, and serves again without a restart', async () => {
    const facts = await opened(store);
    await postgres.stop();
    const startedAt = performance.now();
    const codes = await Promise.all([
      codeOf(send(store, facts, 2)),
      codeOf(store.append(factsChange(facts, 2, { subject: 'x' }))),
      codeOf(store.open(openOf(factsOf()))),
      codeOf(store.saveAgent(agentRecord(facts.tenant, 'bob'))),
      codeOf(store.heads([facts.id])),
      codeOf(store.conversation(facts.tenant, facts.id)),
    ]);
    expect(codes).toEqual(Array(6).fill('unavailable'));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(await store.health()).toMatch(/ECONNREFUSED/);
    await postgres.start();
    await healthy(store);
    expect((await store.heads([facts.id])).get(facts.id)).toBe(1);
    expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
  });

  it('[STORE-10] after one call hung it refuses others at once, until the database answers again', async () => {
    const hasty = await open({ statementMs: 300 });
    const [facts, other] = [await opened(hasty), await opened(hasty)];
    // Several connections are open, so that nobody has to make one.
    await Promise.all(Array.from({ length: 5 }, () => hasty.heads([facts.id])));
    postgres.pause();
    const first = await Promise.all([
      codeOf(send(hasty, facts, 2)),
      codeOf(hasty.append(factsChange(other, 2, { subject: 'x' }))),
      codeOf(hasty.heads([facts.id])),
    ]);
    // The batch may be kept; the transaction had not come to its end.
    expect(first).toEqual(['timeout', 'unavailable', 'unavailable']);
    const startedAt = performance.now();
    const others = [
      codeOf(send(hasty, facts, 2)),
      codeOf(hasty.heads([facts.id])),
      codeOf(hasty.saveAgent(agentRecord('t', 'bob'))),
    ];
    expect(await Promise.all(others)).toEqual(Array(3).fill('unavailable'));
    expect(performance.now() - startedAt).toBeLessThan(100);
    expect(await hasty.health()).toMatch(/not answered within/);
    postgres.resume();
    await healthy(hasty);
    // Whether the first was kept is known now.
    const lastSeq = (await hasty.heads([facts.id])).get(facts.id) ?? 0;
    const { kind } = await send(hasty, facts, lastSeq + 1, { clientMessageId: 'message-2' });
    expect(kind).toBe(lastSeq === 1 ? 'committed' : 'duplicate');
    expect((await hasty.conversation(other.tenant, other.id))?.subject).toBe(other.subject);
    await hasty.close();
  });

  it('[STORE-10] closes in time while the database hangs', async () => {
    const hasty = await open({ statementMs: 300 });
    const facts = await opened(hasty);
    postgres.pause();
    const write = codeOf(send(hasty, facts, 2));
    const startedAt = performance.now();
    await hasty.close();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(await write).toBe('timeout');
    postgres.resume();
  });

  it('[STORE-10] says why the database can’t be used, and when it can be again', async () => {
    const facts = await opened(store);
    const database = url.split('/').at(-1) ?? '';
    await postgres.query(url, 'ALTER TABLE heads RENAME TO heads_away');
    expect(await codeOf(send(store, facts, 2))).toBe('unavailable');
    await postgres.query(url, 'ALTER TABLE heads_away RENAME TO heads');
    expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
    await postgres.query(postgres.url, `ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    await postgres.query(
      postgres.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
    );
    await eventually('ill health', async () => (await store.health())?.includes('not currently accepting') === true);
    expect(await codeOf(send(store, facts, 3))).toBe('unavailable');
    await postgres.query(postgres.url, `ALTER DATABASE ${database} ALLOW_CONNECTIONS true`);
    await healthy(store);
    expect(await send(store, facts, 3)).toEqual({ kind: 'committed' });
  });

  it('[STORE-10] closing commits what is under way; later calls reject with `unavailable`', async () => {
    const facts = await opened(store);
    const writes = Array.from({ length: 600 }, (_, index) => send(store, facts, index + 2));
    const read = store.heads([facts.id]);
    const closed = store.close();
    expect(await codeOf(send(store, facts, 700))).toBe('unavailable');
    expect(await codeOf(store.heads([facts.id]))).toBe('unavailable');
    expect(await store.health()).toMatch(/closed/);
    await closed;
    expect((await Promise.all(writes)).every(({ kind }) => kind === 'committed')).toBe(true);
    expect((await read).get(facts.id)).toBeGreaterThan(0);
    await store.close();
    const again = await open();
    expect((await again.heads([facts.id])).get(facts.id)).toBe(601);
    await again.close();
  });
});
