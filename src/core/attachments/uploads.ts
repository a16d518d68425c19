import { LRUCache } from 'lru-cache';
import type { Payload, ReplyData } from '../../contract/contract.ts';
import { DeskwireError } from '../../contract/errors.ts';
import type { Attachment } from '../../contract/schemas.ts';
import { personKey, type Actor } from '../../ports/actor.ts';
import { isoTime } from '../../ports/clock.ts';
import type { AttachmentRecord } from '../../ports/store.ts';
import { invalidField, notFound } from '../access.ts';
import { newAttachmentId } from '../ids.ts';
import { erase } from './bytes.ts';
import { Checks } from './checks.ts';
import { Pace } from './pace.ts';
import { quotaExceeded } from './quota.ts';
import { claimOf, refusalOf, uploadView, type UploadsOptions } from './upload.ts';

/** What this process knows of an upload, and the turn of those who work on it. */
interface Line {
  tail: Promise<unknown>;
  waiting: number;
  record: AttachmentRecord | undefined;
  /** undefined: to be asked. */
  received: number | undefined;
}

/**
 * Gives the memory of bytes back that nobody uses any more. A chunk that waited for its turn on the disk counts as old, and its memory
 * would stay until the next full collection, 64 MiB of such chunks later; moved into an object of its own it goes with the next small one.
 */
const letGo = ({ buffer, byteLength }: Uint8Array): void => {
  // Bytes that share their memory with others are left alone.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength)
    structuredClone(buffer, { transfer: [buffer] });
};

const DAY_MS = 24 * 60 * 60_000;
/** What is left free on the storage. */
const RESERVED_BYTES = 256 * 1_048_576;
/** Uploads that nobody works on just now, and are remembered. */
const REMEMBERED = 10_000;

