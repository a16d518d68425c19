import { describe, expect, it } from 'vitest';
import type { Append, AttachmentRecord, Facts, Store } from '../../src/ports/store.ts';
import { begin, begun, finished, goneOf, readyOf, refusedOf, uploadOf } from './attachment-builders.ts';
import { factsChange, messageEntry, opened, send, timeOf, unique } from './builders.ts';
import { STRANGE_IDS } from './contract-attachments-suite.ts';

/** Attachments that come into messages and go with them: part of the contract suite. */
export const storeSentAttachmentsSuite = (currentStore: () => Store): void => {
  const carrying = (
    records: readonly AttachmentRecord[],
    seq: number,
    visibility: 'all' | 'staff' = 'all',
  ): Pick<Append, 'attach'> => ({ attach: { attachmentIds: records.map(({ id }) => id), seq, visibility } });

  const inMessage = (record: AttachmentRecord, seq: number, visibility: 'all' | 'staff' = 'all'): AttachmentRecord => ({
    ...record,
    expiresAt: null,
    message: { seq, visibility },
  });

  const lastSeq = async (facts: Facts): Promise<number | undefined> =>
    (await currentStore().heads([facts.id])).get(facts.id);

  const expectUnchanged = async (...records: AttachmentRecord[]): Promise<void> => {
    for (const record of records) expect(await currentStore().attachment(record.id)).toEqual(record);
  };

  describe('attaching', () => {
    it.each([1, 2, 10])('[STORE-4] %i come into a message with its entry', async (count) => {
      const store = currentStore();
      const facts = await opened(store);
      const records = await Promise.all(Array.from({ length: count }, () => finished(store, facts)));
      const bystander = await finished(store, facts);
      expect(await send(store, facts, 2, {}, carrying(records, 2))).toEqual({ kind: 'committed' });
      await expectUnchanged(...records.map((record) => inMessage(record, 2)), bystander);
    });

    it('[STORE-4] says in which of several entries it stands, and who may see that', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await finished(store, facts);
      const { entries } = factsChange(facts, 2, {});
      const note = messageEntry(facts, 3, { visibility: 'staff' });
      const write = { tenant: facts.tenant, conversationId: facts.id, expectedSeq: 1, entries: [...entries, note] };
      expect(await store.append({ ...write, ...carrying([record], 3, 'staff') })).toEqual({ kind: 'committed' });
      await expectUnchanged(inMessage(record, 3, 'staff'));
    });

    it('[STORE-4] does not expire, and is removed and changed no more', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await finished(store, facts, { expiresAt: timeOf(-2_000_000) });
      await send(store, facts, 2, {}, carrying([record], 2));
      const expired = await store.expiredAttachments({ now: timeOf(10_000_000), limit: 10_000 });
      expect(expired.map(({ id }) => id)).not.toContain(record.id);
      expect(await store.removeAttachment(record)).toBe(false);
      // What somebody decided who had read it just before it was sent.
      for (const change of [goneOf(record), refusedOf(record), readyOf(record)]) {
        expect(await store.changeAttachment({ record: change, from: 'ready' }), change.state).toBe(false);
      }
      await expectUnchanged(inMessage(record, 2));
    });

    /** Each gives what can't be attached; the others of the write could. */
    const refusals: [string, (store: Store, facts: Facts) => Promise<AttachmentRecord>][] = [
      ['is still received', (store, facts) => begun(store, facts)],
      [
        'was refused',
        async (store, facts) => {
          const record = await begun(store, facts);
          await store.changeAttachment({ record: refusedOf(record), from: 'receiving' });
          return refusedOf(record);
        },
      ],
      [
        'is gone',
        async (store, facts) => {
          const record = await finished(store, facts);
          await store.changeAttachment({ record: goneOf(record), from: 'ready' });
          return goneOf(record);
        },
      ],
      [
        'was in a message that is deleted',
        async (store, facts) => {
          const other = await opened(store, { tenant: facts.tenant });
          const record = await finished(store, other);
          await send(store, other, 2, {}, carrying([record], 2));
          await send(store, other, 3, {}, { detach: [record.id] });
          return { ...inMessage(record, 2), state: 'gone', expiresAt: timeOf(3) };
        },
      ],
      [
        'is of another conversation',
        async (store, facts) => finished(store, await opened(store, { tenant: facts.tenant })),
      ],
      ['is of another tenant', async (store, facts) => finished(store, facts, { tenant: unique('tenant') })],
    ];

    it.each(refusals)('[STORE-4] refuses the whole write for one that %s', async (_what, make) => {
      const store = currentStore();
      const facts = await opened(store, { tags: ['old'] });
      const refused = await make(store, facts);
      const [before, after] = [await finished(store, facts), await finished(store, facts)];
      const change = factsChange(facts, 2, { subject: 'Other', tags: ['new'] });
      const outcome = await store.append({ ...change, ...carrying([before, refused, after], 2) });
      expect(outcome).toEqual({ kind: 'not_attachable', attachmentId: refused.id });
      expect(await lastSeq(facts)).toBe(1);
      expect(await store.conversation(facts.tenant, facts.id)).toMatchObject({ subject: facts.subject, tags: ['old'] });
      const tagged = await store.listConversations({ tenant: facts.tenant, tag: 'new', limit: 10 });
      expect(tagged.conversations).toEqual([]);
      await expectUnchanged(before, refused, after);
      // The others can still be sent.
      expect(await send(store, facts, 2, {}, carrying([before, after], 2))).toEqual({ kind: 'committed' });
    });

    it('[STORE-4] refuses the whole write for one that is not there, whatever it is called', async () => {
      const store = currentStore();
      const facts = await opened(store);
      for (const id of [unique('a'), ...STRANGE_IDS]) {
        const missing = uploadOf(facts, { id });
        const outcome = await send(store, facts, 2, {}, carrying([missing], 2));
        expect(outcome).toEqual({ kind: 'not_attachable', attachmentId: id });
      }
      expect(await lastSeq(facts)).toBe(1);
    });

    it('[STORE-4] of messages that carry the same one, sent at once, one is committed', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const [shared, other] = [await finished(store, facts), await finished(store, facts)];
      const outcomes = await Promise.all([
        send(store, facts, 2, {}, carrying([shared], 2)),
        send(store, facts, 3, {}, carrying([other, shared], 3)),
        send(store, facts, 3, { clientMessageId: 'alone' }, carrying([other], 3)),
      ]);
      expect(outcomes).toEqual([
        { kind: 'committed' },
        { kind: 'not_attachable', attachmentId: shared.id },
        { kind: 'committed' },
      ]);
      await expectUnchanged(inMessage(shared, 2), inMessage(other, 3));
    });

    it('[STORE-3] answers a repeat as a duplicate, though its attachments are taken, deleted or were never there', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await finished(store, facts);
      const again = (attached: AttachmentRecord) => send(store, facts, 2, {}, carrying([attached], 2));
      expect((await Promise.all([again(record), again(record)])).map(({ kind }) => kind)).toEqual([
        'committed',
        'duplicate',
      ]);
      expect(await again(uploadOf(facts))).toMatchObject({ kind: 'duplicate', entry: { seq: 2 } });
      await send(store, facts, 3, {}, { detach: [record.id] });
      expect(await again(record)).toMatchObject({ kind: 'duplicate', entry: { seq: 2 } });
      // Nor does a repeat take what it carries besides.
      const free = await finished(store, facts);
      expect(await again(free)).toMatchObject({ kind: 'duplicate' });
      await expectUnchanged(free);
    });

    it('[STORE-2] attaches nothing when the write conflicts, and is looked at after that', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await finished(store, facts);
      expect(await send(store, facts, 3, {}, carrying([record], 3))).toEqual({ kind: 'conflict' });
      expect(await send(store, facts, 3, {}, carrying([uploadOf(facts)], 3))).toEqual({ kind: 'conflict' });
      expect(await send(store, { ...facts, tenant: unique('tenant') }, 2, {}, carrying([record], 2))).toEqual({
        kind: 'conflict',
      });
      await expectUnchanged(record);
    });

    it('[STORE-4] attaches nothing when the agent has no room', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await finished(store, facts);
      const capacityGuard = { agentId: 'nobody', capacity: 0 };
      const outcome = await send(store, facts, 2, {}, { ...carrying([record], 2), capacityGuard });
      expect(outcome).toMatchObject({ kind: 'capacity_reached' });
      await expectUnchanged(record);
    });

    it('[STORE-6] works for tenants and conversations whose ids a database’s text could not tell apart', async () => {
      const store = currentStore();
      const word = unique('strange');
      const all = await Promise.all(
        STRANGE_IDS.map((id) => opened(store, { tenant: `${word} ${id}`, id: `${word} ${id}` })),
      );
      const records = await Promise.all(all.map((facts) => finished(store, facts)));
      for (const [index, facts] of all.entries()) {
        const own = records[index]!;
        const next = records[(index + 1) % records.length]!;
        expect(await send(store, facts, 2, {}, carrying([next], 2))).toMatchObject({ kind: 'not_attachable' });
        expect(await send(store, facts, 2, {}, carrying([own], 2))).toEqual({ kind: 'committed' });
        await expectUnchanged(inMessage(own, 2));
      }
      for (const facts of all) {
        expect(await begin(store, uploadOf(facts), { tenantBytes: 0 })).toMatchObject({ used: 100 });
      }
    });
  });

  describe('detaching', () => {
    const sent = async (store: Store, facts: Facts): Promise<AttachmentRecord> => {
      const record = await finished(store, facts);
      await send(store, facts, 2, {}, carrying([record], 2));
      return inMessage(record, 2);
    };
    const gone = (record: AttachmentRecord, seq: number): AttachmentRecord => ({
      ...record,
      state: 'gone',
      expiresAt: timeOf(seq),
    });

    it('[STORE-4] makes it gone and expired with the entry, and then it can be removed, but not come back', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await sent(store, facts);
      expect(await send(store, facts, 3, {}, { detach: [record.id] })).toEqual({ kind: 'committed' });
      await expectUnchanged(gone(record, 3));
      const expired = await store.expiredAttachments({ now: timeOf(3), limit: 10_000 });
      expect(expired.filter(({ id }) => id === record.id)).toEqual([gone(record, 3)]);
      for (const from of ['ready', 'gone'] as const) {
        expect(await store.changeAttachment({ record: { ...readyOf(record), message: null }, from })).toBe(false);
      }
      await expectUnchanged(gone(record, 3));
      expect(await store.removeAttachment(record)).toBe(true);
      expect(await store.attachment(record.id)).toBeNull();
    });

    it('[STORE-4] several go with one entry, and may be repeated or not be there any more', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const records = [await finished(store, facts), await finished(store, facts)];
      await send(store, facts, 2, {}, carrying(records, 2));
      const detach = [...records.map(({ id }) => id), unique('a')];
      expect(await send(store, facts, 3, {}, { detach })).toEqual({ kind: 'committed' });
      expect((await Promise.all(records.map(({ id }) => store.attachment(id)))).map((record) => record?.state)).toEqual(
        ['gone', 'gone'],
      );
      expect(await send(store, facts, 4, {}, { detach })).toEqual({ kind: 'committed' });
    });

    it('[STORE-4] changes nothing when the write conflicts or is a duplicate', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await sent(store, facts);
      expect(await send(store, facts, 5, {}, { detach: [record.id] })).toEqual({ kind: 'conflict' });
      expect(await send(store, facts, 2, {}, { detach: [record.id] })).toMatchObject({ kind: 'duplicate' });
      await expectUnchanged(record);
    });

    it('[STORE-6] reaches nothing of another conversation or tenant', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await sent(store, facts);
      const [sibling, stranger] = [await opened(store, { tenant: facts.tenant }), await opened(store)];
      for (const other of [sibling, stranger]) {
        expect(await send(store, other, 2, {}, { detach: [record.id] })).toEqual({ kind: 'committed' });
      }
      await expectUnchanged(record);
    });
  });
};
