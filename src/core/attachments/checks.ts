import pLimit from 'p-limit';
import { DeskwireError } from '../../contract/errors.ts';
import type { LocalFile } from '../../ports/blobs.ts';
import { isoTime } from '../../ports/clock.ts';
import type { AttachmentRecord } from '../../ports/store.ts';
import { notFound } from '../access.ts';
import { erase, thumbnailKey } from './bytes.ts';
import { claimOf, refusalOf, uploadView, type UploadsOptions } from './upload.ts';

/** What the content itself is refused for: it would be refused again. */
const REFUSALS: ReadonlySet<string> = new Set(['unsupported_media_type', 'payload_too_large']);

/** Copied, or fetched, at the same time. */
const GATHERED_TOGETHER = 2;

interface Check {
  readonly result: Promise<AttachmentRecord>;
  readonly stop: AbortController;
  /** Its uploader was told to wait, and is told when it is over. */
  late: boolean;
}

/** Finished uploads that are looked at: one look each, however many ask for it. */
export class Checks {
  readonly #options: UploadsOptions;
  readonly #underWay = new Map<string, Check>();
  readonly #gathering = pLimit(GATHERED_TOGETHER);

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  isUnderWay(attachmentId: string): boolean {
    return this.#underWay.has(attachmentId);
  }

  /** The record as it is once the file was looked at; rejects with what it was refused for. */
  start(record: AttachmentRecord, sha256: string | null): Promise<AttachmentRecord> {
    const known = this.#underWay.get(record.id);
    if (known !== undefined) return known.result;
    const { metrics, onChecked } = this.#options;
    const startedAt = performance.now();
    const stop = new AbortController();
    const check: Check = { result: this.#check(record, sha256, stop.signal), stop, late: false };
    this.#underWay.set(record.id, check);
    const over = (outcome: string, checked: AttachmentRecord, error?: DeskwireError): void => {
      this.#underWay.delete(record.id);
      metrics.attachment(outcome, performance.now() - startedAt);
      // Given up, here or on another node: nobody waits for that.
      if (check.late && !stop.signal.aborted && error?.code !== 'not_found')
        onChecked(checked, uploadView(checked), error);
    };
    check.result.then(
      (checked) => over('ready', checked),
      (error: unknown) => {
        const known =
          error instanceof DeskwireError ? error : new DeskwireError('internal', undefined, { cause: error });
        over(known.code, { ...record, state: 'refused' }, known);
      },
    );
    return check.result;
  }

  /** Waits as long as a request may; undefined: it is not over yet. */
  patiently(record: AttachmentRecord, result: Promise<AttachmentRecord>): Promise<AttachmentRecord | undefined> {
    const { clock, limits } = this.#options;
    return new Promise((resolve, reject) => {
      const cancel = clock.after(limits.requestTimeoutMs / 2, () => {
        const check = this.#underWay.get(record.id);
        if (check !== undefined) check.late = true;
        resolve(undefined);
      });
      result.finally(cancel).then(resolve, reject);
    });
  }

  /** The file was given up: nobody waits for what it is. */
  stop(attachmentId: string): void {
    this.#underWay.get(attachmentId)?.stop.abort();
  }

  /** Keeps the refusal, and nothing else. */
  async refuse(record: AttachmentRecord, { code, message, details }: DeskwireError): Promise<AttachmentRecord> {
    const { store, blobs } = this.#options;
    const refused: AttachmentRecord = { ...record, state: 'refused', refusal: { code, message, details } };
    await store.changeAttachment({ record: refused, from: 'receiving' });
    await blobs.discard(record.id);
    return refused;
  }

  async #check(record: AttachmentRecord, sha256: string | null, signal: AbortSignal): Promise<AttachmentRecord> {
    const { blobs, inspector } = this.#options;
    const { id, announced, expiresAt } = record;
    let gathered: LocalFile | undefined;
    try {
      gathered = await this.#gathering(() => blobs.gather(id));
      const inspected = await inspector.inspect({
        path: gathered.path,
        claim: claimOf(record),
        size: announced.size,
        sha256,
        deadline: expiresAt === null ? 0 : Date.parse(expiresAt),
        signal,
      });
      try {
        await blobs.put(id, inspected.path);
        if (inspected.thumbnailPath !== undefined) await blobs.put(thumbnailKey(id), inspected.thumbnailPath);
        return await this.#keep({ ...record, content: inspected.content });
      } finally {
        await inspected.release();
      }
    } catch (error) {
      // Given up in the meantime: what that did to the look at it is nobody's news.
      if (signal.aborted) throw notFound();
      if (!(error instanceof DeskwireError)) throw error;
      const settled = gathered === undefined ? await this.#settled(id) : undefined;
      if (settled !== undefined) return settled;
      if (error.code === 'checksum_mismatch') await blobs.discard(id);
      else if (REFUSALS.has(error.code)) await this.refuse(record, error);
      throw error;
    } finally {
      await gathered?.release();
    }
  }

  /** What another node has made of it in the meantime; undefined: nothing yet. */
  async #settled(attachmentId: string): Promise<AttachmentRecord | undefined> {
    const now = await this.#options.store.attachment(attachmentId);
    if (now === null || now.state === 'gone') throw notFound();
    if (now.state === 'refused') throw refusalOf(now);
    return now.state === 'ready' ? now : undefined;
  }

  /** The whole file is there: from here on it is an attachment, or it was given up in the meantime. */
  async #keep(record: AttachmentRecord): Promise<AttachmentRecord> {
    const { store, blobs, clock, limits } = this.#options;
    const ready: AttachmentRecord = {
      ...record,
      state: 'ready',
      expiresAt: isoTime(clock.now() + limits.uploadMs),
    };
    if (await store.changeAttachment({ record: ready, from: 'receiving' })) {
      // What is left of it is swept if this fails.
      await blobs.discard(record.id).catch(() => undefined);
      return ready;
    }
    const now = await store.attachment(record.id);
    if (now?.state === 'ready') return now;
    await erase(this.#options, record);
    throw notFound();
  }
}
