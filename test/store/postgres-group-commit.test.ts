import { describe, expect, it } from 'vitest';
import { noMetrics } from '../../src/ports/metrics.ts';
import { begun, readyOf } from './attachment-builders.ts';
import { factsChange, fill, opened, send } from './builders.ts';
import { nextTurn } from './checks.ts';
import { storeCommitsSuite } from './contract-commits-suite.ts';
import { lockOf, postgresScene } from './postgres-scene.ts';

/** How writes are gathered, and made one by one where they can't be. */
describe('the two lanes of the Postgres store', () => {
  const scene = postgresScene();
  const { open, two } = scene;

  storeCommitsSuite(open);

  it('[STORE-1] commits no more at once than one statement should take', async () => {
    const batches: number[] = [];
    const store = await open({ metrics: { ...noMetrics, commit: (writes) => batches.push(writes) } });
    await fill(store, await opened(store), 601);
    expect(batches.slice(-3)).toEqual([256, 256, 88]);
  });

  it('[STORE-1] keeps a conversation’s writes in order when messages, facts and what has to be counted alternate', async () => {
    const store = await open();
    const facts = await opened(store);
    const order: number[] = [];
    const writes: Promise<unknown>[] = [];
    for (let seq = 2; seq <= 120; seq++) {
      const change = factsChange(facts, seq, { subject: String(seq), factsSeq: seq });
      // Who is assigned is counted, which a batch doesn't.
      const counted = { ...change, capacityGuard: { agentId: 'bob', capacity: 1 } };
      const write =
        seq % 5 === 0 ? store.append(counted) : seq % 3 === 0 ? store.append(change) : send(store, facts, seq);
      writes.push(
        write.then(({ kind }) => {
          expect(kind).toBe('committed');
          order.push(seq);
        }),
      );
      if (seq % 7 === 0) await nextTurn();
    }
    await Promise.all(writes);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it('[STORE-10] a conversation that somebody holds delays its own writes alone', async () => {
    const [store] = await two();
    const [held, free] = [await opened(store), await opened(store)];
    const holder = await scene.transaction(lockOf(held));
    let done = false;
    const waits = send(store, held, 2).finally(() => (done = true));
    for (let seq = 2; seq <= 10; seq++) expect(await send(store, free, seq)).toEqual({ kind: 'committed' });
    expect(done).toBe(false);
    await scene.end(holder, 'ROLLBACK');
    expect(await waits).toEqual({ kind: 'committed' });
  });

  it('[STORE-10] a node that freezes within a transaction loses its hold, and what it wrote', async () => {
    const store = await open({ statementMs: 1_000 });
    const facts = await opened(store);
    // As a node's own connection is set.
    const holder = await scene.transaction('SET idle_in_transaction_session_timeout = 500');
    holder.on('error', () => undefined);
    await holder.query(`UPDATE heads SET last_seq = 9 WHERE id = '${facts.id}'`);
    expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
    await expect(holder.query('COMMIT')).rejects.toThrow();
  });

  it('[STORE-10] a write that waits too long for others is refused, and nothing of it kept', async () => {
    const store = await open({ statementMs: 300 });
    const facts = await opened(store);
    const holder = await scene.transaction(lockOf(facts));
    await expect(send(store, facts, 2)).rejects.toMatchObject({ code: 'unavailable' });
    await scene.end(holder, 'ROLLBACK');
    expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
    expect(await store.health()).toBeUndefined();
  });

  it('[STORE-2] repeats transactions that lock each other out', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    const records = [await begun(one, facts), await begun(one, facts)];
    await Promise.all(records.map((record) => one.changeAttachment({ record: readyOf(record), from: 'receiving' })));
    const [first, second] = records.map(({ id }) => id);
    // Somebody takes the rows the other way round, and is the one that has waited longer.
    const holder = await scene.transaction(
      `SET deadlock_timeout = '10s'; SELECT FROM attachments WHERE id = '${second ?? ''}' FOR UPDATE`,
    );
    const attach = { attachmentIds: [first ?? '', second ?? ''], seq: 2, visibility: 'all' as const };
    const write = send(other, facts, 2, {}, { attach });
    await scene.untilWaiters(1);
    const taken = holder.query(`SELECT FROM attachments WHERE id = '${first ?? ''}' FOR UPDATE`);
    await taken;
    await scene.end(holder, 'ROLLBACK');
    expect(await write).toEqual({ kind: 'committed' });
  });
});
