import { describe, expect, it } from 'vitest';
import type { ConversationQuery, EntryPage, EntryQuery, Facts, Store } from '../../src/ports/store.ts';
import {
  agentIn,
  agentRecord,
  factsChange,
  factsOf,
  fill,
  opened,
  openOf,
  send,
  seqsOf,
  timeOf,
  unique,
  user,
} from './builders.ts';

/** Reads and cursors: part of the contract suite. */
export const storeReadsSuite = (currentStore: () => Store): void => {
  const move = (conversationId: string, userId: string, [deliveredSeq, readSeq]: readonly [number, number]) =>
    currentStore().moveCursor({
      conversationId,
      userId,
      deliveredSeq,
      readSeq,
      publicDeliveredSeq: Math.max(0, deliveredSeq - 1),
      publicReadSeq: Math.max(0, readSeq - 1),
    });

  describe('pages of entries', () => {
    const page = async (facts: Facts, query: Partial<EntryQuery>): Promise<EntryPage> => {
      const found = await currentStore().entries({ conversationId: facts.id, audience: 'staff', limit: 3, ...query });
      if (found === null) throw new Error('expected a page');
      return found;
    };
    const shape = ({ entries, hasMore, lastSeq }: EntryPage) => ({ seqs: seqsOf(entries), hasMore, lastSeq });
    const opened10 = async (): Promise<Facts> => {
      const facts = await opened(currentStore());
      await fill(currentStore(), facts, 10, [4, 5, 9, 10]);
      return facts;
    };

    it('[STORE-6] are the newest entries, ascending, when no seq is given', async () => {
      const facts = await opened10();
      expect(shape(await page(facts, {}))).toEqual({ seqs: [8, 9, 10], hasMore: true, lastSeq: 10 });
      expect(shape(await page(facts, { limit: 10 }))).toMatchObject({
        seqs: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        hasMore: false,
      });
    });

    it('[STORE-6] are the newest before a seq', async () => {
      const facts = await opened10();
      expect(shape(await page(facts, { beforeSeq: 8 }))).toEqual({ seqs: [5, 6, 7], hasMore: true, lastSeq: 10 });
      expect(shape(await page(facts, { beforeSeq: 4 }))).toEqual({ seqs: [1, 2, 3], hasMore: false, lastSeq: 10 });
      expect(shape(await page(facts, { beforeSeq: 1 }))).toEqual({ seqs: [], hasMore: false, lastSeq: 10 });
    });

    it('[STORE-6] are the oldest after a seq', async () => {
      const facts = await opened10();
      expect(shape(await page(facts, { afterSeq: 2 }))).toEqual({ seqs: [3, 4, 5], hasMore: true, lastSeq: 10 });
      expect(shape(await page(facts, { afterSeq: 7 }))).toEqual({ seqs: [8, 9, 10], hasMore: false, lastSeq: 10 });
      expect(shape(await page(facts, { afterSeq: 10 }))).toEqual({ seqs: [], hasMore: false, lastSeq: 10 });
    });

    it('[STORE-6] have public entries alone for the public, and count by those', async () => {
      const facts = await opened10();
      const audience = 'public';
      expect(shape(await page(facts, { audience }))).toEqual({ seqs: [6, 7, 8], hasMore: true, lastSeq: 10 });
      expect(shape(await page(facts, { audience, beforeSeq: 6 }))).toEqual({
        seqs: [1, 2, 3],
        hasMore: false,
        lastSeq: 10,
      });
      expect(shape(await page(facts, { audience, afterSeq: 2 }))).toEqual({
        seqs: [3, 6, 7],
        hasMore: true,
        lastSeq: 10,
      });
      // What follows is for staff: no more.
      expect(shape(await page(facts, { audience, afterSeq: 6 }))).toEqual({
        seqs: [7, 8],
        hasMore: false,
        lastSeq: 10,
      });
    });

    it('[STORE-6] are null of a conversation that does not exist, and large when asked', async () => {
      const store = currentStore();
      expect(await store.entries({ conversationId: unique('c'), audience: 'staff', limit: 3 })).toBeNull();
      const facts = await opened(store);
      await fill(store, facts, 450);
      const all = await page(facts, { afterSeq: 0, limit: 500 });
      expect(seqsOf(all.entries)).toEqual(Array.from({ length: 450 }, (_, index) => index + 1));
    });
  });

  describe('many reads at once', () => {
    it('[STORE-6] give each what it gives alone', async () => {
      const store = currentStore();
      const conversations = [await opened(store), await opened(store), await opened(store), factsOf()];
      for (const [index, facts] of conversations.slice(0, 3).entries()) {
        await fill(store, facts, 4 + index * 3, [3, 5 + index]);
        for (let reader = 0; reader < index; reader += 1) await move(facts.id, `reader-${String(reader)}`, [2, 1]);
      }
      const queries = conversations.flatMap(({ id }) =>
        (['staff', 'public'] as const).flatMap((audience) =>
          [{}, { beforeSeq: 6 }, { afterSeq: 0 }, { afterSeq: 3 }, { afterSeq: 99 }].flatMap((seqs) =>
            [1, 20].flatMap((limit) =>
              [true, false].map((withCursors) => ({ conversationId: id, audience, limit, withCursors, ...seqs })),
            ),
          ),
        ),
      );
      const together = await Promise.all(queries.map((query) => store.entries(query)));
      for (const [index, query] of queries.entries()) expect(await store.entries(query)).toEqual(together[index]);
      expect(together.filter((page) => page === null)).toHaveLength(queries.length / 4);

      const asked = conversations.flatMap(({ tenant, id }) => [
        { tenant, id },
        { tenant: 'another', id },
      ]);
      const states = await Promise.all(asked.map(({ tenant, id }) => store.conversation(tenant, id)));
      for (const [index, { tenant, id }] of asked.entries())
        expect(await store.conversation(tenant, id)).toEqual(states[index]);
      expect(states.map((state) => state?.id)).toEqual(
        asked.map(({ tenant, id }, index) => (tenant === 'another' || index >= 6 ? undefined : id)),
      );
    });
  });

  describe('positions', () => {
    it('[STORE-6] follow the log’s tail, and for the public its last public entry', async () => {
      const store = currentStore();
      const facts = await opened(store);
      await fill(store, facts, 5, [4, 5]);
      expect(await store.conversation(facts.tenant, facts.id)).toMatchObject({
        lastSeq: 5,
        updatedAt: timeOf(5),
        publicSeq: 3,
        publicUpdatedAt: timeOf(3),
      });
      const seqs = await Promise.all([0, 1, 3, 4, 5, 99].map((seq) => store.publicSeqAt(facts.id, seq)));
      expect(seqs).toEqual([0, 1, 3, 3, 3, 3]);
      expect(await store.publicSeqAt(unique('c'), 5)).toBe(0);
    });

    it('[STORE-6] of many conversations come at once, for those that exist', async () => {
      const store = currentStore();
      const all = await Promise.all(Array.from({ length: 120 }, () => opened(store)));
      await send(store, all[7]!, 2);
      const heads = await store.heads([...all.map(({ id }) => id), unique('c')]);
      expect(heads.size).toBe(120);
      expect([heads.get(all[7]!.id), heads.get(all[8]!.id)]).toEqual([2, 1]);
      expect((await store.heads([])).size).toBe(0);
    });
  });

  describe('lists of conversations', () => {
    const list = async (query: ConversationQuery): Promise<string[]> =>
      (await currentStore().listConversations(query)).conversations.map(({ id }) => id);

    it('[STORE-6] come newest first, page by page, each conversation once, also while others are opened', async () => {
      const store = currentStore();
      const tenant = unique('tenant');
      const ids: string[] = [];
      for (let index = 0; index < 7; index++) ids.unshift((await opened(store, { tenant })).id);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const found = await store.listConversations({ tenant, limit: 3, cursor });
        seen.push(...found.conversations.map(({ id }) => id));
        cursor = found.nextCursor ?? undefined;
        await opened(store, { tenant });
      } while (cursor !== undefined);
      expect(seen).toEqual(ids);
    });

    it('[STORE-6] end with a null cursor, also when the last page is full', async () => {
      const store = currentStore();
      const tenant = unique('tenant');
      for (let index = 0; index < 4; index++) await opened(store, { tenant });
      const first = await store.listConversations({ tenant, limit: 2 });
      const last = await store.listConversations({ tenant, limit: 2, cursor: first.nextCursor ?? '' });
      expect([first.nextCursor === null, last.nextCursor, last.conversations.length]).toEqual([false, null, 2]);
    });

    it.each(['', 'x', '%%%', 'MTIz', Buffer.from('conversations before 1e9').toString('base64url')])(
      '[STORE-6] give nothing after the foreign cursor "%s"',
      async (cursor) => {
        const tenant = unique('tenant');
        const { id } = await opened(currentStore(), { tenant });
        expect([id, ...(await list({ tenant, limit: 10, cursor }))]).toEqual([id]);
      },
    );

    it('[STORE-6] are filtered by everything that is asked, page by page', async () => {
      const store = currentStore();
      const tenant = unique('tenant');
      const bob = user(unique('agent'), 'agent');
      const queuedSales = await opened(store, { tenant, department: 'sales', tags: ['vip'] });
      const assigned = await opened(store, { tenant, department: 'sales', status: 'assigned', assignee: bob });
      const closed = await opened(store, { tenant, status: 'closed', assignee: bob, tags: ['vip', 'x\u0000y'] });
      const queued = await opened(store, { tenant });
      const find = (query: Partial<ConversationQuery>): Promise<string[]> => list({ tenant, limit: 10, ...query });
      expect(await find({})).toEqual([queued.id, closed.id, assigned.id, queuedSales.id]);
      expect(await find({ status: 'queued' })).toEqual([queued.id, queuedSales.id]);
      expect(await find({ department: 'sales' })).toEqual([assigned.id, queuedSales.id]);
      expect(await find({ department: 'sales', status: 'queued' })).toEqual([queuedSales.id]);
      expect(await find({ assigneeId: bob.id })).toEqual([closed.id, assigned.id]);
      expect(await find({ assigneeId: bob.id, status: 'assigned' })).toEqual([assigned.id]);
      expect(await find({ assigneeId: null })).toEqual([queued.id, queuedSales.id]);
      expect(await find({ tag: 'vip' })).toEqual([closed.id, queuedSales.id]);
      expect(await find({ tag: 'vip', status: 'closed', assigneeId: bob.id })).toEqual([closed.id]);
      expect(await find({ tag: 'x\u0000y' })).toEqual([closed.id]);
      expect(await find({ customerId: queued.customer.id })).toEqual([queued.id]);
      expect(await find({ customerId: queued.customer.id, status: 'closed' })).toEqual([]);
      const first = await store.listConversations({ tenant, tag: 'vip', limit: 1 });
      const second = await store.listConversations({ tenant, tag: 'vip', limit: 1, cursor: first.nextCursor ?? '' });
      expect([first, second].map(({ conversations }) => conversations[0]?.id)).toEqual([closed.id, queuedSales.id]);
      expect(second.nextCursor).toBeNull();
    });
  });

  describe('walls between tenants', () => {
    it('[STORE-6] hide conversations, lists, agents and current conversations', async () => {
      const store = currentStore();
      const facts = await opened(store, { tags: ['vip'] });
      const other = unique('tenant');
      expect(await store.conversation(other, facts.id)).toBeNull();
      expect(await store.conversation(facts.tenant, facts.id)).not.toBeNull();
      expect(await store.currentConversation(other, facts.customer.id)).toBeNull();
      expect((await store.listConversations({ tenant: other, limit: 10 })).conversations).toEqual([]);
      expect((await store.listConversations({ tenant: other, tag: 'vip', limit: 10 })).conversations).toEqual([]);
      await store.saveAgent(agentRecord(facts.tenant, 'bob'));
      expect(await agentIn(store, other, 'bob')).toBeUndefined();
    });
  });

  describe('cursors and agents', () => {
    it('[STORE-7] cursors move forward, part by part, never back, and give where they stand', async () => {
      const { id } = await opened(currentStore());
      const userId = unique('customer');
      const at = (deliveredSeq: number, readSeq: number) => ({
        userId,
        deliveredSeq,
        readSeq,
        publicDeliveredSeq: deliveredSeq - 1,
        publicReadSeq: readSeq - 1,
      });
      expect(await move(id, userId, [5, 3])).toEqual(at(5, 3));
      expect(await move(id, userId, [4, 4])).toEqual(at(5, 4));
      expect(await move(id, userId, [1, 1])).toEqual(at(5, 4));
      expect(await currentStore().cursors(id)).toEqual([at(5, 4)]);
    });

    it('[STORE-7] cursors moved at once end at the furthest', async () => {
      const { id } = await opened(currentStore());
      const moved = await Promise.all([3, 9, 1, 7].map((seq) => move(id, 'ann', [seq, seq])));
      expect(moved.map(({ readSeq }) => readSeq)).toEqual([3, 9, 9, 9]);
    });

    it('[STORE-7] cursors are each user’s and conversation’s own', async () => {
      const [one, other] = [await opened(currentStore()), await opened(currentStore())];
      await move(one.id, 'a\u0000', [2, 2]);
      await move(one.id, 'b', [3, 3]);
      expect((await currentStore().cursors(one.id)).map(({ userId, readSeq }) => [userId, readSeq]).sort()).toEqual([
        ['a\u0000', 2],
        ['b', 3],
      ]);
      expect(await currentStore().cursors(other.id)).toEqual([]);
    });

    it('[STORE-7] cursors come with a page of entries, whole, once, where they are asked for', async () => {
      const store = currentStore();
      const facts = await opened(store);
      await fill(store, facts, 4);
      const page = (more: Partial<EntryQuery> = {}) =>
        store.entries({ conversationId: facts.id, audience: 'staff', limit: 2, withCursors: true, ...more });
      expect((await page())?.cursors).toEqual([]);
      await move(facts.id, 'a"\u0000', [2, 1]);
      await move(facts.id, 'b', [4, 4]);
      const cursors = await store.cursors(facts.id);
      expect(cursors).toHaveLength(2);
      expect((await page())?.cursors).toEqual(cursors);
      expect((await page({ afterSeq: 1, limit: 10 }))?.cursors).toEqual(cursors);
      // A page without entries.
      expect(await page({ afterSeq: 99 })).toMatchObject({ entries: [], cursors });
      expect((await page({ withCursors: false }))?.cursors).toEqual([]);
      expect((await page())?.entries).toHaveLength(2);
    });

    it('[STORE-7] a cursor in a conversation that does not exist is refused', async () => {
      await expect(move(unique('c'), 'ann', [1, 1])).rejects.toMatchObject({ code: 'not_found' });
    });

    it('agents are kept as they were saved last', async () => {
      const tenant = unique('tenant');
      const store = currentStore();
      expect(await agentIn(store, tenant, 'bob')).toBeUndefined();
      await store.saveAgent(agentRecord(tenant, 'bob'));
      const away = agentRecord(tenant, 'bob', { status: 'away', capacity: 3, skills: ['fr'] });
      await store.saveAgent(away);
      expect(await agentIn(store, tenant, 'bob')).toEqual(away);
    });

    it('revocations are kept for each person of a tenant, the latest of his', async () => {
      const [tenant, other] = [unique('tenant\u0000'), unique('tenant')];
      const store = currentStore();
      const revocation = (userId: string, at: number, of = tenant) => ({ tenant: of, userId, revokedAt: timeOf(at) });
      await store.saveRevocation(revocation('bob', 2));
      await Promise.all([9, 3, 5].map((at) => store.saveRevocation(revocation('bob', at))));
      await store.saveRevocation(revocation('eve\u0000', 1));
      await store.saveRevocation(revocation('bob', 4, other));
      const kept = (await store.revocations()).filter((one) => [tenant, other].includes(one.tenant));
      expect(kept).toHaveLength(3);
      expect(kept).toEqual(
        expect.arrayContaining([revocation('bob', 9), revocation('eve\u0000', 1), revocation('bob', 4, other)]),
      );
    });
  });

  describe('order', () => {
    it('[STORE-1] writes to a log resolve in the order in which they were made, whatever their kind and outcome', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const order: number[] = [];
      const note = (place: number) => () => void order.push(place);
      await Promise.all([
        send(store, facts, 2).then(note(0)),
        store.saveAgent(agentRecord(facts.tenant, 'bob')).then(note(1)),
        send(store, facts, 9).then(note(2)),
        move(facts.id, 'ann', [1, 1]).then(note(3)),
        store.open(openOf(factsOf())).then(note(4)),
        move(unique('c'), 'ann', [1, 1]).then(note(-1), note(5)),
        send(store, facts, 2).then(note(6)),
        send(store, facts, 3).then(note(7)),
        store.append(factsChange(facts, 4, { subject: 'x' })).then(note(8)),
      ]);
      expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
      // The others are not in this log.
      expect(order.filter((place) => ![1, 3, 4, 5].includes(place))).toEqual([0, 2, 6, 7, 8]);
    });

    it('[STORE-5] reads see what had resolved when they were made', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const checks: Promise<void>[] = [];
      for (let seq = 2; seq <= 60; seq++) {
        await send(store, facts, seq);
        checks.push(
          (async () => {
            const [state, page, heads] = await Promise.all([
              store.conversation(facts.tenant, facts.id),
              store.entries({ conversationId: facts.id, audience: 'staff', limit: 1 }),
              store.heads([facts.id]),
            ]);
            const seen = [state?.lastSeq, page?.lastSeq, page?.entries[0]?.seq, heads.get(facts.id)];
            expect(seen.every((last) => last !== undefined && last >= seq)).toBe(true);
          })(),
        );
      }
      await Promise.all(checks);
    });

    it('[STORE-5] a page and its last seq are of one instant', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const writing = fill(store, facts, 200);
      for (let read = 0; read < 30; read++) {
        const page = await store.entries({ conversationId: facts.id, audience: 'staff', limit: 1 });
        expect(page?.entries[0]?.seq).toBe(page?.lastSeq);
      }
      await writing;
    });
  });
};
