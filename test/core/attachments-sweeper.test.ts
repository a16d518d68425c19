import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { thumbnailKey } from '../../src/core/attachments/bytes.ts';
import { Sweeper } from '../../src/core/attachments/sweeper.ts';
import { isoTime } from '../../src/ports/clock.ts';
import type { AttachmentRecord } from '../../src/ports/store.ts';
import { openDiskBlobs } from '../../src/store/blobs/disk.ts';
import { HandClock } from '../support/hand-clock.ts';
import { opened, send } from '../store/builders.ts';
import { silentLog, temporaryStore } from '../support/store.ts';
import { until } from '../support/until.ts';

const SWEEP_MS = 30_000;
const ORPHANS_MS = 6 * 3_600_000;
const UPLOAD_MS = 24 * 3_600_000;

const keysOf = async (list: AsyncIterable<{ key: string }>): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of list) keys.push(key);
  return keys.sort();
};

/** A desk with one conversation, its attachments on disk, and a clock that stands still. */
const scene = async () => {
  const clock = new HandClock();
  const { store, remove } = await temporaryStore();
  onTestFinished(remove);
  const base = mkdtempSync(join(tmpdir(), 'deskwire-sweeper-'));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  const folder = join(base, 'attachments');
  const blobs = await openDiskBlobs({ folder, log: silentLog });
  onTestFinished(() => blobs.close());
  const facts = await opened(store);
  const sweeper = (): Sweeper => {
    const made = new Sweeper({ store, blobs, clock, limits: { uploadMs: UPLOAD_MS }, log: silentLog });
    onTestFinished(() => made.stop());
    return made;
  };
  const put = async (key: string): Promise<void> => {
    const path = join(base, 'source');
    writeFileSync(path, key);
    await blobs.put(key, path);
  };
  let count = 0;
  /** An attachment in a state, with the bytes that it has then. */
  const attachment = async (state: AttachmentRecord['state'], expiresInMs: number): Promise<AttachmentRecord> => {
    const id = `a_${String(++count)}`;
    const begun: AttachmentRecord = {
      id,
      tenant: facts.tenant,
      conversationId: facts.id,
      uploaderId: facts.customer.id,
      clientAttachmentId: id,
      name: 'photo.jpg',
      announced: { size: 100, mediaType: null, sha256: null },
      state: 'receiving',
      content: null,
      refusal: null,
      createdAt: isoTime(clock.now()),
      expiresAt: isoTime(clock.now() + expiresInMs),
      message: null,
    };
    const quota = { uploads: 1e9, userBytes: 1e15, since: isoTime(0), tenantBytes: 1e15 };
    expect((await store.beginAttachment({ record: begun, quota })).kind).toBe('begun');
    if (state === 'receiving' || state === 'gone') await blobs.append(id, 0, Buffer.alloc(100));
    if (state === 'ready' || state === 'gone') {
      await put(id);
      await put(thumbnailKey(id));
    }
    const record: AttachmentRecord = {
      ...begun,
      state,
      content: state === 'ready' ? { size: 100, mediaType: 'image/jpeg', sha256: '0'.repeat(64) } : null,
      refusal: state === 'refused' ? { code: 'unsupported_media_type', message: 'no' } : null,
    };
    if (state !== 'receiving') expect(await store.changeAttachment({ record, from: 'receiving' })).toBe(true);
    return record;
  };
  const inMessage = async (expiresInMs: number, seq: number): Promise<AttachmentRecord> => {
    const record = await attachment('ready', expiresInMs);
    const attach = { attachmentIds: [record.id], seq, visibility: 'all' as const };
    expect((await send(store, facts, seq, {}, { attach })).kind).toBe('committed');
    return record;
  };
  /** Ids of what is there. */
  const left = async (records: readonly AttachmentRecord[]) => ({
    records: (await Promise.all(records.map(({ id }) => store.attachment(id)))).flatMap((one) => one?.id ?? []),
    blobs: await keysOf(blobs.blobs()),
    uploads: await keysOf(blobs.uploads()),
  });
  /** As though the storage had not been touched for so long. */
  const age = (ms: number): void => {
    const at = (clock.now() - ms) / 1_000;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), at, at);
  };
  return { clock, store, facts, folder, blobs, sweeper, put, attachment, inMessage, left, age };
};

const STATES = ['receiving', 'ready', 'refused', 'gone'] as const;
const NOTHING = { records: [], blobs: [], uploads: [] };

