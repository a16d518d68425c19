import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { describe, expect, it } from 'vitest';
import type { AttachmentRecord } from '../../src/ports/store.ts';
import { migrateSqlite } from '../../src/store/sqlite/database.ts';
import { Random, seedOf } from '../support/random.ts';
import { begin, begun, contentOf, finished, goneOf, readyOf, refusedOf, uploadOf } from './attachment-builders.ts';
import { agentRecord, agentIn, fill, messageEntry, opened, send, timeOf, unique } from './builders.ts';
import { codeOf } from './checks.ts';
import { sqliteScene } from './sqlite-scene.ts';

const MIGRATIONS = new URL('../../src/store/migrations/sqlite/', import.meta.url);
/** The schema before there were attachments. */
const BEFORE = 2;

const scene = sqliteScene();
const { open } = scene;

describe('attachments in SQLite', () => {
  it('[STORE-3] outlive closing and opening: records, messages, client ids, quotas, what is expired, secrets', async () => {
    const first = await open();
    const facts = await opened(first, { tenant: 'x\u0000\ud800' });
    const receiving = await begun(first, facts);
    const ready = await finished(first, facts);
    const sent = await finished(first, facts);
    const deleted = await finished(first, facts);
    const refused = await begun(first, facts);
    await first.changeAttachment({ record: refusedOf(refused), from: 'receiving' });
    await send(first, facts, 2, {}, { attach: { attachmentIds: [sent.id, deleted.id], seq: 2, visibility: 'staff' } });
    await send(first, facts, 3, {}, { detach: [deleted.id] });
    await first.secret('links', 'the first');
    await first.close();

    const second = await open();
    const message = { seq: 2, visibility: 'staff' } as const;
    const expected: AttachmentRecord[] = [
      receiving,
      ready,
      { ...sent, expiresAt: null, message },
      { ...deleted, state: 'gone', expiresAt: timeOf(3), message },
      refusedOf(refused),
    ];
    expect(await Promise.all(expected.map(({ id }) => second.attachment(id)))).toEqual(expected);
    for (const record of expected) {
      expect(await begin(second, { ...record, id: unique('a') })).toEqual({ kind: 'exists', record });
    }
    expect(await begin(second, uploadOf(facts), { uploads: 0 })).toMatchObject({ used: 2 });
    expect(await begin(second, uploadOf(facts), { userBytes: 0 })).toMatchObject({ used: 400 });
    expect(await begin(second, uploadOf(facts), { tenantBytes: 0 })).toMatchObject({ used: 400 });
    expect((await second.expiredAttachments({ now: timeOf(3), limit: 10 })).map(({ id }) => id)).toEqual([deleted.id]);
    expect(
      await send(second, facts, 4, {}, { attach: { attachmentIds: [sent.id], seq: 4, visibility: 'all' } }),
    ).toEqual({ kind: 'not_attachable', attachmentId: sent.id });
    expect(await second.secret('links', 'the second')).toBe('the first');
    expect(await second.removeAttachment(deleted)).toBe(true);
    await second.close();

    const third = await open();
    expect(await third.attachment(deleted.id)).toBeNull();
    expect(await begin(third, uploadOf(facts), { tenantBytes: 0 })).toMatchObject({ used: 300 });
  });

  it('[STORE-4] what a tenant keeps is the sum of its attachments, whatever was done to them', async () => {
    const seed = seedOf(20_260_116);
    const random = new Random(seed);
    const store = await open();
    const facts = await opened(store);
    /** What was last kept of each that is there. */
    const kept = new Map<string, AttachmentRecord>();
    let seq = 1;
    const bytesOf = ({ state, content, announced }: AttachmentRecord): number =>
      state === 'refused' ? 0 : content === null ? announced.size : content.size + (content.thumbnail?.size ?? 0);
    const step = async (): Promise<void> => {
      const record = kept.size === 0 ? undefined : random.pick([...kept.values()]);
      const choice = random.below(6);
      if (record === undefined || choice < 2) {
        const size = 1 + random.below(1_000);
        const made = uploadOf(facts, { announced: { size, mediaType: null, sha256: null } });
        if ((await begin(store, made)).kind === 'begun') kept.set(made.id, made);
        return;
      }
      if (choice === 2) {
        const thumbnail = { width: 1, height: 1, mediaType: 'image/webp', size: random.below(50) };
        const content = contentOf(1 + random.below(1_000), random.chance(0.5) ? { thumbnail } : {});
        const changed = random.pick([readyOf(record, content), refusedOf(record), goneOf(record)]);
        const from = random.pick(['receiving', 'ready'] as const);
        if (await store.changeAttachment({ record: changed, from })) kept.set(record.id, changed);
        return;
      }
      if (choice === 3) {
        if (await store.removeAttachment(record)) kept.delete(record.id);
        return;
      }
      const attach = { attachmentIds: [record.id], seq: seq + 1, visibility: 'all' } as const;
      const outcome = await send(store, facts, seq + 1, {}, choice === 4 ? { attach } : { detach: [record.id] });
      if (outcome.kind === 'committed') seq += 1;
    };
    for (let count = 0; count < 300; count += 1) await step();
    const expected = [...kept.values()].reduce((sum, record) => sum + bytesOf(record), 0);
    const outcome = await begin(store, uploadOf(facts, { announced: { size: 1e14, mediaType: null, sha256: null } }), {
      tenantBytes: 0,
    });
    expect(kept.size, `seed ${String(seed)}`).toBeGreaterThan(5);
    expect(outcome, `seed ${String(seed)}`).toEqual({ kind: 'quota_exceeded', quota: 'tenantBytes', used: expected });
  });

  it('[STORE-10] are refused with `unavailable` while the store can’t write, and nothing of them is kept', async () => {
    const store = await open();
    const facts = await opened(store);
    const [receiving, ready] = [await begun(store, facts), await finished(store, facts)];
    const fresh = uploadOf(facts);
    const intruder = new Database(scene.path);
    intruder.exec('BEGIN IMMEDIATE');
    const attach = { attachmentIds: [ready.id], seq: 2, visibility: 'all' } as const;
    const tried = [
      begin(store, fresh),
      store.changeAttachment({ record: readyOf(receiving), from: 'receiving' }),
      store.removeAttachment(receiving),
      store.secret('links', 'lost'),
      send(store, facts, 2, {}, { attach }),
    ];
    expect(await Promise.all(tried.map(codeOf))).toEqual(Array<string>(5).fill('unavailable'));
    // Reading goes on.
    expect(await store.attachment(receiving.id)).toEqual(receiving);
    intruder.exec('ROLLBACK');
    intruder.close();
    expect(await store.attachment(fresh.id)).toBeNull();
    expect(await store.attachment(ready.id)).toEqual(ready);
    expect(await begin(store, fresh, { tenantBytes: 300 })).toEqual({ kind: 'begun' });
    expect(await store.secret('links', 'kept')).toBe('kept');
    expect(await send(store, facts, 2, {}, { attach })).toEqual({ kind: 'committed' });
  });

  it('[STORE-10] one that can’t be written fails alone, and takes nothing of the others with it', async () => {
    const store = await open();
    const facts = await opened(store);
    const first = await begun(store, facts);
    const ready = await finished(store, facts);
    const amendsNothing = { amended: [messageEntry(facts, 9)] };
    const attach = (seq: number) => ({ attach: { attachmentIds: [ready.id], seq, visibility: 'all' as const } });
    const next = uploadOf(facts);
    const outcomes = await Promise.all([
      // The same id for another upload.
      codeOf(begin(store, { ...uploadOf(facts), id: first.id })),
      codeOf(begin(store, next)),
      // Fails after its attachments were taken.
      codeOf(send(store, facts, 2, {}, { ...attach(2), ...amendsNothing })),
      codeOf(send(store, facts, 2, {}, attach(2))),
    ]);
    expect(outcomes).toEqual(['unavailable', { kind: 'begun' }, 'unavailable', { kind: 'committed' }]);
    expect(await store.attachment(first.id)).toEqual(first);
    expect(await store.attachment(ready.id)).toMatchObject({ message: { seq: 2, visibility: 'all' } });
    expect(await begin(store, uploadOf(facts), { tenantBytes: 0 })).toMatchObject({ used: 300 });
  });

  it('[STORE-10] closing commits what is under way; later calls reject with `unavailable`', async () => {
    const store = await open();
    const facts = await opened(store);
    const records = Array.from({ length: 300 }, () => uploadOf(facts));
    const writes = records.map((record) => begin(store, record));
    const closed = store.close();
    const [record] = records as [AttachmentRecord];
    const later = [
      begin(store, record),
      store.attachment(record.id),
      store.changeAttachment({ record, from: 'receiving' }),
      store.removeAttachment(record),
      store.expiredAttachments({ now: timeOf(1), limit: 1 }),
      store.knownAttachments([record.id]),
      store.secret('links', 'x'),
    ];
    expect(await Promise.all(later.map(codeOf))).toEqual(Array<string>(7).fill('unavailable'));
    await closed;
    expect((await Promise.all(writes)).every(({ kind }) => kind === 'begun')).toBe(true);
    const again = await open();
    expect((await again.knownAttachments(records.map(({ id }) => id))).size).toBe(300);
  });
});

