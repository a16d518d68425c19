import { describe, expect, it } from 'vitest';
import type { AttachmentRecord, Store } from '../../src/ports/store.ts';
import {
  begin,
  begun,
  contentOf,
  finished,
  goneOf,
  ofSize,
  readyOf,
  refusedOf,
  uploadOf,
} from './attachment-builders.ts';
import { opened, send, timeOf, unique, user } from './builders.ts';

/** Ids that a database's text could take for one another. */
export const STRANGE_IDS = ['x\u0000a', 'x\u0000b', 'x\ud800', 'x\ud801', 'x\ufffd', 'x', '\u0001"x"', '"x"'];

/** Uploads, before they stand in a message: part of the contract suite. */
export const storeAttachmentsSuite = (currentStore: () => Store): void => {
  const all = async (ids: readonly string[]): Promise<(AttachmentRecord | null)[]> =>
    Promise.all(ids.map((id) => currentStore().attachment(id)));

  describe('beginning an attachment', () => {
    it('[STORE-4] keeps its record as it is', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = uploadOf(facts, {
        name: 'é🙂\u0000"\\',
        announced: { size: 2 ** 40, mediaType: 'image/png', sha256: 'cd'.repeat(32) },
      });
      expect(await begin(store, record)).toEqual({ kind: 'begun' });
      expect(await store.attachment(record.id)).toEqual(record);
      expect(await store.attachment(unique('a'))).toBeNull();
    });

    it('[STORE-3] of one client id gives one attachment, also when many begin it at once', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const tries = Array.from({ length: 12 }, () => uploadOf(facts, { clientAttachmentId: 'photo' }));
      const outcomes = await Promise.all(tries.map((record) => begin(store, record)));
      const [first] = tries;
      expect(outcomes).toEqual([{ kind: 'begun' }, ...Array<unknown>(11).fill({ kind: 'exists', record: first })]);
      expect(await all(tries.map(({ id }) => id))).toEqual([first, ...Array<null>(11).fill(null)]);
    });

    it('[STORE-3] again gives the attachment as it is then, before quotas are looked at', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await begun(store, facts);
      const again = () =>
        begin(store, { ...record, id: unique('a'), ...ofSize(7) }, { uploads: 0, userBytes: 0, tenantBytes: 0 });
      expect(await again()).toEqual({ kind: 'exists', record });
      const ready = readyOf(record);
      await store.changeAttachment({ record: ready, from: 'receiving' });
      expect(await again()).toEqual({ kind: 'exists', record: ready });
      await send(store, facts, 2, {}, { attach: { attachmentIds: [record.id], seq: 2, visibility: 'all' } });
      expect(await again()).toMatchObject({ kind: 'exists', record: { message: { seq: 2, visibility: 'all' } } });
      const other = await begun(store, facts);
      await store.changeAttachment({ record: refusedOf(other), from: 'receiving' });
      expect(await begin(store, { ...other, id: unique('a') })).toEqual({ kind: 'exists', record: refusedOf(other) });
    });

    it('[STORE-3] has client ids of each uploader’s, conversation’s and tenant’s own', async () => {
      const store = currentStore();
      const [facts, sibling] = [await opened(store), await opened(store)];
      const clientAttachmentId = 'same';
      const records = [
        uploadOf(facts, { clientAttachmentId }),
        uploadOf(facts, { clientAttachmentId, uploaderId: 'agent bob' }),
        uploadOf(facts, { clientAttachmentId, conversationId: sibling.id }),
        uploadOf(facts, { clientAttachmentId, tenant: sibling.tenant }),
        // Two pairs that make one text when they are put together.
        uploadOf(facts, { clientAttachmentId: 'bc', uploaderId: 'a' }),
        uploadOf(facts, { clientAttachmentId: 'c', uploaderId: 'ab' }),
      ];
      for (const record of records) expect(await begin(store, record)).toEqual({ kind: 'begun' });
      for (const record of records) {
        expect(await begin(store, { ...record, id: unique('a') })).toEqual({ kind: 'exists', record });
      }
    });

    it('[STORE-3] tells ids apart when a database’s text could not', async () => {
      const store = currentStore();
      const facts = await opened(store);
      for (const field of ['clientAttachmentId', 'uploaderId', 'tenant', 'conversationId'] as const) {
        const base = uploadOf(facts);
        const records = STRANGE_IDS.map((id) => ({ ...base, id: unique('a'), [field]: `${field} ${id}` }));
        for (const record of records) expect(await begin(store, record), field).toEqual({ kind: 'begun' });
        for (const record of records) {
          expect(await begin(store, { ...record, id: unique('a') })).toEqual({ kind: 'exists', record });
          const ready = readyOf(record);
          expect(await store.changeAttachment({ record: ready, from: 'receiving' })).toBe(true);
          expect(await store.attachment(record.id)).toEqual(ready);
        }
        for (const { tenant, id } of records) expect(await store.removeAttachment({ tenant, id })).toBe(true);
      }
      const records = STRANGE_IDS.map((id) => uploadOf(facts, { id: `${facts.id} ${id}` }));
      for (const record of records) await begin(store, record);
      const ids = records.map(({ id }) => id);
      expect(await all(ids)).toEqual(records);
      expect([...(await store.knownAttachments(ids))].sort()).toEqual([...ids].sort());
    });
  });

  describe('quotas of attachments', () => {
    const quotas = [
      ['uploads', { uploads: 3 }, 3],
      ['userBytes', { userBytes: 300 }, 300],
      ['tenantBytes', { tenantBytes: 300 }, 300],
    ] as const;

    it.each(quotas)(
      '[STORE-4] %s hold to the last one, and what is beyond leaves nothing',
      async (quota, bound, used) => {
        const store = currentStore();
        const facts = await opened(store);
        for (let count = 0; count < 3; count += 1) {
          expect(await begin(store, uploadOf(facts), bound)).toEqual({ kind: 'begun' });
        }
        const beyond = uploadOf(facts, ofSize(1));
        expect(await begin(store, beyond, bound)).toEqual({ kind: 'quota_exceeded', quota, used });
        expect(await store.attachment(beyond.id)).toBeNull();
        // Nor did it count, or take the client id.
        expect(await begin(store, beyond, bound)).toEqual({ kind: 'quota_exceeded', quota, used });
        expect(await begin(store, beyond)).toEqual({ kind: 'begun' });
      },
    );

    it.each(quotas)('[STORE-4] %s hold among many that begin at once', async (quota, bound, used) => {
      const store = currentStore();
      const facts = await opened(store);
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => begin(store, uploadOf(facts), bound)));
      expect(outcomes).toEqual([
        ...Array<unknown>(3).fill({ kind: 'begun' }),
        ...Array<unknown>(7).fill({ kind: 'quota_exceeded', quota, used }),
      ]);
    });

    it('[STORE-4] of a user are of that user in that tenant alone, and a tenant’s are all its users’', async () => {
      const store = currentStore();
      const [facts, elsewhere] = [await opened(store), await opened(store)];
      await begun(store, facts);
      const other = uploadOf(facts, { uploaderId: 'agent bob' });
      expect(await begin(store, other, { uploads: 1, userBytes: 100 })).toEqual({ kind: 'begun' });
      const same = { uploaderId: other.uploaderId };
      expect(await begin(store, uploadOf(elsewhere, same), { uploads: 1, userBytes: 100, tenantBytes: 100 })).toEqual({
        kind: 'begun',
      });
      expect(await begin(store, uploadOf(facts, same), { tenantBytes: 299 })).toEqual({
        kind: 'quota_exceeded',
        quota: 'tenantBytes',
        used: 200,
      });
    });

    it('[STORE-4] of a user’s bytes count those begun since the given time', async () => {
      const store = currentStore();
      const facts = await opened(store);
      await begun(store, facts, { createdAt: timeOf(20) });
      await begun(store, facts, { createdAt: timeOf(30) });
      const bound = (since: number) => ({ userBytes: 0, since: timeOf(since) });
      const used = async (since: number) => await begin(store, uploadOf(facts), bound(since));
      expect(await used(20)).toMatchObject({ used: 200 });
      expect(await used(21)).toMatchObject({ used: 100 });
      expect(await used(31)).toMatchObject({ used: 0 });
    });

    it('[STORE-4] count what is kept once it is known: a file and its thumbnail, nothing of a refused one', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const used = async (): Promise<unknown[]> => {
        const outcomes = await Promise.all([
          begin(store, uploadOf(facts), { uploads: 0 }),
          begin(store, uploadOf(facts), { userBytes: 0 }),
          begin(store, uploadOf(facts), { tenantBytes: 0 }),
        ]);
        return outcomes.map((outcome) => (outcome.kind === 'quota_exceeded' ? outcome.used : outcome));
      };
      const records: AttachmentRecord[] = [];
      for (let count = 0; count < 4; count += 1) records.push(await begun(store, facts));
      const [image, refused, aborted, kept] = records as [
        AttachmentRecord,
        AttachmentRecord,
        AttachmentRecord,
        AttachmentRecord,
      ];
      expect(await used()).toEqual([4, 400, 400]);
      const thumbnail = { width: 1, height: 1, mediaType: 'image/webp', size: 7 };
      await store.changeAttachment({ record: readyOf(image, contentOf(90, { thumbnail })), from: 'receiving' });
      expect(await used()).toEqual([4, 397, 397]);
      await store.changeAttachment({ record: refusedOf(refused), from: 'receiving' });
      expect(await used()).toEqual([3, 297, 297]);
      await store.changeAttachment({ record: goneOf(aborted), from: 'receiving' });
      expect(await used()).toEqual([2, 297, 297]);
      await store.removeAttachment(aborted);
      expect(await used()).toEqual([2, 197, 197]);
      await store.removeAttachment(refused);
      expect(await used()).toEqual([2, 197, 197]);
      // In a message it is no upload any more, and is still kept.
      await send(store, facts, 2, {}, { attach: { attachmentIds: [image.id], seq: 2, visibility: 'all' } });
      expect(await used()).toEqual([1, 197, 197]);
      await send(store, facts, 3, {}, { detach: [image.id] });
      expect(await used()).toEqual([1, 197, 197]);
      await store.removeAttachment(image);
      expect(await used()).toEqual([1, 100, 100]);
      await store.removeAttachment(kept);
      expect(await used()).toEqual([0, 0, 0]);
    });
  });

  describe('changing an attachment', () => {
    it('[STORE-4] replaces it from the state that is said, and else changes nothing', async () => {
      const store = currentStore();
      const record = await begun(store, await opened(store));
      const ready = readyOf(record);
      for (const from of ['ready', 'refused', 'gone'] as const) {
        expect(await store.changeAttachment({ record: ready, from })).toBe(false);
        expect(await store.attachment(record.id)).toEqual(record);
      }
      expect(await store.changeAttachment({ record: ready, from: 'receiving' })).toBe(true);
      expect(await store.attachment(record.id)).toEqual(ready);
      expect(await store.changeAttachment({ record: refusedOf(record), from: 'receiving' })).toBe(false);
      expect(await store.attachment(record.id)).toEqual(ready);
    });

    it('[STORE-4] of changes made at once one is made', async () => {
      const store = currentStore();
      const record = await begun(store, await opened(store));
      const changes = [readyOf(record), refusedOf(record), goneOf(record)];
      const made = await Promise.all(
        changes.map((change) => store.changeAttachment({ record: change, from: 'receiving' })),
      );
      expect(made).toEqual([true, false, false]);
      expect(await store.attachment(record.id)).toEqual(changes[0]);
    });

    it('[STORE-6] changes and removes nothing that is another tenant’s, or not there', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await begun(store, facts);
      const foreign = { ...readyOf(record), tenant: unique('tenant') };
      expect(await store.changeAttachment({ record: foreign, from: 'receiving' })).toBe(false);
      expect(await store.removeAttachment(foreign)).toBe(false);
      expect(await store.changeAttachment({ record: readyOf(uploadOf(facts)), from: 'receiving' })).toBe(false);
      expect(await store.removeAttachment(uploadOf(facts))).toBe(false);
      expect(await store.attachment(record.id)).toEqual(record);
    });
  });

  describe('removing attachments', () => {
    it('[STORE-4] deletes the record once, and its client id may begin another', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const record = await begun(store, facts);
      expect(await Promise.all([store.removeAttachment(record), store.removeAttachment(record)])).toEqual([
        true,
        false,
      ]);
      expect(await store.attachment(record.id)).toBeNull();
      // Its bytes were given back once.
      await begun(store, facts);
      expect(await begin(store, uploadOf(facts), { tenantBytes: 0 })).toMatchObject({ used: 100 });
      expect(await begin(store, { ...record, id: unique('a') })).toEqual({ kind: 'begun' });
    });

    it('[STORE-6] finds those whose time is over, of all tenants, the first first, as many as asked', async () => {
      const store = currentStore();
      // A time that no other test has.
      const at = (second: number): string => timeOf(-1_000_000 + second);
      const ids: string[] = [];
      for (const second of [5, 2, 9, 4, 7]) {
        ids.push((await begun(store, await opened(store), { expiresAt: at(second) })).id);
      }
      const [fifth, second, ninth, fourth, seventh] = ids;
      const found = async (now: number, limit: number): Promise<string[]> =>
        (await store.expiredAttachments({ now: at(now), limit })).map(({ id }) => id);
      expect(await found(1, 10)).toEqual([]);
      expect(await found(2, 10)).toEqual([second]);
      expect(await found(6, 10)).toEqual([second, fourth, fifth]);
      expect(await found(100, 10)).toEqual([second, fourth, fifth, seventh, ninth]);
      expect(await found(100, 2)).toEqual([second, fourth]);
      const [first] = await store.expiredAttachments({ now: at(2), limit: 1 });
      expect(first).toEqual(await store.attachment(second ?? ''));
    });

    it('[STORE-6] knows which of many ids have a record', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const kept = await Promise.all(Array.from({ length: 150 }, () => begun(store, facts)));
      const removed = kept[70]!;
      await store.removeAttachment(removed);
      const other = await begun(store, await opened(store));
      const ids = [...kept.map(({ id }) => id), other.id];
      const known = await store.knownAttachments([...ids, unique('a'), ids[0]!]);
      expect([...known].sort()).toEqual(ids.filter((id) => id !== removed.id).sort());
      expect((await store.knownAttachments([])).size).toBe(0);
    });
  });

  describe('a secret', () => {
    it('[STORE-3] is the first that was given, for all who ask', async () => {
      const store = currentStore();
      const name = unique('secret');
      const answers = await Promise.all(['one', 'two', 'three'].map((fresh) => store.secret(name, fresh)));
      expect(answers).toEqual(['one', 'one', 'one']);
      expect(await store.secret(name, 'four')).toBe('one');
      expect(await store.secret(unique('secret'), 'four')).toBe('four');
    });
  });

  describe('attachments among other writes', () => {
    it('[STORE-1] resolve in the order in which they were made, those of one attachment and those of one conversation', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const ready = await finished(store, facts);
      const record = uploadOf(facts);
      const order: number[] = [];
      const note = (place: number) => () => void order.push(place);
      await Promise.all([
        begin(store, record).then(note(0)),
        send(store, facts, 2, {}, { attach: { attachmentIds: [ready.id], seq: 2, visibility: 'all' } }).then(note(1)),
        begin(store, { ...record, id: unique('a') }).then(note(2)),
        store.changeAttachment({ record: readyOf(record), from: 'receiving' }).then(note(3)),
        begin(store, uploadOf(facts), { uploads: 0 }).then(note(4)),
        store.secret(unique('secret'), 'x').then(note(5)),
        send(store, facts, 3, { author: user('bob', 'agent') }).then(note(6)),
        store.removeAttachment(record).then(note(7)),
        store.removeAttachment(record).then(note(8)),
      ]);
      expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
      const ofAttachment = [0, 3, 7, 8];
      expect(order.filter((place) => ofAttachment.includes(place))).toEqual(ofAttachment);
      const ofConversation = [1, 6];
      expect(order.filter((place) => ofConversation.includes(place))).toEqual(ofConversation);
    });

    it('[STORE-5] are seen by reads once they have resolved', async () => {
      const store = currentStore();
      const facts = await opened(store);
      const checks: Promise<void>[] = [];
      for (let count = 0; count < 30; count += 1) {
        const { id } = await finished(store, facts);
        checks.push(
          store.attachment(id).then((record) => {
            expect(record?.state).toBe('ready');
          }),
        );
      }
      await Promise.all(checks);
    });
  });
};
