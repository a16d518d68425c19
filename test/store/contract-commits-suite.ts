import { describe, expect, it } from 'vitest';
import { type Metrics, noMetrics } from '../../src/ports/metrics.ts';
import type { Facts, Store } from '../../src/ports/store.ts';
import { factsChange, factsOf, messageEntry, opened, openOf, send, unique } from './builders.ts';
import { codeOf, nextTurn } from './checks.ts';

/** How any store commits, and ends. @param open opens a store of the test's own, each time the same one */
export const storeCommitsSuite = (open: (options?: { metrics?: Metrics }) => Promise<Store>): void => {
  describe('group commit', () => {
    it('[STORE-1] commits what is written in one tick as one, and what gathers meanwhile as the next', async () => {
      const batches: number[] = [];
      const store = await open({ metrics: { ...noMetrics, commit: (writes) => batches.push(writes) } });
      const conversations = await Promise.all(Array.from({ length: 40 }, () => opened(store)));
      batches.length = 0;
      const first = conversations.map((facts) => send(store, facts, 2));
      await nextTurn();
      const second = conversations.map((facts) => send(store, facts, 3));
      await Promise.all([...first, ...second]);
      expect(batches).toEqual([40, 40]);
    });

    it('[STORE-1] commits changes of facts with what else is written, each with its own', async () => {
      const batches: number[] = [];
      const store = await open({ metrics: { ...noMetrics, commit: (writes) => batches.push(writes) } });
      const before = await Promise.all(
        Array.from({ length: 20 }, (_, index) => opened(store, { tags: ['old', `of-${String(index)}`] })),
      );
      const others = await Promise.all(Array.from({ length: 5 }, () => opened(store, { tags: ['old'] })));
      const tag = unique('new');
      const after = before.map((facts, index): Facts => {
        const department = index % 3 === 0 ? null : `department-${String(index)}`;
        return {
          ...facts,
          department,
          subject: `subject "${String(index)}\\`,
          tags: index % 2 === 0 ? ['old', tag] : [],
        };
      });
      batches.length = 0;
      const writes = before.flatMap((facts, index) => [
        send(store, facts, 2),
        store.append(factsChange(facts, 3, { department: 'passing', tags: ['passing', tag], factsSeq: 3 })),
        store.append(factsChange(facts, 4, { ...after[index], factsSeq: 4 })),
        send(store, facts, 5),
      ]);
      for (const outcome of await Promise.all(writes)) expect(outcome).toEqual({ kind: 'committed' });
      expect(batches).toEqual([80]);
      for (const [index, { tenant, id }] of before.entries()) {
        const { subject, department, tags } = after[index] ?? {};
        const state = await store.conversation(tenant, id);
        expect(state).toMatchObject({ subject, department, tags, factsSeq: 4, lastSeq: 5 });
        const [tagged] = (await store.listConversations({ tenant, tag, limit: 9 })).conversations;
        expect(tagged?.id).toBe(index % 2 === 0 ? id : undefined);
      }
      for (const { tenant, id } of others) expect((await store.conversation(tenant, id))?.tags).toEqual(['old']);
    });

    it('[STORE-10] a write that can’t be made fails alone', async () => {
      const store = await open();
      const facts = await opened(store);
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

    it('[STORE-10] closing commits what is under way; later calls reject with `unavailable`', async () => {
      const store = await open();
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
    });
  });
};

/** Changes a conversation until it is stopped. Entry and facts change together: a copy that has one has the other. */
export const keepChanging = async (store: Store) => {
  const facts = await opened(store);
  let seq = 1;
  const stopping = new AbortController();
  const ended = (async () => {
    for (; !stopping.signal.aborted; seq++)
      await store.append(factsChange(facts, seq + 1, { subject: `subject ${String(seq + 1)}` }));
  })();
  return {
    facts,
    lastSeq: () => seq,
    stop: (): Promise<void> => {
      stopping.abort();
      return ended;
    },
  };
};