describe('a database from before there were attachments', () => {
  const TABLES = ['conversations', 'entries', 'conversation_tags', 'cursors', 'agents'];

  /** Makes the scene's file a database of that schema, with the rows of another. */
  const makeOld = (filled: string): void => {
    const db = new Database(scene.path);
    const files = readdirSync(MIGRATIONS)
      .filter((name) => name.endsWith('.sql'))
      .sort();
    for (const file of files.slice(0, BEFORE)) db.exec(readFileSync(new URL(file, MIGRATIONS), 'utf8'));
    db.exec(`ATTACH DATABASE '${filled}' AS filled`);
    for (const table of TABLES) db.exec(`INSERT INTO ${table} SELECT * FROM filled.${table}`);
    db.exec('DETACH DATABASE filled');
    db.exec(`PRAGMA user_version = ${String(BEFORE)}`);
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'attachment%'").all();
    expect(tables).toEqual([]);
    db.close();
  };

  it('keeps everything when it is migrated, and takes attachments from then on', async () => {
    mkdirSync(join(scene.folder, 'filled'));
    const filled = join(scene.folder, 'filled', 'deskwire.db');
    const before = await open({ path: filled });
    const facts = await opened(before, { tags: ['vip'], clientConversationId: 'order 1042' });
    const other = await opened(before, { status: 'closed' });
    await fill(before, facts, 5, [4]);
    const moved = { userId: 'ann', deliveredSeq: 5, readSeq: 4, publicDeliveredSeq: 3, publicReadSeq: 2 };
    await before.moveCursor({ conversationId: facts.id, ...moved });
    await before.saveAgent(agentRecord(facts.tenant, 'bob'));
    const whole = { conversationId: facts.id, audience: 'staff', afterSeq: 0, limit: 100 } as const;
    const [state, page] = [await before.conversation(facts.tenant, facts.id), await before.entries(whole)];
    const closed = await before.conversation(other.tenant, other.id);
    await before.close();
    makeOld(filled);

    const versions = migrateSqlite(scene.path);
    expect(versions.from).toBe(BEFORE);
    expect(versions.to).toBeGreaterThan(BEFORE);
    const store = await open();
    expect(await store.conversation(facts.tenant, facts.id)).toEqual(state);
    expect(await store.conversation(other.tenant, other.id)).toEqual(closed);
    expect(await store.entries(whole)).toEqual(page);
    expect(await store.cursors(facts.id)).toEqual([moved]);
    expect(await agentIn(store, facts.tenant, 'bob')).toEqual(agentRecord(facts.tenant, 'bob'));
    const tagged = await store.listConversations({ tenant: facts.tenant, tag: 'vip', limit: 10 });
    expect(tagged.conversations.map(({ id }) => id)).toEqual([facts.id]);
    expect((await store.namedConversation(facts.tenant, facts.customer.id, 'order 1042'))?.id).toBe(facts.id);
    expect(await send(store, facts, 6, { clientMessageId: 'message-3' })).toMatchObject({ kind: 'duplicate' });
    const record = await finished(store, facts);
    const attach = { attachmentIds: [record.id], seq: 6, visibility: 'all' } as const;
    expect(await send(store, facts, 6, {}, { attach })).toEqual({ kind: 'committed' });
    expect(await store.attachment(record.id)).toMatchObject({ state: 'ready', message: { seq: 6 } });
    expect(await store.secret('links', 'fresh')).toBe('fresh');
  });

  it('is migrated wholly or not at all', async () => {
    mkdirSync(join(scene.folder, 'filled'));
    const filled = join(scene.folder, 'filled', 'deskwire.db');
    const before = await open({ path: filled });
    const facts = await opened(before);
    await before.close();
    makeOld(filled);
    const db = new Database(scene.path);
    // In the way of the last thing that the migration makes.
    db.exec('CREATE TABLE secrets (theirs)');
    db.close();
    expect(() => migrateSqlite(scene.path)).toThrow();
    const left = new Database(scene.path);
    expect(left.prepare('PRAGMA user_version').all()).toEqual([{ user_version: BEFORE }]);
    expect(left.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'attachment%'").all()).toEqual([]);
    left.exec('DROP TABLE secrets');
    left.close();
    const store = await open();
    expect((await store.heads([facts.id])).get(facts.id)).toBe(1);
    await begun(store, facts);
  });
});
