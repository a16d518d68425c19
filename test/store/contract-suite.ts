import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConversationQuery, Store } from '../../src/ports/store.ts';
import { storeAttachmentsSuite } from './contract-attachments-suite.ts';
import { storeReadsSuite } from './contract-reads-suite.ts';
import { storeSentAttachmentsSuite } from './contract-sent-attachments-suite.ts';
import {
  appendOf,
  factsChange,
  factsOf,
  messageEntry,
  opened,
  openOf,
  send,
  seqsOf,
  timeOf,
  unique,
  user,
} from './builders.ts';

export interface MadeStore {
  store: Store;
  /** Closes it and deletes what it kept. */
  remove: () => Promise<void>;
}

/** What src/ports/store.ts promises, for any store. */
export const storeContractSuite = (name: string, makeStore: () => Promise<MadeStore>): void => {
  describe(`${name} keeps the store's contract`, () => {
    let store: Store;
    let remove: () => Promise<void>;
    beforeAll(async () => ({ store, remove } = await makeStore()));
    afterAll(() => remove());

    const lastSeq = async (id: string): Promise<number | undefined> => (await store.heads([id])).get(id);
    const logOf = async (id: string) =>
      (await store.entries({ conversationId: id, audience: 'staff', afterSeq: 0, limit: 1_000 }))?.entries ?? [];

    describe('appending', () => {
      it('[STORE-2] adds entries after the last one, and reads them back as they are', async () => {
        const facts = await opened(store);
        const entries = [messageEntry(facts, 2, { text: 'é🙂\u0000"\\' }), messageEntry(facts, 3, { author: null })];
        expect(await store.append({ tenant: facts.tenant, conversationId: facts.id, expectedSeq: 1, entries })).toEqual(
          { kind: 'committed' },
        );
        expect((await logOf(facts.id)).slice(1)).toEqual(entries);
        expect(await store.entry(facts.id, 2)).toEqual(entries[0]);
        expect(await store.entry(facts.id, 4)).toBeNull();
      });

      it.each([0, 2, 7])(
        '[STORE-2] conflicts when %i is expected to be last and 1 is, and changes nothing',
        async (seq) => {
          const facts = await opened(store, { tags: ['old'] });
          const write = factsChange(facts, seq + 1, { subject: 'Other', tags: ['new'] });
          expect(await store.append(write)).toEqual({ kind: 'conflict' });
          expect(await store.conversation(facts.tenant, facts.id)).toMatchObject({
            subject: facts.subject,
            lastSeq: 1,
          });
          expect(await lastSeq(facts.id)).toBe(1);
          const tagged = await store.listConversations({ tenant: facts.tenant, tag: 'new', limit: 10 });
          expect(tagged.conversations).toEqual([]);
        },
      );

      it('[STORE-2] refuses entries that would leave a hole', async () => {
        const facts = await opened(store);
        const write = { ...appendOf(messageEntry(facts, 3), facts), expectedSeq: 1 };
        await expect(store.append(write)).rejects.toMatchObject({ code: 'internal' });
        expect(await lastSeq(facts.id)).toBe(1);
      });

      it('[STORE-2] of writes with the same expectation one is committed', async () => {
        const facts = await opened(store);
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, index) => send(store, facts, 2, { clientMessageId: `m${String(index)}` })),
        );
        expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['committed', ...Array<string>(19).fill('conflict')]);
        expect(seqsOf(await logOf(facts.id))).toEqual([1, 2]);
      });

      it('[STORE-6] conflicts in a conversation of another tenant, and in one that does not exist', async () => {
        const facts = await opened(store);
        const write = appendOf(messageEntry(facts, 2), facts);
        expect(await store.append({ ...write, tenant: unique('tenant') })).toEqual({ kind: 'conflict' });
        expect(await store.append({ ...write, conversationId: unique('c') })).toEqual({ kind: 'conflict' });
        const missing = factsOf();
        const first = { ...appendOf(messageEntry(missing, 1), missing) };
        expect(await store.append(first)).toEqual({ kind: 'conflict' });
        expect(await lastSeq(facts.id)).toBe(1);
      });

      it('[STORE-4] changes the state with its entry, and the tags by which it is found', async () => {
        const facts = await opened(store, { tags: ['a', 'b'] });
        const bot = user(unique('bot'), 'bot');
        const changed = { ...facts, status: 'assigned' as const, assignee: bot, tags: ['b', 'c'], department: 'sales' };
        expect(await store.append(factsChange(facts, 2, changed))).toEqual({ kind: 'committed' });
        expect(await store.conversation(facts.tenant, facts.id)).toEqual({
          ...changed,
          lastSeq: 2,
          publicSeq: 2,
          updatedAt: timeOf(2),
          publicUpdatedAt: timeOf(2),
        });
        const found = async (query: Partial<ConversationQuery>): Promise<number> =>
          (await store.listConversations({ tenant: facts.tenant, limit: 10, ...query })).conversations.length;
        expect([await found({ tag: 'a' }), await found({ tag: 'b' }), await found({ tag: 'c' })]).toEqual([0, 1, 1]);
        expect([await found({ status: 'queued' }), await found({ assigneeId: bot.id })]).toEqual([0, 1]);
        expect([await found({ department: 'sales' }), await found({ assigneeId: null })]).toEqual([1, 0]);
      });

      it('[STORE-4] amends entries, which read so from then on, in pages and as duplicates', async () => {
        const facts = await opened(store);
        await send(store, facts, 2, { text: 'befor' });
        const amended = messageEntry(facts, 2, { text: 'before', editedAt: timeOf(3), sentHash: 'h', editSeqs: [3] });
        const edit = { ...factsChange(facts, 3, {}), amended: [amended] };
        expect(await store.append(edit)).toEqual({ kind: 'committed' });
        expect(await store.entry(facts.id, 2)).toEqual(amended);
        expect((await logOf(facts.id))[1]).toEqual(amended);
        expect(await send(store, facts, 4, { clientMessageId: 'message-2' })).toEqual({
          kind: 'duplicate',
          entry: amended,
        });
      });

      it('[STORE-4] amends nothing when the write conflicts', async () => {
        const facts = await opened(store);
        await send(store, facts, 2);
        const amended = [messageEntry(facts, 2, { text: 'other' })];
        expect(await store.append({ ...factsChange(facts, 4, {}), amended })).toEqual({ kind: 'conflict' });
        expect(await store.entry(facts.id, 2)).toEqual(messageEntry(facts, 2));
      });

      it('[STORE-4] refuses an assignment beyond capacity, also among writes made at once', async () => {
        const tenant = unique('tenant');
        const agent = user(unique('agent'), 'agent');
        const all = await Promise.all(Array.from({ length: 5 }, () => opened(store, { tenant })));
        const outcomes = await Promise.all(
          all.map((facts) =>
            store.append({
              ...factsChange(facts, 2, { status: 'assigned', assignee: agent }),
              capacityGuard: { agentId: agent.id, capacity: 2 },
            }),
          ),
        );
        expect(outcomes.filter(({ kind }) => kind === 'committed')).toHaveLength(2);
        expect(outcomes.filter(({ kind }) => kind === 'capacity_reached')).toEqual(
          Array(3).fill({ kind: 'capacity_reached', activeCount: 2 }),
        );
        expect(await store.activeCount(tenant, agent.id)).toBe(2);
        expect(await store.activeCount(unique('tenant'), agent.id)).toBe(0);
      });
    });

    describe('client ids', () => {
      it('[STORE-3] answer a repeated write with the entry that it made, before anything else is looked at', async () => {
        const facts = await opened(store);
        await send(store, facts, 2, { text: 'once' });
        await send(store, facts, 3);
        const repeat = appendOf(messageEntry(facts, 9, { clientMessageId: 'message-2', text: 'again' }), facts, {
          capacityGuard: { agentId: 'nobody', capacity: 0 },
        });
        expect(await store.append(repeat)).toEqual({
          kind: 'duplicate',
          entry: messageEntry(facts, 2, { text: 'once' }),
        });
        expect(seqsOf(await logOf(facts.id))).toEqual([1, 2, 3]);
      });

      it('[STORE-3] are used once among writes made at once', async () => {
        const facts = await opened(store);
        const outcomes = await Promise.all(Array.from({ length: 10 }, () => send(store, facts, 2)));
        expect(outcomes.map(({ kind }) => kind)).toEqual(['committed', ...Array<string>(9).fill('duplicate')]);
      });

      it('[STORE-3] are an author’s own, and a conversation’s own', async () => {
        const tenant = unique('tenant');
        const facts = await opened(store, { tenant });
        const other = await opened(store, { tenant });
        const clientMessageId = 'same';
        expect(await send(store, facts, 2, { clientMessageId })).toEqual({ kind: 'committed' });
        expect(await send(store, facts, 3, { clientMessageId, author: user('bob', 'agent') })).toEqual({
          kind: 'committed',
        });
        expect(await send(store, other, 2, { clientMessageId, author: facts.customer })).toEqual({ kind: 'committed' });
        // Two pairs that make one text when they are put together.
        expect(await send(store, facts, 4, { clientMessageId: 'bc', author: user('a') })).toEqual({
          kind: 'committed',
        });
        expect(await send(store, facts, 5, { clientMessageId: 'c', author: user('ab') })).toEqual({
          kind: 'committed',
        });
      });

      it('[STORE-3] are told apart when a database’s text could not', async () => {
        const facts = await opened(store);
        const ids = ['x\u0000a', 'x\u0000b', 'x\ud800', 'x\ud801', 'x\ufffd', 'x'];
        for (const [index, clientMessageId] of ids.entries()) {
          expect(await send(store, facts, index + 2, { clientMessageId })).toEqual({ kind: 'committed' });
        }
        for (const [index, clientMessageId] of ids.entries()) {
          const key = { tenant: facts.tenant, conversationId: facts.id, authorId: facts.customer.id, clientMessageId };
          expect((await store.messageByClientId(key))?.seq).toBe(index + 2);
        }
      });

      it('[STORE-3] find their message, in one conversation or in the customer’s unnamed ones', async () => {
        const tenant = unique('tenant');
        const customer = user(unique('customer'));
        const named = await opened(store, { tenant, customer, clientConversationId: 'n' });
        const unnamed = await opened(store, { tenant, customer });
        await send(store, named, 2, { clientMessageId: 'in named' });
        await send(store, unnamed, 2, { clientMessageId: 'in unnamed' });
        const find = async (clientMessageId: string, conversationId?: string, of = tenant) =>
          (
            await store.messageByClientId({
              tenant: of,
              authorId: customer.id,
              clientMessageId,
              ...(conversationId === undefined ? {} : { conversationId }),
            })
          )?.conversationId;
        expect(await find('in named', named.id)).toBe(named.id);
        expect(await find('in named', unnamed.id)).toBeUndefined();
        expect(await find('in named')).toBeUndefined();
        expect(await find('in unnamed')).toBe(unnamed.id);
        expect(await find('in unnamed', unnamed.id, unique('tenant'))).toBeUndefined();
        expect(await find('in unnamed', undefined, unique('tenant'))).toBeUndefined();
      });
    });

    describe('opening', () => {
      it('[STORE-4] keeps the conversation with its entries', async () => {
        const facts = factsOf({ tags: ['vip', 'vip'], department: 'sales' });
        expect(await store.open(openOf(facts, { clientMessageId: 'm' }))).toEqual({ kind: 'committed' });
        const state = await store.conversation(facts.tenant, facts.id);
        expect(state).toEqual({
          ...facts,
          lastSeq: 2,
          publicSeq: 2,
          updatedAt: timeOf(2),
          publicUpdatedAt: timeOf(2),
        });
        expect(await store.currentConversation(facts.tenant, facts.customer.id)).toEqual(state);
        expect(seqsOf(await logOf(facts.id))).toEqual([1, 2]);
      });

      it('[STORE-4] gives one conversation to opens made at once, and its state to those that came later', async () => {
        const tenant = unique('tenant');
        const customer = user(unique('customer'));
        const tries = Array.from({ length: 8 }, () => factsOf({ tenant, customer }));
        const outcomes = await Promise.all(tries.map((facts) => store.open(openOf(facts))));
        const state = await store.currentConversation(tenant, customer.id);
        expect(outcomes).toEqual([{ kind: 'committed' }, ...Array<unknown>(7).fill({ kind: 'exists', state })]);
        expect(state?.id).toBe(tries[0]!.id);
        expect((await store.listConversations({ tenant, limit: 10 })).conversations).toHaveLength(1);
      });

      it('[STORE-4] gives one conversation to a name, for ever, and each customer has names of their own', async () => {
        const tenant = unique('tenant');
        const customer = user(unique('customer'));
        const facts = factsOf({ tenant, customer, clientConversationId: 'order 1042' });
        const again = () => store.open(openOf(factsOf({ tenant, customer, clientConversationId: 'order 1042' })));
        expect(await store.open(openOf(facts))).toEqual({ kind: 'committed' });
        expect(await again()).toMatchObject({ kind: 'exists', state: { id: facts.id, lastSeq: 1 } });
        await store.append(factsChange(facts, 2, { status: 'closed' }));
        expect(await again()).toMatchObject({ kind: 'exists', state: { id: facts.id, status: 'closed', lastSeq: 2 } });
        expect((await store.namedConversation(tenant, customer.id, 'order 1042'))?.id).toBe(facts.id);
        expect(await store.namedConversation(tenant, customer.id, 'order 1043')).toBeNull();
        expect(await store.namedConversation(unique('tenant'), customer.id, 'order 1042')).toBeNull();
        const other = factsOf({ tenant, clientConversationId: 'order 1042' });
        expect(await store.open(openOf(other))).toEqual({ kind: 'committed' });
        // Named ones are not the customer's current one.
        expect(await store.currentConversation(tenant, customer.id)).toBeNull();
      });

      it('[STORE-3] answers a repeat with the message, also when its conversation is closed and another is open', async () => {
        const facts = factsOf();
        const { tenant, customer } = facts;
        await store.open(openOf(facts, { clientMessageId: 'first' }));
        const repeat = () => store.open(openOf(factsOf({ tenant, customer }), { clientMessageId: 'first', text: 'x' }));
        const entry = messageEntry(facts, 2, { clientMessageId: 'first' });
        expect(await repeat()).toEqual({ kind: 'duplicate', entry });
        await store.append(factsChange(facts, 3, { status: 'closed' }));
        expect(await store.currentConversation(tenant, customer.id)).toBeNull();
        expect(await repeat()).toEqual({ kind: 'duplicate', entry });
        const next = factsOf({ tenant, customer });
        expect(await store.open(openOf(next, { clientMessageId: 'second' }))).toEqual({ kind: 'committed' });
        expect(await repeat()).toEqual({ kind: 'duplicate', entry });
        expect((await store.currentConversation(tenant, customer.id))?.id).toBe(next.id);
      });
    });

    storeReadsSuite(() => store);
    storeAttachmentsSuite(() => store);
    storeSentAttachmentsSuite(() => store);
  });
};
