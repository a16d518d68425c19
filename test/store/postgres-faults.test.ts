import { beforeEach, describe, expect, it } from 'vitest';
import type { Facts, Store } from '../../src/ports/store.ts';
import { until } from '../support/until.ts';
import { agentRecord, factsChange, factsOf, opened, openOf, send } from './builders.ts';
import { codeOf, messagesOf, wholeLog } from './checks.ts';
import { lockOf, postgresScene } from './postgres-scene.ts';

const TIMEOUT_MS = 15_000;

/** A database that goes away, or answers nothing. Commits are flushed here, as they are in production. */
describe('the Postgres store while its database fails', () => {
  const scene = postgresScene({});
  const { open } = scene;
  let store: Store;
  beforeEach(async () => {
    store = await open();
  });

  const untilHealthy = (one: Store) => until('health', async () => (await one.health()) === undefined, TIMEOUT_MS);
  const untilIll = (how = '') =>
    until('ill health', async () => (await store.health())?.includes(how) === true, TIMEOUT_MS);

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
    await until('some to be kept', () => acknowledged.size > 200, TIMEOUT_MS);
    await meanwhile();
    const before = acknowledged.size;
    await until('more to be kept', () => acknowledged.size > before + 200, TIMEOUT_MS);
    stopping = true;
    await Promise.all(writers);
    for (const code of codes) expect(['unavailable', 'timeout']).toContain(code);
    return acknowledged;
  };

  const expectWhole = async (conversations: readonly Facts[], acknowledged: Set<string>): Promise<void> => {
    const logged: string[] = [];
    for (const { id } of conversations) {
      const entries = await wholeLog(store, id);
      logged.push(...messagesOf(entries).map(({ clientMessageId }) => `${id} ${clientMessageId}`));
    }
    expect(new Set(logged).size).toBe(logged.length);
    expect([...acknowledged].filter((key) => !logged.includes(key))).toEqual([]);
  };

  it.each([
    ['restarts', () => scene.postgres.stop()],
    ['is killed', () => scene.postgres.kill()],
  ])('[STORE-10] keeps what it acknowledged, once, when the database %s under load', async (_what, end) => {
    const conversations = await Promise.all(Array.from({ length: 30 }, () => opened(store)));
    const acknowledged = await underLoad(conversations, async () => {
      for (let round = 0; round < 2; round++) {
        await end();
        await untilIll();
        await scene.postgres.start();
        await untilHealthy(store);
      }
    });
    await expectWhole(conversations, acknowledged);
  });

  it('[STORE-10] says `unavailable` at once while the database is gone, and why, and serves again without a restart', async () => {
    const facts = await opened(store);
    await scene.postgres.stop();
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
    await scene.postgres.start();
    await untilHealthy(store);
    expect((await store.heads([facts.id])).get(facts.id)).toBe(1);
    expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
  });

  it('[STORE-10] after one call hung it refuses others at once, until the database answers again', async () => {
    const hasty = await open({ statementMs: 300 });
    const [facts, other] = [await opened(hasty), await opened(hasty)];
    const changed = factsChange(other, 2, { subject: 'x' });
    // Several connections are open, so that nobody has to make one.
    await Promise.all(Array.from({ length: 5 }, () => hasty.heads([facts.id])));
    scene.postgres.pause();
    const first = await Promise.all([
      codeOf(send(hasty, facts, 2)),
      codeOf(hasty.append({ ...changed, capacityGuard: { agentId: 'bob', capacity: 1 } })),
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
    expect(performance.now() - startedAt).toBeLessThan(250);
    expect(await hasty.health()).toMatch(/not answered within/);
    scene.postgres.resume();
    await untilHealthy(hasty);
    // Whether the first was kept is known now.
    const lastSeq = (await hasty.heads([facts.id])).get(facts.id) ?? 0;
    const { kind } = await send(hasty, facts, lastSeq + 1, { clientMessageId: 'message-2' });
    expect(kind).toBe(lastSeq === 1 ? 'committed' : 'duplicate');
    expect((await hasty.conversation(other.tenant, other.id))?.subject).toBe(other.subject);
    await hasty.close();
  });

  it('[STORE-10] takes a database that says nothing for one that is gone, soon, and one that is slow for slow', async () => {
    const [facts, other] = [await opened(store), await opened(store)];
    // A statement that waits for a lock, with nothing else asked meanwhile.
    const holder = await scene.transaction(lockOf(facts));
    const slow = store.append({ ...factsChange(facts, 2, { subject: 'slow' }) });
    await scene.untilWaiters(1);
    const overAt = performance.now() + 3_500;
    await until('it to be slow', () => performance.now() > overAt);
    expect(await store.health()).toBeUndefined();
    await scene.end(holder, 'COMMIT');
    expect(await slow).toEqual({ kind: 'committed' });

    scene.postgres.pause();
    const startedAt = performance.now();
    expect(await codeOf(send(store, other, 2))).toBe('timeout');
    expect(await codeOf(store.heads([other.id]))).toBe('unavailable');
    // Less than a statement may take.
    expect(performance.now() - startedAt).toBeLessThan(4_500);
    scene.postgres.resume();
    await untilHealthy(store);
  });

  it('[STORE-2] what was decided on a write of which it is not known whether it was kept is not made', async () => {
    const hasty = await open({ statementMs: 300 });
    const facts = await opened(hasty);
    const chain = { broken: false };
    scene.postgres.pause();
    expect(await codeOf(send(hasty, facts, 2, {}, { chain }))).toBe('timeout');
    scene.postgres.resume();
    await untilHealthy(hasty);
    // Its place, at the end of the log, is free whatever became of the first.
    expect(await send(hasty, facts, 3, {}, { chain, restsOnFacts: facts.factsSeq })).toEqual({ kind: 'conflict' });
  });

  it('[STORE-10] closes in time while the database hangs', async () => {
    const hasty = await open({ statementMs: 300 });
    const facts = await opened(hasty);
    scene.postgres.pause();
    const write = codeOf(send(hasty, facts, 2));
    const startedAt = performance.now();
    await hasty.close();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(await write).toBe('timeout');
    scene.postgres.resume();
  });

  it('[STORE-10] is not well while it takes no entries, though it takes other writes', async () => {
    const { store: full, nodes } = await scene.openNode();
    const facts = await opened(full);
    await scene.postgres.query(
      scene.url,
      `CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
       CREATE TRIGGER no_space BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION no_space()`,
    );
    expect(await codeOf(send(full, facts, 2))).toBe('unavailable');
    const beat = () =>
      nodes.beat({
        nodeId: 'node',
        info: { version: '1', startedAt: '2026-01-01T00:00:00.000Z', fingerprints: {} },
        presences: [],
        mark: null,
        nodeLeaseMs: 10_000,
      });
    for (let round = 0; round < 3; round += 1) {
      await beat();
      await full.saveAgent(agentRecord(facts.tenant, 'bob'));
      expect(await full.health()).toMatch(/No space left on device/);
    }
    await scene.postgres.query(scene.url, 'DROP TRIGGER no_space ON entries');
    expect(await full.health()).toBeUndefined();
    expect(await send(full, facts, 2)).toEqual({ kind: 'committed' });
    expect(await scene.postgres.query(scene.url, 'SELECT FROM entries WHERE conversation = 0')).toEqual([]);
  });

  it('[STORE-10] says why the database can’t be used, and when it can be again', async () => {
    const facts = await opened(store);
    const database = scene.url.split('/').at(-1) ?? '';
    await scene.postgres.query(scene.url, 'ALTER TABLE heads RENAME TO heads_away');
    expect(await codeOf(send(store, facts, 2))).toBe('unavailable');
    await scene.postgres.query(scene.url, 'ALTER TABLE heads_away RENAME TO heads');
    expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
    await scene.postgres.query(scene.postgres.url, `ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    await scene.postgres.query(
      scene.postgres.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
    );
    await untilIll('not currently accepting');
    expect(await codeOf(send(store, facts, 3))).toBe('unavailable');
    await scene.postgres.query(scene.postgres.url, `ALTER DATABASE ${database} ALLOW_CONNECTIONS true`);
    await untilHealthy(store);
    expect(await send(store, facts, 3)).toEqual({ kind: 'committed' });
  });
});
