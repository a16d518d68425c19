import { setMaxListeners } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { LRUCache } from 'lru-cache';
import { DeskwireError } from '../../contract/errors.ts';
import type { BlobInfo, Blobs, ByteRange, LocalFile } from '../../ports/blobs.ts';
import { StoreStartError } from '../start-error.ts';
import { makeFolder } from '../make-folder.ts';

/** Where and how; what is left out comes from the environment and files that AWS's tools read. */
export interface S3Place {
  readonly bucket: string;
  /** Before every key; empty, or ending with `/`. */
  readonly prefix: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  /** `https://host/bucket/key` instead of `https://bucket.host/key`, which most servers but AWS's want. */
  readonly forcePathStyle: boolean;
}

export interface S3BlobsOptions {
  readonly place: S3Place;
  /** A folder for copies of what is looked at. */
  readonly tempFolder: string;
  /**
   * Bytes that are gathered in memory before they become an object; an upload has up to two of these. What a crash takes
   * is less than that, and the client sends it again.
   * @default 262_144
   */
  readonly partBytes?: number;
}

const DEFAULT_PART_BYTES = 262_144;
/** Uploads whose last bytes are in memory. */
const MAX_OPEN_UPLOADS = 2_000;
const IDLE_UPLOAD_MS = 10 * 60_000;
const OFFSET_DIGITS = 15;
const CONNECT_TIMEOUT_MS = 3_000;
/** Until an answer begins; and how long a connection may stand still. */
const REQUEST_TIMEOUT_MS = 60_000;
const IDLE_TIMEOUT_MS = 5_000;
const ATTEMPTS = 2;

const isMissing = (error: unknown): boolean =>
  error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404 && error.name !== 'NoSuchBucket';

const unavailable = (error: unknown): DeskwireError =>
  error instanceof DeskwireError
    ? error
    : new DeskwireError('unavailable', 'The storage of attachments is out of reach; try again later.', {
        cause: error,
      });

/** The end of an upload that is not yet an object. */
interface Tail {
  /** Where it starts in the upload. */
  start: number;
  bytes: Buffer[];
  length: number;
  /** The part before it, on its way. */
  writing: Promise<void>;
}

/**
 * Objects of a bucket: `uploads/<id>/<offset>` are the parts of what grows, `blobs/<key>` is whole, because an object appears only once
 * all of it was sent. There are no multipart uploads, which would be kept, and paid for, where no list shows them.
 */
class S3Blobs implements Blobs {
  readonly #client: S3Client;
  readonly #closing = new AbortController();
  readonly #place: S3Place;
  readonly #tempFolder: string;
  readonly #partBytes: number;
  readonly #tails = new LRUCache<string, Tail>({ max: MAX_OPEN_UPLOADS, ttl: IDLE_UPLOAD_MS, updateAgeOnGet: true });