describe('what has expired', () => {
  it('is removed with its bytes, whatever its state; what has not, stays', async () => {
    const { clock, sweeper, attachment, left } = await scene();
    const old = await Promise.all(STATES.map((state) => attachment(state, 1_000)));
    const young = await Promise.all(
      (['receiving', 'ready', 'refused'] as const).map((state) => attachment(state, 2_000)),
    );
    await sweeper().sweep();
    expect((await left([...old, ...young])).records).toHaveLength(7);
    clock.moveBy(1_000);
    await sweeper().sweep();
    const [receiving, ready] = young;
    expect(await left([...old, ...young])).toEqual({
      records: young.map(({ id }) => id),
      blobs: [ready!.id, thumbnailKey(ready!.id)].sort(),
      uploads: [receiving!.id],
    });
    clock.moveBy(1_000);
    await sweeper().sweep();
    expect(await left([...old, ...young])).toEqual(NOTHING);
  });

  it('gives its bytes back to its company', async () => {
    const { clock, store, sweeper, attachment } = await scene();
    const [record] = await Promise.all([attachment('ready', 1_000), attachment('receiving', 1_000)]);
    const next = { ...record, id: 'a_next', clientAttachmentId: 'next', state: 'receiving' as const, content: null };
    const quota = { uploads: 100, userBytes: 1e9, since: isoTime(clock.now() + 1), tenantBytes: 100 };
    expect(await store.beginAttachment({ record: next, quota })).toMatchObject({ kind: 'quota_exceeded' });
    clock.moveBy(1_000);
    await sweeper().sweep();
    expect(await store.beginAttachment({ record: next, quota })).toEqual({ kind: 'begun' });
  });

  it('is never what stands in a message, until the message is deleted', async () => {
    const { clock, store, facts, sweeper, inMessage, left } = await scene();
    const records = [await inMessage(1_000, 2), await inMessage(2_000, 3)];
    clock.moveBy(365 * UPLOAD_MS);
    await sweeper().sweep();
    await sweeper().sweepOrphans();
    const ids = records.map(({ id }) => id);
    expect(await left(records)).toEqual({
      records: ids,
      blobs: [...ids, ...ids.map(thumbnailKey)].sort(),
      uploads: [],
    });
    const detach = [ids[0]!];
    expect((await send(store, facts, 4, { at: isoTime(clock.now()) }, { detach })).kind).toBe('committed');
    await sweeper().sweep();
    expect(await left(records)).toEqual({
      records: [ids[1]],
      blobs: [ids[1]!, thumbnailKey(ids[1]!)].sort(),
      uploads: [],
    });
  });

  it('is removed also when it is more than a page', { timeout: 60_000 }, async () => {
    const { clock, sweeper, attachment, left } = await scene();
    const records = await Promise.all(Array.from({ length: 230 }, () => attachment('refused', 1_000)));
    clock.moveBy(1_000);
    await sweeper().sweep();
    expect(await left(records)).toEqual(NOTHING);
  });

  it('is looked for by itself, again and again', async () => {
    const { clock, sweeper, attachment, left } = await scene();
    const running = sweeper();
    running.start();
    for (let round = 0; round < 3; round += 1) {
      const record = await attachment('ready', SWEEP_MS);
      await until('the next sweep', () => clock.nextInMs === SWEEP_MS);
      clock.moveBy(SWEEP_MS - 1);
      expect((await left([record])).records).toEqual([record.id]);
      clock.moveBy(1);
      await until('the next sweep', () => clock.nextInMs === SWEEP_MS);
      expect(await left([record])).toEqual(NOTHING);
    }
    await running.stop();
    expect(clock.nextInMs).toBeUndefined();
  });

  it('while a sweep runs, is removed too', async () => {
    const { clock, sweeper, attachment, left } = await scene();
    const first = await attachment('ready', 1_000);
    clock.moveBy(1_000);
    const running = sweeper();
    const sweep = running.sweep();
    const second = await attachment('ready', 0);
    running.soon();
    await sweep;
    expect((await left([first])).records).toEqual([]);
    let found = await left([second]);
    for (let look = 0; look < 200 && found.records.length > 0; look += 1) found = await left([second]);
    expect(found).toEqual(NOTHING);
  });
});

