import type { Readable } from 'node:stream';

/** A file on this machine, for as long as it is not released. */
export interface LocalFile {
  readonly path: string;
  /** Removes it, if it was a copy. Never throws. */
  release(): Promise<void>;
}

/** Inclusive, as in HTTP. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface BlobInfo {
  readonly key: string;
  /** Milliseconds since 1970 of the last change, by the storage's clock. */
  readonly changedAt: number;
}

/**
 * Where files are kept. A key is made of letters, digits, `_`, `-` and `.`; it never comes from a client.
 *
 * A blob is written whole. An upload is what grows until it is one; the two share no names.
 *
 * In the contract:
 * - `put` leaves the whole blob or nothing, also when the process or the machine dies in it; putting a key again replaces it.
 * - An upload is seen by every process with the same storage. `append` adds at the end, or writes again what is
 *   there; of two processes that append the same bytes at once nothing but those bytes comes.
 * - When a process dies, an upload may lose its last bytes: `received` tells how many are left, and those are right.
 * - Reading, removing and discarding what is not there is no error: it gives `null`, or does nothing.
 * - Out of reach, calls reject with a DeskwireError `unavailable`.
 *
 * Not in the contract: what the bytes are, who may see them, and in which order blobs are listed.
 */
export interface Blobs {
  /** How many bytes more there is room for; `Infinity` where nobody knows of a bound. */
  freeBytes(): Promise<number>;

  /** Bytes of an upload that are kept, from its start; 0 when there is none. */
  received(upload: string): Promise<number>;
  /**
   * Adds bytes at `offset`. Gives the number of bytes that are kept then; less than `offset` means that some were lost, and
   * nothing was added.
   */
  append(upload: string, offset: number, bytes: Uint8Array): Promise<number>;
  /** The upload as a file that can be looked at. */
  gather(upload: string): Promise<LocalFile>;
  discard(upload: string): Promise<void>;
  uploads(): AsyncIterable<BlobInfo>;

  /** Keeps a copy of a local file. */
  put(key: string, path: string): Promise<void>;
  /** Its bytes, or those of the range, which lies within it. */
  read(key: string, range?: ByteRange): Promise<Readable | null>;
  remove(key: string): Promise<void>;
  blobs(): AsyncIterable<BlobInfo>;

  /** Ends what is under way. */
  close(): Promise<void>;
}
