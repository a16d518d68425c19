import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Client } from 'pg';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { AppendOutcome, Store } from '../../src/ports/store.ts';
import { type PostgresStoreOptions, openPostgresStore } from '../../src/store/postgres/store.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { Random, seedOf } from '../support/random.ts';
import { silentLog } from '../support/store.ts';
import { begin, begun, readyOf, uploadOf } from './attachment-builders.ts';
import { factsChange, factsOf, fill, messageEntry, opened, openOf, send, seqsOf, unique, user } from './builders.ts';

/** What one database promises to several stores on it. */
describe('several stores on one Postgres database', () => {
  let postgres: TestPostgres;
  let url: string;
  let stores: Store[];
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: false });
  });
  afterAll(() => postgres.remove());
  beforeEach(async () => {
    url = await postgres.newDatabase();
    stores = [];
  });
  afterEach(() => Promise.all(stores.map((store) => store.close())));

  const open = async (options: Partial<PostgresStoreOptions> = {}): Promise<Store> => {
    const { store } = await openPostgresStore({ url, log: silentLog, metrics: noMetrics, ...options });
    stores.push(store);
    return store;
  };
  const two = async (): Promise<[Store, Store]> => [await open(), await open()];
  const kinds = (outcomes: readonly { kind: string }[]): string[] => outcomes.map(({ kind }) => kind).sort();

  /** A connection of somebody else, in a transaction. */
  const holding = async (sql: string): Promise<Client> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN');
    await client.query(sql);
    return client;
  };
  const waiters = async (): Promise<number> => {
    const rows = await postgres.query<{ count: number }>(
      url,
      'SELECT count(*)::int AS count FROM pg_locks WHERE NOT granted',
    );
    return rows[0]?.count ?? 0;
  };
  const untilWaiters = async (count: number): Promise<void> => {
    const deadline = Date.now() + 5_000;
    while ((await waiters()) < count) {
      if (Date.now() > deadline) throw new Error(`waited for ${String(count)} that wait for locks`);
    }
  };

  it.each(['in one batch', 'one by one', 'with more than entries'])(
    '[STORE-2] what was decided on a write that is not made is not made either, though another process filled its place: %s',
    async (how) => {
      const [one, other] = await two();
      const facts = await opened(one);
      expect(await send(other, facts, 2, { clientMessageId: 'theirs' })).toEqual({ kind: 'committed' });
      // Decided when the last seq was 1; the last of these expects 2, and there is a 2 now.
      const chain = { broken: false };
      const writes = [2, 3, 4].map((seq) =>
        how === 'with more than entries'
          ? one.append({ ...factsChange(facts, seq, { subject: `ours ${String(seq)}` }), chain })
          : send(one, facts, seq, { clientMessageId: `ours-${String(seq)}` }, { chain }),
      );
      if (how === 'one by one') for (const write of writes) await write;
      expect(await Promise.all(writes)).toEqual(Array(3).fill({ kind: 'conflict' }));
      expect((await one.heads([facts.id])).get(facts.id)).toBe(2);
      expect((await one.conversation(facts.tenant, facts.id))?.subject).toBe(facts.subject);
      // And what is decided anew goes on.
      const anew = { broken: false };
      const later = [3, 4].map((seq) => send(one, facts, seq, {}, { chain: anew }));
      expect(await Promise.all(later)).toEqual(Array(2).fill({ kind: 'committed' }));
    },
  );

  it('[STORE-2] of appends with the same expectation one is committed', async () => {
    const [one, other] = await two();
    for (let round = 0; round < 20; round++) {
      const facts = await opened(one);
      const outcomes = await Promise.all(
        [one, other].flatMap((store, node) =>
          [0, 1, 2].map((place) => send(store, facts, 2, { clientMessageId: `m-${String(node)}-${String(place)}` })),
        ),
      );
      expect(kinds(outcomes)).toEqual(['committed', ...Array<string>(5).fill('conflict')]);
    }
  });

  it('[STORE-2] keeps every log whole under writers on both, and each client id once', async () => {
    const seed = seedOf(20_261_121);
    const random = new Random(seed);
    const all = await two();
    const conversations = await Promise.all(Array.from({ length: 4 }, () => opened(all[0])));
    const committed = new Map<string, string>();
    const writer = async (index: number): Promise<void> => {
      const store = all[index % 2]!;
      for (let count = 0; count < 30; count++) {
        const facts = random.pick(conversations);
        // The same few ids from all writers, as the same author's.
        const clientMessageId = `m${String(random.below(60))}`;
        const key = `${facts.id} ${clientMessageId}`;
        const text = `${key} by ${String(index)} at ${String(count)}`;
        let outcome: AppendOutcome;
        do {
          const seq = ((await store.heads([facts.id])).get(facts.id) ?? 0) + 1;
          const change = random.chance(0.2);
          outcome = change
            ? await store.append(factsChange(facts, seq, { subject: text }))
            : await send(store, facts, seq, { clientMessageId, text });
          if (outcome.kind === 'committed' && !change) {
            expect(committed.has(key), `seed ${String(seed)}`).toBe(false);
            committed.set(key, text);
          }
        } while (outcome.kind === 'conflict');
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, index) => writer(index)));
    const logged: (string | null)[] = [];
    for (const facts of conversations) {
      const page = await all[0].entries({ conversationId: facts.id, audience: 'staff', afterSeq: 0, limit: 5_000 });
      const entries = page?.entries ?? [];
      expect(seqsOf(entries), `seed ${String(seed)}`).toEqual(entries.map((_, index) => index + 1));
      expect(page?.lastSeq).toBe(entries.length);
      logged.push(...entries.flatMap((entry) => (entry.type === 'message:created' ? [entry.text] : [])));
    }
    expect(logged.sort(), `seed ${String(seed)}`).toEqual([...committed.values()].sort());
  });

  it('[STORE-2] decides by what was committed while a write waited for the conversation', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    const holder = await holding(`SELECT FROM heads WHERE id = '${facts.id}' FOR UPDATE`);
    const change = one.append(factsChange(facts, 2, { subject: 'first' }));
    await untilWaiters(1);
    // Both statements began before anything was committed.
    const late = Promise.all([
      send(other, facts, 2, { clientMessageId: 'late' }),
      other.append(factsChange(facts, 3, { subject: 'second' })),
    ]);
    await untilWaiters(2);
    await holder.query('COMMIT');
    await holder.end();
    expect(await change).toEqual({ kind: 'committed' });
    expect(await late).toEqual([{ kind: 'conflict' }, { kind: 'committed' }]);
    expect(await one.conversation(facts.tenant, facts.id)).toMatchObject({ subject: 'second', lastSeq: 3 });
  });

  it('[STORE-3] answers a repeat on another node with the entry that was made', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    await send(one, facts, 2, { text: 'once' });
    const duplicate = { kind: 'duplicate', entry: messageEntry(facts, 2, { text: 'once' }) };
    expect(await send(other, facts, 3, { clientMessageId: 'message-2', text: 'again' })).toEqual(duplicate);
    expect(await send(other, facts, 2, { text: 'again' })).toEqual(duplicate);
    for (let round = 3; round < 30; round++) {
      // Sent to both at once: to one as it would be next, to the other as if nothing had been.
      const outcomes = await Promise.all([send(one, facts, round), send(other, facts, round)]);
      expect(kinds(outcomes)).toEqual(['committed', 'duplicate']);
    }
  });

  it('[STORE-3] keeps a client id with the first that has it, also where nobody asked for that', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    const entries = [
      messageEntry(facts, 2, { clientMessageId: 'x' }),
      messageEntry(facts, 3, { clientMessageId: 'x' }),
    ];
    const { id: conversationId, tenant } = facts;
    expect(await one.append({ tenant, conversationId, expectedSeq: 1, entries })).toEqual({ kind: 'committed' });
    const again = messageEntry(facts, 4, { clientMessageId: 'x' });
    expect(await other.append({ tenant, conversationId, expectedSeq: 3, entries: [again] })).toEqual({
      kind: 'committed',
    });
    expect(await send(other, facts, 5, { clientMessageId: 'x' })).toEqual({ kind: 'duplicate', entry: entries[0] });
    const key = { tenant, conversationId, authorId: facts.customer.id, clientMessageId: 'x' };
    expect((await other.messageByClientId(key))?.seq).toBe(2);
  });

  it('[STORE-4] counts an agent’s conversations over all nodes', async () => {
    const all = await two();
    for (let round = 0; round < 5; round++) {
      const tenant = unique('tenant');
      const agent = user(unique('agent'), 'agent');
      const conversations = await Promise.all(Array.from({ length: 8 }, () => opened(all[0], { tenant })));
      const outcomes = await Promise.all(
        conversations.map((facts, index) =>
          all[index % 2]!.append({
            ...factsChange(facts, 2, { status: 'assigned', assignee: agent }),
            capacityGuard: { agentId: agent.id, capacity: 3 },
          }),
        ),
      );
      expect(kinds(outcomes)).toEqual([
        ...Array<string>(5).fill('capacity_reached'),
        ...Array<string>(3).fill('committed'),
      ]);
      expect(await all[1].activeCount(tenant, agent.id)).toBe(3);
    }
  });

  it('[STORE-4] gives one conversation to a customer who opens on both at once, and one to a name', async () => {
    const all = await two();
    for (let round = 0; round < 10; round++) {
      const tenant = unique('tenant');
      const customer = user(unique('customer'));
      const clientConversationId = round % 2 === 0 ? null : 'order 1042';
      const tries = Array.from({ length: 6 }, () => factsOf({ tenant, customer, clientConversationId }));
      const outcomes = await Promise.all(
        tries.map((facts, index) => all[index % 2]!.open(openOf(facts, { clientMessageId: 'm' }))),
      );
      expect(outcomes.filter(({ kind }) => kind === 'committed')).toHaveLength(1);
      expect((await all[0].listConversations({ tenant, limit: 10 })).conversations).toHaveLength(1);
    }
  });

  it('[STORE-4] counts quotas, begins an attachment and keeps a secret once over all nodes', async () => {
    const all = await two();
    const facts = await opened(all[0]);
    const begins = await Promise.all(
      Array.from({ length: 10 }, (_, index) => begin(all[index % 2]!, uploadOf(facts), { uploads: 3 })),
    );
    expect(kinds(begins)).toEqual([...Array<string>(3).fill('begun'), ...Array<string>(7).fill('quota_exceeded')]);
    const same = await Promise.all(
      Array.from({ length: 6 }, (_, index) => begin(all[index % 2]!, uploadOf(facts, { clientAttachmentId: 'photo' }))),
    );
    expect(kinds(same)).toEqual(['begun', ...Array<string>(5).fill('exists')]);
    const record = await begun(all[0], facts);
    const changes = await Promise.all(
      all.map((store) => store.changeAttachment({ record: readyOf(record), from: 'receiving' })),
    );
    expect(changes.sort()).toEqual([false, true]);
    const removals = await Promise.all(all.map((store) => store.removeAttachment(record)));
    expect(removals.sort()).toEqual([false, true]);
    const secrets = await Promise.all(all.map((store, index) => store.secret('s', `fresh ${String(index)}`)));
    expect(new Set(secrets).size).toBe(1);
  });

  it('[STORE-7] moves a cursor forward from all nodes', async () => {
    const all = await two();
    const { id: conversationId } = await opened(all[0]);
    const seqs = Array.from({ length: 40 }, (_, index) => ((index * 7) % 40) + 1);
    await Promise.all(
      seqs.map((seq, index) =>
        all[index % 2]!.moveCursor({
          conversationId,
          userId: `user ${String(index % 3)}`,
          ...{ deliveredSeq: seq, readSeq: seq, publicDeliveredSeq: seq, publicReadSeq: seq },
        }),
      ),
    );
    const cursors = await all[0].cursors(conversationId);
    const furthest = [0, 1, 2].map((who) => Math.max(...seqs.filter((_, index) => index % 3 === who)));
    expect(cursors.map(({ readSeq }) => readSeq)).toEqual(furthest);
  });

  it('[STORE-8] can be copied while it is written to, and the copy is one commit’s state', async () => {
    const store = await open();
    const facts = await opened(store);
    let seq = 1;
    const copied = new AbortController();
    const writer = (async () => {
      for (; !copied.signal.aborted; seq++) {
        // Entry and state change together: a copy that has one has the other.
        await store.append(factsChange(facts, seq + 1, { subject: `subject ${String(seq + 1)}` }));
      }
    })();
    const copy = await postgres.copyOf(url);
    const before = seq;
    copied.abort();
    await writer;
    const { store: restored, nodes } = await openPostgresStore({ url: copy, log: silentLog, metrics: noMetrics });
    stores.push(restored);
    const state = await restored.conversation(facts.tenant, facts.id);
    expect(state?.lastSeq).toBeGreaterThan(1);
    expect(state?.lastSeq).toBeLessThanOrEqual(before);
    expect(state?.subject).toBe(`subject ${String(state?.lastSeq)}`);
    const page = await restored.entries({ conversationId: facts.id, audience: 'staff', afterSeq: 0, limit: 100_000 });
    expect(seqsOf(page?.entries ?? [])).toEqual(Array.from({ length: state?.lastSeq ?? 0 }, (_, index) => index + 1));
    // It goes on from there.
    const info = { version: '1', startedAt: '', fingerprints: {} };
    const beat = { nodeId: 'a', info, presences: [], nodeLeaseMs: 1_000 };
    const { mark } = await nodes.beat({ ...beat, mark: null });
    const other = await opened(restored);
    const { conversations } = await nodes.beat({ ...beat, mark });
    expect(conversations.map((one) => one.state.id)).toEqual([other.id]);
  });

  describe('the two lanes', () => {
    it('[STORE-1] commits what is written in one tick as one, and what gathers meanwhile as the next', async () => {
      const batches: number[] = [];
      const store = await open({ metrics: { ...noMetrics, commit: (writes) => batches.push(writes) } });
      const conversations = await Promise.all(Array.from({ length: 40 }, () => opened(store)));
      batches.length = 0;
      const first = conversations.map((facts) => send(store, facts, 2));
      await new Promise((resolve) => setImmediate(resolve));
      const second = conversations.map((facts) => send(store, facts, 3));
      await Promise.all([...first, ...second]);
      expect(batches).toEqual([40, 40]);
      await fill(store, await opened(store), 601);
      expect(batches.slice(-3)).toEqual([256, 256, 88]);
    });

    it('[STORE-1] keeps a conversation’s writes in order when plain and other ones alternate', async () => {
      const store = await open();
      const facts = await opened(store);
      const order: number[] = [];
      const writes: Promise<unknown>[] = [];
      for (let seq = 2; seq <= 120; seq++) {
        const write =
          seq % 5 === 0 ? store.append(factsChange(facts, seq, { subject: String(seq) })) : send(store, facts, seq);
        writes.push(
          write.then(({ kind }) => {
            expect(kind).toBe('committed');
            order.push(seq);
          }),
        );
        if (seq % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(writes);
      expect(order).toEqual([...order].sort((a, b) => a - b));
    });

    it('[STORE-10] a conversation that somebody holds delays its own writes alone', async () => {
      const [store] = await two();
      const [held, free] = [await opened(store), await opened(store)];
      const holder = await holding(`SELECT FROM heads WHERE id = '${held.id}' FOR UPDATE`);
      let done = false;
      const waits = send(store, held, 2).finally(() => (done = true));
      for (let seq = 2; seq <= 10; seq++) expect(await send(store, free, seq)).toEqual({ kind: 'committed' });
      expect(done).toBe(false);
      await holder.query('ROLLBACK');
      await holder.end();
      expect(await waits).toEqual({ kind: 'committed' });
    });

    it('[STORE-10] a node that freezes within a transaction loses its hold, and what it wrote', async () => {
      const store = await open({ statementMs: 1_000 });
      const facts = await opened(store);
      // As a node's own connection is set.
      const holder = await holding('SET idle_in_transaction_session_timeout = 500');
      holder.on('error', () => undefined);
      await holder.query(`UPDATE heads SET last_seq = 9 WHERE id = '${facts.id}'`);
      expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
      await expect(holder.query('COMMIT')).rejects.toThrow();
    });

    it('[STORE-10] a write that waits too long for others is refused, and nothing of it kept', async () => {
      const store = await open({ statementMs: 300 });
      const facts = await opened(store);
      const holder = await holding(`SELECT FROM heads WHERE id = '${facts.id}' FOR UPDATE`);
      await expect(send(store, facts, 2)).rejects.toMatchObject({ code: 'unavailable' });
      await holder.query('ROLLBACK');
      await holder.end();
      expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
      expect(await store.health()).toBeUndefined();
    });

    it('[STORE-10] a write that can’t be made fails alone', async () => {
      const store = await open();
      const facts = await opened(store);
      const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
        promise.catch((error: unknown) => (error as { code: string }).code);
      const amendsNothing = { ...factsChange(facts, 3, { subject: 'never' }), amended: [messageEntry(facts, 9)] };
      const outcomes = await Promise.all([
        codeOf(send(store, facts, 2)),
        codeOf(store.append(amendsNothing)),
        codeOf(store.open(openOf(factsOf({ id: facts.id })))),
        codeOf(send(store, facts, 3)),
      ]);
      const committed = { kind: 'committed' };
      expect(outcomes).toEqual([committed, 'unavailable', 'unavailable', committed]);
      expect(await store.conversation(facts.tenant, facts.id)).toMatchObject({ subject: facts.subject, lastSeq: 3 });
    });

    it('[STORE-2] repeats transactions that lock each other out', async () => {
      const [one, other] = await two();
      const facts = await opened(one);
      const records = [await begun(one, facts), await begun(one, facts)];
      await Promise.all(records.map((record) => one.changeAttachment({ record: readyOf(record), from: 'receiving' })));
      const [first, second] = records.map(({ id }) => id);
      // Somebody takes the rows the other way round, and is the one that has waited longer.
      const holder = await holding(
        `SET deadlock_timeout = '10s'; SELECT FROM attachments WHERE id = '${second ?? ''}' FOR UPDATE`,
      );
      const attach = { attachmentIds: [first ?? '', second ?? ''], seq: 2, visibility: 'all' as const };
      const write = send(other, facts, 2, {}, { attach });
      await untilWaiters(1);
      const taken = holder.query(`SELECT FROM attachments WHERE id = '${first ?? ''}' FOR UPDATE`);
      await taken;
      await holder.query('ROLLBACK');
      await holder.end();
      expect(await write).toEqual({ kind: 'committed' });
    });
  });
});