describe('bytes that belong to nothing', () => {
  it('are removed when they are old, and stay when they are young', async () => {
    const { blobs, sweeper, put, attachment, left, age } = await scene();
    const record = await attachment('ready', 10 * UPLOAD_MS);
    const own = [record.id, thumbnailKey(record.id)].sort();
    const keys = ['a_orphan', thumbnailKey('a_orphan'), thumbnailKey('a_small')];
    for (const key of keys) await put(key);
    await blobs.append('a_left', 0, Buffer.alloc(10));
    await blobs.append('a_left_too', 0, Buffer.alloc(10));
    age(UPLOAD_MS - 60_000);
    await sweeper().sweepOrphans();
    expect(await left([record])).toEqual({
      records: [record.id],
      blobs: [...keys, ...own].sort(),
      uploads: ['a_left', 'a_left_too'],
    });
    age(UPLOAD_MS + 60_000);
    await sweeper().sweepOrphans();
    expect(await left([record])).toEqual({ records: [record.id], blobs: own, uploads: [] });
  });

  it('but what is no attachment stays', async () => {
    const { sweeper, put, left, age } = await scene();
    await put('owner');
    age(10 * UPLOAD_MS);
    await sweeper().sweepOrphans();
    expect((await left([])).blobs).toEqual(['owner']);
  });

  it('are removed also when they are more than a page', { timeout: 60_000 }, async () => {
    const { sweeper, put, attachment, left, age } = await scene();
    const record = await attachment('ready', 10 * UPLOAD_MS);
    for (let index = 0; index < 150; index += 1) await put(`a_orphan-${String(index)}`);
    age(2 * UPLOAD_MS);
    await sweeper().sweepOrphans();
    expect((await left([record])).blobs).toEqual([record.id, thumbnailKey(record.id)].sort());
  });

  it('are looked for by themselves, at the start and every few hours', async () => {
    const { clock, blobs, sweeper, left, age } = await scene();
    sweeper().start();
    const leave = async (name: string): Promise<void> => {
      await blobs.append(name, 0, Buffer.alloc(10));
      age(2 * UPLOAD_MS);
    };
    await leave('a_first');
    const step = async (): Promise<void> => {
      clock.moveBy(SWEEP_MS);
      await until('the next sweep', () => clock.nextInMs === SWEEP_MS);
    };
    await step();
    expect((await left([])).uploads).toEqual([]);
    await leave('a_second');
    await step();
    expect((await left([])).uploads).toEqual(['a_second']);
    for (let passed = SWEEP_MS; passed < ORPHANS_MS; passed += SWEEP_MS) await step();
    expect((await left([])).uploads).toEqual([]);
  });
});

describe('a sweep that fails', () => {
  it('in the middle is done the next time', async () => {
    const { clock, folder, sweeper, attachment, left, store } = await scene();
    const records = await Promise.all(STATES.map((state) => attachment(state, 1_000)));
    clock.moveBy(1_000);
    renameSync(folder, `${folder}-away`);
    writeFileSync(folder, '');
    const running = sweeper();
    await running.sweep();
    await running.sweepOrphans();
    for (const { id } of records) expect((await store.attachment(id))?.state).toBe('gone');
    rmSync(folder);
    renameSync(`${folder}-away`, folder);
    await running.sweep();
    expect(await left(records)).toEqual(NOTHING);
  });

  it('over one does the others', async () => {
    const { clock, folder, sweeper, attachment, left } = await scene();
    const records = await Promise.all(Array.from({ length: 5 }, () => attachment('ready', 1_000)));
    clock.moveBy(1_000);
    const stuck = records[2]!.id;
    // Where a file should be.
    mkdirSync(join(folder, 'uploads', stuck));
    await sweeper().sweep();
    expect((await left(records)).records).toEqual([stuck]);
    rmdirSync(join(folder, 'uploads', stuck));
    await sweeper().sweep();
    expect(await left(records)).toEqual(NOTHING);
  });

  it('because the store is closed ends quietly', async () => {
    const { store, sweeper } = await scene();
    await store.close();
    await sweeper().sweep();
    await sweeper().sweepOrphans();
  });
});

describe('several sweepers', () => {
  it('at once do it once', { timeout: 60_000 }, async () => {
    const { clock, sweeper, attachment, inMessage, left, put, age } = await scene();
    const sent = await inMessage(1_000, 2);
    const records = await Promise.all(Array.from({ length: 120 }, (_, index) => attachment(STATES[index % 4]!, 1_000)));
    await put('a_orphan');
    age(2 * UPLOAD_MS);
    clock.moveBy(1_000);
    const both = [sweeper(), sweeper(), sweeper()];
    await Promise.all(both.flatMap((one) => [one.sweep(), one.sweepOrphans(), one.sweep()]));
    await Promise.all(both.map((one) => one.sweep()));
    expect(await left([sent, ...records])).toEqual({
      records: [sent.id],
      blobs: [sent.id, thumbnailKey(sent.id)].sort(),
      uploads: [],
    });
  });

  it('leave alone what came into a message in the meantime', async () => {
    const { clock, store, facts, sweeper, attachment, left } = await scene();
    const record = await attachment('ready', 1_000);
    clock.moveBy(1_000);
    const attach = { attachmentIds: [record.id], seq: 2, visibility: 'all' as const };
    const [outcome] = await Promise.all([send(store, facts, 2, {}, { attach }), sweeper().sweep(), sweeper().sweep()]);
    const found = await left([record]);
    // Either it was sent and stays, or it was gone and could not be sent.
    if (outcome.kind === 'committed') expect(found.blobs).toEqual([record.id, thumbnailKey(record.id)].sort());
    else expect(found).toEqual(NOTHING);
  });
});
