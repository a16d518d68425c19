import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { DeskwireError } from '../contract/errors.ts';
import type { Limits } from '../contract/limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Images } from '../ports/images.ts';
import type { Claim, Inspected, Inspection, Inspector } from '../ports/inspector.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Scanner } from '../ports/scanner.ts';
import type { AttachmentContent } from '../ports/store.ts';
import { type AttachmentTypes, HEAD_BYTES, MIN_HEAD_BYTES } from './types.ts';

/** Files read, and files scanned, at the same time. */
const READ_TOGETHER = 2;
const SCANNED_TOGETHER = 4;
/** A scanner that gave no verdict is asked again, each time twice as late. */
const RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

const IMAGES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/avif']);

export interface InspectorOptions {
  readonly types: AttachmentTypes;
  readonly images: Images;
  /** undefined: files are not scanned. */
  readonly scanner: Scanner | undefined;
  /** A folder for what is made of files; it exists. */
  readonly tempFolder: string;
  readonly limits: Pick<Limits, 'imagePixels' | 'imageFrames' | 'thumbnailPixels'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface Read {
  readonly size: number;
  readonly sha256: string;
  readonly head: Uint8Array;
}

/** Read at once, into memory that is used again: hashing so much takes an eighth of a millisecond. */
const PIECE_BYTES = 262_144;

/** Reads a file once, in pieces: it is never in memory as a whole. */
const readThrough = async (path: string): Promise<Read> => {
  const hash = createHash('sha256');
  const heads: Buffer[] = [];
  let size = 0;
  const file = await open(path, 'r');
  try {
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, size);
      if (bytesRead === 0) break;
      hash.update(piece.subarray(0, bytesRead));
      if (size < HEAD_BYTES) heads.push(Buffer.from(piece.subarray(0, Math.min(bytesRead, HEAD_BYTES - size))));
      size += bytesRead;
    }
  } finally {
    await file.close();
  }
  return { size, sha256: hash.digest('hex'), head: Buffer.concat(heads) };
};

const takenAway = (path: string): Promise<string | undefined> =>
  access(path).then(
    () => undefined,
    () => 'a threat',
  );

class FileInspector implements Inspector {
  readonly #options: InspectorOptions;
  readonly #reading = pLimit(READ_TOGETHER);
  readonly #scanning = pLimit(SCANNED_TOGETHER);
  readonly #closed = new AbortController();

  constructor(options: InspectorOptions) {
    this.#options = options;
  }

  get acceptedTypes(): readonly string[] {
    return this.#options.types.accepted;
  }

  checkClaim(claim: Claim): void {
    this.#options.types.checkClaim(claim);
  }

  async checkHead(claim: Claim, head: Uint8Array, size: number): Promise<void> {
    if (head.length >= Math.min(size, MIN_HEAD_BYTES)) await this.#options.types.check(claim, head);
  }

  async inspect({ path, claim, size, sha256, deadline, signal }: Inspection): Promise<Inspected> {
    const given = AbortSignal.any([signal, this.#closed.signal]);
    const read = await this.#reading(() => readThrough(path));
    if (read.size !== size) throw new Error(`a file of ${String(read.size)} bytes, expected ${String(size)}`);
    if (sha256 !== null && sha256 !== read.sha256) {
      throw new DeskwireError(
        'checksum_mismatch',
        `The content has the SHA-256 ${read.sha256}, expected ${sha256}; nothing of it was kept. Begin again from 0.`,
        { details: { found: read.sha256, expected: sha256 } },
      );
    }
    const mediaType = await this.#options.types.check(claim, read.head);
    await this.#scan(path, deadline, given);
    given.throwIfAborted();
    const content: AttachmentContent = { size: read.size, mediaType, sha256: read.sha256 };
    if (IMAGES.has(mediaType)) return this.#inspectImage(path, content);
    return { content, path, thumbnailPath: undefined, release: () => Promise.resolve() };
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#options.images.close();
  }

  async #inspectImage(path: string, content: AttachmentContent): Promise<Inspected> {
    const { images, limits, tempFolder, log } = this.#options;
    await mkdir(tempFolder, { recursive: true });
    const folder = await mkdtemp(join(tempFolder, 'image-'));
    const release = (): Promise<void> => rm(folder, { recursive: true, force: true }).catch(() => undefined);
    try {
      const seen = await images.look(path, content.mediaType, folder, {
        pixels: limits.imagePixels,
        frames: limits.imageFrames,
        thumbnailPixels: limits.thumbnailPixels,
      });
      if (seen.kind === 'too_large') {
        const { width, height, frames } = seen;
        const tooMany = frames > limits.imageFrames;
        throw new DeskwireError(
          'payload_too_large',
          tooMany
            ? `Found an image of ${String(frames)} frames, expected at most ${String(limits.imageFrames)} (limits.imageFrames).`
            : `Found an image of ${String(width)} × ${String(height)} pixels, expected at most ${String(limits.imagePixels)} in all (limits.imagePixels).`,
          { details: { width, height, frames } },
        );
      }
      if (seen.kind === 'unreadable') {
        log.info({ reason: seen.reason, mediaType: content.mediaType }, 'an image could not be read');
        throw new DeskwireError(
          'unsupported_media_type',
          `The content begins like ${content.mediaType} and can't be read as an image.`,
          { details: { found: content.mediaType } },
        );
      }
      const { width, height, cleanedPath, thumbnail } = seen;
      const cleaned = cleanedPath === undefined ? undefined : await this.#reading(() => readThrough(cleanedPath));
      return {
        content: {
          ...content,
          ...(cleaned && { size: cleaned.size, sha256: cleaned.sha256 }),
          width,
          height,
          thumbnail: {
            width: thumbnail.width,
            height: thumbnail.height,
            mediaType: thumbnail.mediaType,
            size: thumbnail.size,
          },
        },
        path: cleanedPath ?? path,
        thumbnailPath: thumbnail.path,
        release,
      };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** Holds a file until there is a verdict. */
  async #scan(path: string, deadline: number, signal: AbortSignal): Promise<void> {
    const { scanner, clock, log, metrics } = this.#options;
    if (scanner === undefined) return;
    for (let waitMs = RETRY_MS; ; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      try {
        const verdict = await this.#scanning(() => {
          signal.throwIfAborted();
          return scanner.scan(path, signal);
        });
        // Some scanners take away what they find, and call the rest clean.
        const threat = verdict.kind === 'infected' ? verdict.threat : await takenAway(path);
        if (threat === undefined) return;
        throw new DeskwireError(
          'unsupported_media_type',
          `The virus scanner found ${threat} in the content; nothing of it was kept.`,
          { details: { threat } },
        );
      } catch (error) {
        if (error instanceof DeskwireError || signal.aborted) throw error;
        metrics.scanFailed();
        log.warn({ error }, 'an attachment is held: its scanner gave no verdict');
        if (clock.now() + waitMs > deadline) throw error;
      }
      await this.#wait(waitMs, signal);
    }
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        cancel();
        reject(new Error('the file was given up'));
      };
      const cancel = this.#options.clock.after(ms, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}

export const createInspector = (options: InspectorOptions): Inspector => new FileInspector(options);