  constructor(client: S3Client, { place, tempFolder, partBytes = DEFAULT_PART_BYTES }: S3BlobsOptions) {
    this.#client = client;
    this.#place = place;
    this.#tempFolder = tempFolder;
    this.#partBytes = partBytes;
    // Each request under way listens, and there is no bound to how many are; Node takes more than ten for a leak.
    setMaxListeners(0, this.#closing.signal);
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(Infinity);
  }

  async received(upload: string): Promise<number> {
    const tail = this.#tails.get(upload);
    await tail?.writing.catch(() => undefined);
    const kept = await this.#keptBytes(upload);
    if (tail?.start === kept && this.#tails.get(upload) === tail) return kept + tail.length;
    // Another process went on with it, or a part of ours was lost.
    this.#tails.delete(upload);
    return kept;
  }

  async append(upload: string, offset: number, bytes: Uint8Array): Promise<number> {
    const end = offset + bytes.length;
    const known = this.#tails.get(upload);
    // Of an upload that is new here nothing is asked: what another process has of it is the same.
    const isNew = known === undefined && offset === 0;
    const follows = known !== undefined && known.start + known.length === offset;
    const kept = isNew || follows ? offset : await this.received(upload);
    // What is there is there: written again, it could only become less.
    if (kept < offset || kept >= end) return kept;
    let tail = this.#tails.get(upload);
    if (tail === undefined) {
      tail = { start: kept, bytes: [], length: 0, writing: Promise.resolve() };
      this.#tails.set(upload, tail);
    }
    // A copy: what came with it in one packet would be held too.
    tail.bytes.push(Buffer.from(bytes.subarray(kept - offset)));
    tail.length += end - kept;
    if (tail.length >= this.#partBytes) await this.#writeTail(upload, tail);
    return end;
  }

  async gather(upload: string): Promise<LocalFile> {
    const folder = await mkdtemp(join(this.#tempFolder, 's3-'));
    const release = (): Promise<void> => rm(folder, { recursive: true, force: true }).catch(() => undefined);
    try {
      const tail = this.#tails.get(upload);
      if (tail !== undefined) {
        await this.#writeTail(upload, tail);
        await tail.writing;
      }
      const path = join(folder, 'upload');
      await pipeline(() => this.#partsOf(upload), createWriteStream(path));
      return { path, release };
    } catch (error) {
      await release();
      throw unavailable(error);
    }
  }

  async discard(upload: string): Promise<void> {
    const tail = this.#tails.get(upload);
    this.#tails.delete(upload);
    // It would arrive afterwards.
    await tail?.writing.catch(() => undefined);
    for await (const { key } of this.#list(`uploads/${upload}/`)) await this.#delete(key);
  }

  /** Each once, with the time of its last part. */
  async *uploads(): AsyncIterable<BlobInfo> {
    let last: { key: string; changedAt: number } | undefined;
    for await (const { key, changedAt } of this.#list('uploads/')) {
      const upload = key.split('/')[1] ?? '';
      if (last?.key === upload) {
        last.changedAt = Math.max(last.changedAt, changedAt);
        continue;
      }
      if (last !== undefined) yield last;
      last = { key: upload, changedAt };
    }
    if (last !== undefined) yield last;
  }

  async put(key: string, path: string): Promise<void> {
    const { size } = await stat(path);
    // Opened by hand: a stream that fails while the client is not looking would end the process.
    const body = createReadStream(path);
    body.on('error', () => undefined);
    try {
      await this.#client.send(
        new PutObjectCommand({ ...this.#object(`blobs/${key}`), Body: body, ContentLength: size }),
        this.#untilClosed,
      );
    } catch (error) {
      throw unavailable(error);
    } finally {
      body.destroy();
    }
  }

  async read(key: string, range?: ByteRange): Promise<Readable | null> {
    return this.#get(`blobs/${key}`, range);
  }

  remove(key: string): Promise<void> {
    return this.#delete(`blobs/${key}`);
  }

  async *blobs(): AsyncIterable<BlobInfo> {
    for await (const { key, changedAt } of this.#list('blobs/')) yield { key: key.slice('blobs/'.length), changedAt };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#tails.values()].map(({ writing }) => writing));
    this.#tails.clear();
    this.#client.destroy();
  }

  get #untilClosed(): { abortSignal: AbortSignal } {
    return { abortSignal: this.#closing.signal };
  }

  /** Sends what has gathered; one part of an upload is on its way at a time, while the next one gathers. */
  async #writeTail(upload: string, tail: Tail): Promise<void> {
    await tail.writing;
    if (tail.length === 0) return;
    const body = Buffer.concat(tail.bytes);
    const { start } = tail;
    tail.start += body.length;
    tail.bytes = [];
    tail.length = 0;
    // With its length: a shorter one of another process must not take its place.
    const name = `${String(start).padStart(OFFSET_DIGITS, '0')}-${String(body.length)}`;
    tail.writing = this.#client
      .send(new PutObjectCommand({ ...this.#object(`uploads/${upload}/${name}`), Body: body }), this.#untilClosed)
      .then(
        () => undefined,
        (error: unknown) => {
          // What follows it would leave a hole.
          if (this.#tails.get(upload) === tail) this.#tails.delete(upload);
          throw unavailable(error);
        },
      );
    // Whoever comes next gets the error.
    tail.writing.catch(() => undefined);
  }

  /** Parts that follow each other without a hole, from the start. */
  async #parts(upload: string): Promise<{ key: string; skip: number; size: number }[]> {
    const parts: { key: string; skip: number; size: number }[] = [];
    let end = 0;
    for await (const { key, size } of this.#list(`uploads/${upload}/`)) {
      const start = Number(key.slice(`uploads/${upload}/`.length).slice(0, OFFSET_DIGITS));
      if (start > end) break;
      if (start + size <= end) continue;
      parts.push({ key, skip: end - start, size });
      end = start + size;
    }
    return parts;
  }

  async #keptBytes(upload: string): Promise<number> {
    return (await this.#parts(upload)).reduce((sum, { skip, size }) => sum + size - skip, 0);
  }

  async *#partsOf(upload: string): AsyncGenerator<Uint8Array> {
    for (const { key, skip, size } of await this.#parts(upload)) {
      const body = await this.#get(key, { start: skip, end: size - 1 });
      if (body === null) throw new Error(`a part of the upload ${upload} is gone`);
      for await (const bytes of body) yield bytes as Uint8Array;
    }
  }

  async #get(key: string, range: ByteRange | undefined): Promise<Readable | null> {
    const bytes = range && `bytes=${String(range.start)}-${String(range.end)}`;
    try {
      const { Body } = await this.#client.send(
        new GetObjectCommand({ ...this.#object(key), ...(bytes && { Range: bytes }) }),
        this.#untilClosed,
      );
      if (!(Body instanceof Readable)) throw new Error('an object without a body');
      return Body;
    } catch (error) {
      if (isMissing(error)) return null;
      throw unavailable(error);
    }
  }

  async #delete(key: string): Promise<void> {
    try {
      await this.#client.send(new DeleteObjectCommand(this.#object(key)), this.#untilClosed);
    } catch (error) {
      if (!isMissing(error)) throw unavailable(error);
    }
  }

  /** In the order of their keys, as S3 lists them. */
  async *#list(prefix: string): AsyncGenerator<BlobInfo & { size: number }> {
    const { bucket, prefix: root } = this.#place;
    let token: string | undefined;
    do {
      const page = await this.#client
        .send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: `${root}${prefix}`,
            ...(token && { ContinuationToken: token }),
          }),
          this.#untilClosed,
        )
        .catch((error: unknown) => {
          throw unavailable(error);
        });
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        yield { key: Key.slice(root.length), size: Size, changedAt: LastModified?.getTime() ?? 0 };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#place.bucket, Key: `${this.#place.prefix}${key}` };
  }
}

/**
 * Attachments in a bucket of anything that speaks S3.
 *
 * @throws StoreStartError when the bucket can't be read
 */
export const openS3Blobs = async (options: S3BlobsOptions): Promise<Blobs> => {
  const { bucket, region, endpoint, forcePathStyle } = options.place;
  const client = new S3Client({
    ...(region && { region }),
    ...(endpoint && { endpoint }),
    forcePathStyle,
    // Newer checksums are sent in a way that many servers other than AWS's do not know.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      socketTimeout: IDLE_TIMEOUT_MS,
      // Whoever reads slowly has a connection for long: with a bound, a few of them would keep out all others.
      httpAgent: { keepAlive: true, maxSockets: Infinity },
      httpsAgent: { keepAlive: true, maxSockets: Infinity },
    },
  });
  makeFolder(options.tempFolder);
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
  } catch (error) {
    client.destroy();
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new StoreStartError(
      `ATTACHMENTS_URL: the bucket ${bucket} can't be read (${text}). Check its name, region and endpoint, and that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the machine's role, may list, read, write and delete in it.`,
      { cause: error },
    );
  }
  return new S3Blobs(client, options);
};