/** Files on their way here: begun, sent in pieces, finished or given up. What is done to one is done in order. */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #checks: Checks;
  readonly #pace: Pace;
  readonly #busy = new Map<string, Line>();
  readonly #idle = new LRUCache<string, Line>({ max: REMEMBERED });

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#checks = new Checks(options);
    this.#pace = new Pace(options.clock, options.limits);
  }

  get acceptedTypes(): readonly string[] {
    return this.#options.inspector.acceptedTypes;
  }

  /** @throws payload_too_large, unsupported_media_type: what needs no look at the conversation */
  checkAnnounced({ name, mediaType, size }: Payload<'attachment:begin'>): void {
    const { attachmentBytes } = this.#options.limits;
    if (size > attachmentBytes) {
      throw new DeskwireError(
        'payload_too_large',
        `Found a file of ${String(size)} bytes, expected at most ${String(attachmentBytes)} (limits.attachmentBytes).`,
        { details: [{ path: 'size', message: `expected at most ${String(attachmentBytes)}, found ${String(size)}` }] },
      );
    }
    this.#options.inspector.checkClaim({ name, mediaType: mediaType ?? null });
  }

  /** @throws quota_exceeded, duplicate_mismatch, and the refusal of an earlier try */
  async begin(actor: Actor, payload: Payload<'attachment:begin'>): Promise<ReplyData<'attachment:begin'>> {
    const { store, clock, limits } = this.#options;
    const { conversationId, clientAttachmentId, name, size } = payload;
    const announced = { size, mediaType: payload.mediaType ?? null, sha256: payload.sha256 ?? null };
    const now = clock.now();
    const fresh: AttachmentRecord = {
      id: newAttachmentId(),
      tenant: actor.tenant,
      conversationId,
      uploaderId: personKey(actor.user),
      clientAttachmentId,
      name,
      announced,
      state: 'receiving',
      content: null,
      refusal: null,
      createdAt: isoTime(now),
      expiresAt: isoTime(now + limits.uploadMs),
      message: null,
    };
    const quota = {
      uploads: limits.uploadsPerUser,
      userBytes: limits.attachmentBytesPerUser,
      since: isoTime(now - DAY_MS),
      tenantBytes: limits.attachmentBytesPerTenant,
    };
    const outcome = await store.beginAttachment({ record: fresh, quota });
    if (outcome.kind === 'quota_exceeded') throw quotaExceeded(outcome, quota, size);
    if (outcome.kind === 'begun') await this.#requireRoom(fresh);
    const record = outcome.kind === 'begun' ? fresh : outcome.record;
    this.#requireSame(record, fresh);
    if (record.state === 'refused') throw refusalOf(record);
    const receivedBytes = await this.#inTurn(record.id, async (line) => {
      line.record = record;
      line.received = record.state === 'ready' ? record.announced.size : await this.#received(record);
      return line.received;
    });
    return { attachmentId: record.id, chunkBytes: limits.chunkBytes, receivedBytes };
  }

  /**
   * Takes its turn before it returns: of calls made one after the other the first comes first.
   *
   * @throws not_found, offset_mismatch, payload_too_large, unsupported_media_type
   */
  chunk(actor: Actor, { attachmentId, offset, data }: Payload<'attachment:chunk'>): Promise<number> {
    const cameAt = this.#options.clock.now();
    const end = offset + data.length;
    return this.#inTurn(attachmentId, async (line) => {
      for (let isFresh = false; ; isFresh = true) {
        // Another node may have gone on with it, or be done with it. What begins or does not fit is held against what is there; of
        // what fits, the storage itself knows whether it does.
        if (isFresh || offset === 0) line.record = undefined;
        if (isFresh) line.received = undefined;
        const record = await this.#own(line, actor, attachmentId);
        this.#requireTaking(record, offset, end);
        const received = (line.received ??= await this.#received(record));
        if (end <= received) return received;
        if (offset === received) {
          if (offset === 0) await this.#lookEarly(line, record, data);
          await this.#pace.take(data.length, cameAt);
          if (await this.#append(line, attachmentId, offset, data)) return end;
        } else if (isFresh) {
          throw offsetMismatch(
            received,
            `Found a chunk that starts at ${String(offset)}, expected one at ${String(received)}, where the received bytes end.`,
          );
        }
      }
    });
  }

  /**
   * Takes its turn before it returns.
   *
   * @throws not_found, attachment_incomplete, checksum_mismatch, unsupported_media_type, payload_too_large
   */
  async finish(actor: Actor, { attachmentId, sha256 }: Payload<'attachment:finish'>): Promise<Attachment> {
    const check = await this.#inTurn(attachmentId, async (line) => {
      const record = await this.#fresh(line, actor, attachmentId);
      if (record.state === 'refused') throw refusalOf(record);
      const { size, sha256: announced } = record.announced;
      if (sha256 !== undefined && announced !== null && sha256 !== announced) {
        throw new DeskwireError(
          'checksum_mismatch',
          `Found the SHA-256 ${sha256}, and attachment:begin said ${announced}; the upload is as it was.`,
          { details: { found: sha256, expected: announced } },
        );
      }
      if (record.state === 'ready') return { result: Promise.resolve(record), record };
      if (!this.#checks.isUnderWay(attachmentId)) {
        const received = await this.#received(record);
        line.received = received;
        if (received < size) {
          // Its bytes go when it is ready, and another node may have come to that since the record was read.
          const now = await this.#fresh(line, actor, attachmentId);
          if (now.state === 'refused') throw refusalOf(now);
          if (now.state === 'ready') return { result: Promise.resolve(now), record: now };
          throw new DeskwireError(
            'attachment_incomplete',
            `Received ${String(received)} of ${String(size)} bytes; go on from there.`,
            { details: { receivedBytes: received, size } },
          );
        }
      }
      const result = this.#checks.start(record, sha256 ?? announced).finally(() => this.#forget(attachmentId));
      return { result, record };
    });
    const checked = await this.#checks.patiently(check.record, check.result);
    return uploadView(checked ?? check.record);
  }

  /** @throws not_found, and invalid_payload when it stands in a message */
  abort(actor: Actor, attachmentId: string): Promise<void> {
    return this.#inTurn(attachmentId, async (line) => {
      const { store, clock } = this.#options;
      for (;;) {
        const record = await this.#fresh(line, actor, attachmentId);
        if (record.message !== null)
          throw invalidField('attachmentId', 'expected an upload, found one that stands in a message; delete that');
        const gone: AttachmentRecord = { ...record, state: 'gone', expiresAt: isoTime(clock.now()) };
        // It may have become ready, or come into a message, since it was read.
        if (!(await store.changeAttachment({ record: gone, from: record.state }))) continue;
        this.#forget(attachmentId);
        this.#checks.stop(attachmentId);
        await erase(this.#options, record);
        return;
      }
    });
  }

  /** The last of a disk is for messages, which may be kept on it too. */
  async #requireRoom(record: AttachmentRecord): Promise<void> {
    // It is copied when it is looked at.
    if ((await this.#options.blobs.freeBytes()) > 2 * record.announced.size + RESERVED_BYTES) return;
    await erase(this.#options, record);
    throw new DeskwireError('unavailable', 'The storage of attachments is nearly full; try again later.');
  }

  /** What is known of it is to be asked anew. */
  #forget(attachmentId: string): void {
    const line = this.#busy.get(attachmentId) ?? this.#idle.get(attachmentId);
    if (line === undefined) return;
    line.record = undefined;
    line.received = undefined;
  }

  #requireSame(record: AttachmentRecord, fresh: AttachmentRecord): void {
    const changed = (['size', 'mediaType', 'sha256'] as const).find(
      (field) => record.announced[field] !== fresh.announced[field],
    );
    const field = changed ?? (record.name === fresh.name ? undefined : 'name');
    if (field === undefined && record.state !== 'gone') return;
    throw new DeskwireError(
      'duplicate_mismatch',
      field === undefined
        ? 'clientAttachmentId was used before, for an attachment that is deleted; use a new one.'
        : `clientAttachmentId was used before, with another ${field}; use a new one.`,
      { details: { attachmentId: record.id } },
    );
  }

  #received({ id, announced }: AttachmentRecord): Promise<number> {
    return this.#options.blobs.received(id).then((bytes) => Math.min(bytes, announced.size));
  }

  /** @throws what a chunk is refused for, whatever was received */
  #requireTaking(record: AttachmentRecord, offset: number, end: number): void {
    const { size } = record.announced;
    if (record.state === 'refused') throw refusalOf(record);
    if (record.state !== 'receiving' || this.#checks.isUnderWay(record.id))
      throw offsetMismatch(size, `The attachment is finished; nothing was taken of the chunk at ${String(offset)}.`);
    if (end <= size) return;
    throw new DeskwireError(
      'payload_too_large',
      `Found a chunk that ends at ${String(end)}, expected the ${String(size)} bytes that attachment:begin said.`,
      { details: { size, end } },
    );
  }

  /** false: bytes that had been received are lost, and nothing was added. */
  async #append(line: Line, attachmentId: string, offset: number, data: Uint8Array): Promise<boolean> {
    // Unknown until it is known: an error may have taken bytes that were received before.
    line.received = undefined;
    const kept = await this.#options.blobs.append(attachmentId, offset, data);
    if (kept < offset + data.length) return false;
    line.received = kept;
    this.#options.metrics.uploaded(data.length);
    letGo(data);
    return true;
  }

  /** What is not what it says is refused with its first bytes, not with its last. */
  async #lookEarly(line: Line, record: AttachmentRecord, head: Uint8Array): Promise<void> {
    try {
      await this.#options.inspector.checkHead(claimOf(record), head, record.announced.size);
    } catch (error) {
      if (error instanceof DeskwireError) line.record = await this.#checks.refuse(record, error);
      throw error;
    }
  }

  /** @throws not_found, word for word the same for another's and for none */
  async #own(line: Line, actor: Actor, attachmentId: string): Promise<AttachmentRecord> {
    const record = line.record ?? (await this.#options.store.attachment(attachmentId));
    const own = record?.tenant === actor.tenant && record.uploaderId === personKey(actor.user);
    if (record === null || !own || record.state === 'gone') throw notFound();
    line.record = record;
    return record;
  }

  /** As the store has it: another node, or the sweep, may have gone on with it. */
  #fresh(line: Line, actor: Actor, attachmentId: string): Promise<AttachmentRecord> {
    line.record = undefined;
    return this.#own(line, actor, attachmentId);
  }

  #inTurn<T>(attachmentId: string, work: (line: Line) => Promise<T>): Promise<T> {
    const line = this.#busy.get(attachmentId) ??
      this.#idle.get(attachmentId) ?? { tail: Promise.resolve(), waiting: 0, record: undefined, received: undefined };
    this.#busy.set(attachmentId, line);
    line.waiting += 1;
    const done = line.tail
      .then(() => work(line))
      .finally(() => {
        line.waiting -= 1;
        if (line.waiting > 0) return;
        this.#busy.delete(attachmentId);
        if (line.record === undefined) this.#idle.delete(attachmentId);
        else this.#idle.set(attachmentId, line);
      });
    line.tail = done.catch(() => undefined);
    return done;
  }
}

const offsetMismatch = (receivedBytes: number, message: string): DeskwireError =>
  new DeskwireError('offset_mismatch', message, { details: { receivedBytes } });
