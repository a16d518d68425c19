import { constants, createReadStream } from 'node:fs';
import { copyFile, type FileHandle, link, mkdir, open, opendir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { nanoid } from 'nanoid';
import pLimit from 'p-limit';
import { DeskwireError } from '../../contract/errors.ts';
import type { BlobInfo, Blobs, ByteRange, LocalFile } from '../../ports/blobs.ts';
import type { Log } from '../../ports/log.ts';
import { makeFolder } from '../make-folder.ts';
import { openOwnFolder, type OwnFolder } from '../own-folder.ts';
import { StoreStartError } from '../start-error.ts';

/**
 * Chunks written at the same time. All that are written in one turn of the event loop are answered in the next, and as many
 * new ones come then: with no bound, a hundred at a time, and whatever else is asked of this process waits for them all.
 */
const APPENDED_TOGETHER = 2;
/** Uploads whose file is kept open between chunks. */
const MAX_OPEN_FILES = 256;
/** Letters of a key, after those that all of its kind have, that name its folder: a thousand files a folder at four million. */
const FOLDER_LETTERS = 2;

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT';

const unavailable = (error: unknown): DeskwireError => {
  if (error instanceof DeskwireError) return error;
  const full = codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT';
  return new DeskwireError(
    'unavailable',
    full
      ? 'The folder of attachments is full; try again later.'
      : 'The folder of attachments is out of reach; try again later.',
    { cause: error },
  );
};

const sync = async (path: string): Promise<void> => {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
};

/** `uploads/<id>` grows, `blobs/_<two letters of the key>/<key>` is whole, `drafts/<process>/` is on its way from one to the other. */
class DiskBlobs implements Blobs {
  readonly #appending = pLimit(APPENDED_TOGETHER);
  readonly #copying = pLimit(1);
  readonly #root: string;
  readonly #drafts: OwnFolder;
  readonly #log: Log;
  readonly #open: LRUCache<string, Promise<FileHandle>>;

  constructor(root: string, drafts: OwnFolder, log: Log) {
    this.#root = root;
    this.#drafts = drafts;
    this.#log = log;
    this.#open = new LRUCache({
      max: MAX_OPEN_FILES,
      dispose: (opening) => {
        void opening.then((file) => file.close()).catch(() => undefined);
      },
    });
  }

  async freeBytes(): Promise<number> {
    try {
      makeFolder(this.#root);
      const { bavail, bsize } = await statfs(this.#root);
      return bavail * bsize;
    } catch (error) {
      throw unavailable(error);
    }
  }

  async received(upload: string): Promise<number> {
    try {
      return (await stat(this.#uploadPath(upload))).size;
    } catch (error) {
      if (!isMissing(error)) throw unavailable(error);
      // What is written to a file that was removed is nowhere.
      this.#open.delete(upload);
      return 0;
    }
  }

  append(upload: string, offset: number, bytes: Uint8Array): Promise<number> {
    return this.#appending(() => this.#append(upload, offset, bytes));
  }

  async #append(upload: string, offset: number, bytes: Uint8Array): Promise<number> {
    try {
      const size = await this.#sizeOf(upload);
      if (size < offset) return size;
      await this.#write(upload, offset, bytes).catch((error: unknown) => {
        // Closed since it was looked up, because so many others were opened.
        if (codeOf(error) !== 'EBADF') throw error;
        return this.#write(upload, offset, bytes);
      });
      return offset + bytes.length;
    } catch (error) {
      this.#open.delete(upload);
      throw unavailable(error);
    }
  }

  /** A copy: another node may still have the upload open, and must not change what was looked at. */
  async gather(upload: string): Promise<LocalFile> {
    const path = join(this.#drafts.path, nanoid());
    try {
      makeFolder(this.#drafts.path);
      await this.#copying(() => copyFile(this.#uploadPath(upload), path, constants.COPYFILE_FICLONE));
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined);
      throw unavailable(error);
    }
    return { path, release: () => rm(path, { force: true }).catch(() => undefined) };
  }

  async discard(upload: string): Promise<void> {
    this.#open.delete(upload);
    await this.#remove(this.#uploadPath(upload));
  }

  uploads(): AsyncIterable<BlobInfo> {
    return this.#list(join(this.#root, 'uploads'));
  }

  /** Linked or copied under a name of its own, made sure to be on disk, and only then given its name. */
  async put(key: string, path: string): Promise<void> {
    const target = this.#blobPath(key);
    const draft = join(this.#drafts.path, nanoid());
    try {
      makeFolder(this.#drafts.path);
      await link(path, draft).catch(async (error: unknown) => {
        if (isMissing(error)) throw error;
        // Another file system, or one without links.
        await copyFile(path, draft);
      });
      await sync(draft);
      await mkdir(dirname(target), { recursive: true });
      await rename(draft, target);
      // A rename of two links of one file leaves both.
      await this.#remove(draft);
      await sync(dirname(target));
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw unavailable(error);
    }
  }

  async read(key: string, range?: ByteRange) {
    try {
      const file = await open(this.#blobPath(key), 'r');
      return createReadStream('', { fd: file, ...range });
    } catch (error) {
      if (isMissing(error)) return null;
      throw unavailable(error);
    }
  }

  remove(key: string): Promise<void> {
    return this.#remove(this.#blobPath(key));
  }

  async *blobs(): AsyncIterable<BlobInfo> {
    const root = join(this.#root, 'blobs');
    for await (const { key } of this.#folders(root)) yield* this.#list(join(root, key));
  }

  async close(): Promise<void> {
    this.#open.clear();
    await this.#drafts.close();
  }

  /** As it is to be written to now: another process may have discarded what this one has open. */
  async #sizeOf(upload: string): Promise<number> {
    if (this.#open.has(upload)) {
      const { size, nlink } = await (await this.#fileOf(upload)).stat();
      if (nlink > 0) return size;
      this.#open.delete(upload);
    }
    return this.received(upload);
  }

  async #write(upload: string, offset: number, bytes: Uint8Array): Promise<void> {
    const file = await this.#fileOf(upload);
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await file.write(bytes, written, bytes.length - written, offset + written);
      written += bytesWritten;
    }
  }

  #fileOf(upload: string): Promise<FileHandle> {
    let opening = this.#open.get(upload);
    if (opening === undefined) {
      // Neither cut, as `w` would, nor written at its end only, as `a` would.
      opening = open(this.#uploadPath(upload), 'r+').catch((error: unknown) => {
        if (!isMissing(error)) throw error;
        // Also when somebody removed the folder.
        makeFolder(join(this.#root, 'uploads'));
        return open(this.#uploadPath(upload), 'wx+').catch((again: unknown) => {
          if (codeOf(again) !== 'EEXIST') throw again;
          return open(this.#uploadPath(upload), 'r+');
        });
      });
      opening.catch(() => this.#open.delete(upload));
      this.#open.set(upload, opening);
    }
    return opening;
  }

  async #remove(path: string): Promise<void> {
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw unavailable(error);
    }
  }

  #uploadPath(upload: string): string {
    return join(this.#root, 'uploads', upload);
  }

  #blobPath(key: string): string {
    return join(this.#root, 'blobs', `_${key.slice(FOLDER_LETTERS, 2 * FOLDER_LETTERS)}`, key);
  }

  async *#folders(folder: string): AsyncIterable<{ key: string }> {
    try {
      for await (const entry of await opendir(folder)) if (entry.isDirectory()) yield { key: entry.name };
    } catch (error) {
      if (!isMissing(error)) throw unavailable(error);
    }
  }

  async *#list(folder: string): AsyncIterable<BlobInfo> {
    try {
      for await (const entry of await opendir(folder)) {
        const info = await stat(join(folder, entry.name)).catch((error: unknown) => {
          // Removed while the folder was read.
          if (!isMissing(error)) this.#log.warn({ error }, 'a file of the attachments could not be looked at');
          return undefined;
        });
        if (info?.isFile() === true) yield { key: entry.name, changedAt: info.mtimeMs };
      }
    } catch (error) {
      if (!isMissing(error)) throw unavailable(error);
    }
  }
}

/**
 * Attachments in a folder, which several nodes may share.
 *
 * @throws StoreStartError when the folder can't be written
 */
export const openDiskBlobs = async ({ folder, log }: { folder: string; log: Log }): Promise<Blobs> => {
  let drafts: OwnFolder;
  try {
    for (const name of ['uploads', 'blobs']) makeFolder(join(folder, name));
    drafts = await openOwnFolder(join(folder, 'drafts'));
  } catch (error) {
    throw new StoreStartError(
      `ATTACHMENTS_URL: the folder ${folder} can't be written (${codeOf(error) ?? String(error)}). Give this user the right to write it, or name another folder.`,
      { cause: error },
    );
  }
  return new DiskBlobs(folder, drafts, log);
};
