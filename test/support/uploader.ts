/** Uploads as a careful client makes them, and a look at what a server with SQLite inside keeps of them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'libsql';
import type { PayloadInput, Reply, ReplyData } from '../../src/contract/contract.ts';
import type { ErrorObject } from '../../src/contract/errors.ts';
import type { Attachment } from '../../src/contract/schemas.ts';
import { clientId, type TestClient } from './client.ts';
import { noise, sha256Of } from './files.ts';
import { Random } from './random.ts';

export interface LocalFile {
  readonly conversationId: string;
  /** @default one that no other upload has */
  readonly clientAttachmentId?: string;
  readonly name: string;
  readonly data: Buffer;
  readonly mediaType?: string;
  /** @default that of `data`; null: none is said */
  readonly sha256?: string | null;
}

export interface UploadOptions {
  /** Chunks under way at the same time. @default 2 */
  readonly inFlight?: number;
  /** @default as large as the server takes them */
  readonly chunkBytes?: number;
  /** Called with each answer to a chunk. */
  readonly onProgress?: (receivedBytes: number) => void;
  /** Called when a finish is about to be sent. */
  readonly onFinish?: () => void;
}

/** The server said no, and would say it again. */
export class UploadRefused extends Error {
  readonly error: ErrorObject;
  constructor(error: ErrorObject) {
    super(`the upload was refused: ${JSON.stringify(error)}`);
    this.error = error;
  }
}

/** The connection ended, or will: whether the request had an effect is not known. */
class ConnectionLost extends Error {}

/** Lines of text that are the same for the same seed. */
export const textOf = (bytes: number, seed: number): Buffer => {
  const random = new Random(seed);
  const data = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) data[at] = at % 64 === 63 ? 0x0a : 0x61 + random.below(26);
  return data;
};

/** Bytes that begin as a PDF does, and are the same for the same seed. */
export const pdfOf = (bytes: number, seed: number): Buffer => {
  const data = noise(bytes, seed);
  data.write('%PDF-1.7\n');
  return data;
};

export const beginPayload = ({ conversationId, name, data, ...file }: LocalFile): PayloadInput<'attachment:begin'> => ({
  conversationId,
  clientAttachmentId: file.clientAttachmentId ?? clientId(),
  name,
  size: data.length,
  ...(file.mediaType !== undefined && { mediaType: file.mediaType }),
  ...(file.sha256 !== null && { sha256: file.sha256 ?? sha256Of(data) }),
});

const ask = async <N extends 'attachment:begin' | 'attachment:chunk' | 'attachment:finish'>(
  client: TestClient,
  name: N,
  payload: PayloadInput<N>,
): Promise<Reply<ReplyData<N>>> => {
  // What is sent without a connection waits for one, and this client never connects again.
  if (!client.socket.connected) throw new ConnectionLost();
  const reply = await client.reply(name, payload).catch((error: unknown) => {
    if (client.socket.connected) throw error;
    throw new ConnectionLost();
  });
  if (!reply.ok && reply.error.code === 'draining') throw new ConnectionLost();
  return reply;
};

const PAUSE_MS = 50;

/** Repeats a request that was refused for now. */
const patiently = async <N extends 'attachment:begin' | 'attachment:finish'>(
  client: TestClient,
  name: N,
  payload: PayloadInput<N>,
): Promise<ReplyData<N>> => {
  for (;;) {
    const reply = await ask(client, name, payload);
    if (reply.ok) return reply.data;
    const { code, retryAfterMs = PAUSE_MS } = reply.error;
    if (code !== 'rate_limited' && code !== 'unavailable') throw new UploadRefused(reply.error);
    await sleep(retryAfterMs);
  }
};

const receivedIn = ({ details }: ErrorObject): number => (details as { receivedBytes: number }).receivedBytes;

/** Sends what follows `from`; after a refusal that can be mended, goes on where the server says. */
export const sendChunks = async (
  client: TestClient,
  upload: { attachmentId: string; data: Buffer; from: number; chunkBytes: number },
  { inFlight = 2, onProgress = () => undefined }: UploadOptions = {},
): Promise<void> => {
  const { attachmentId, data, chunkBytes } = upload;
  let received = upload.from;
  while (received < data.length) {
    let next = received;
    let waitMs = 0;
    let stopped = false;
    const one = async (): Promise<void> => {
      while (!stopped && next < data.length) {
        const offset = next;
        next = Math.min(offset + chunkBytes, data.length);
        const reply = await ask(client, 'attachment:chunk', {
          attachmentId,
          offset,
          data: data.subarray(offset, offset + chunkBytes),
        });
        if (reply.ok) {
          received = Math.max(received, reply.data.receivedBytes);
          onProgress(reply.data.receivedBytes);
          continue;
        }
        stopped = true;
        const { error } = reply;
        if (error.code === 'rate_limited') waitMs = Math.max(waitMs, error.retryAfterMs ?? 0);
        else if (error.code === 'offset_mismatch') received = receivedIn(error);
        else throw new UploadRefused(error);
      }
    };
    const lines = await Promise.allSettled(Array.from({ length: inFlight }, one));
    const failed = lines.find((line) => line.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    if (waitMs > 0) await sleep(waitMs);
  }
};

/**
 * Uploads a whole file, and waits until it was checked. A connection that ends is replaced by the next one that `connection`
 * gives, on which the upload goes on.
 *
 * @throws UploadRefused
 */
export const upload = async (
  connection: TestClient | (() => Promise<TestClient>),
  file: LocalFile,
  options: UploadOptions = {},
): Promise<Attachment> => {
  const payload = beginPayload(file);
  for (;;) {
    const client = typeof connection === 'function' ? await connection() : connection;
    try {
      const { attachmentId, receivedBytes, chunkBytes } = await patiently(client, 'attachment:begin', payload);
      const pieces = {
        attachmentId,
        data: file.data,
        from: receivedBytes,
        chunkBytes: options.chunkBytes ?? chunkBytes,
      };
      await sendChunks(client, pieces, options);
      for (;;) {
        options.onFinish?.();
        const { attachment } = await patiently(client, 'attachment:finish', { attachmentId });
        if (attachment.state === 'ready') return attachment;
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost) || typeof connection !== 'function') throw error;
    }
  }
};

export interface Downloaded {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** What a link of an entry, which may be relative to the server, leads to. */
export const download = async (
  serverUrl: string,
  link: string | undefined,
  init?: RequestInit,
): Promise<Downloaded> => {
  if (link === undefined) throw new Error('expected a link, found none');
  const response = await fetch(new URL(link, serverUrl), init);
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
};

/** An attachment as the store has it. */
export interface KeptRow {
  readonly id: string;
  readonly state: string;
  readonly size: number;
  readonly message_seq: number | null;
}

const query = <T>(dataDir: string, sql: string, ...values: string[]): T[] => {
  const db = new Database(join(dataDir, 'deskwire.db'), { readonly: true });
  try {
    return db.prepare(sql).all(...values) as T[];
  } finally {
    db.close();
  }
};

/** What the store has of a conversation's attachments. */
export const rowsOf = (dataDir: string, conversationId: string): KeptRow[] =>
  query(
    dataDir,
    'SELECT id, state, size, message_seq FROM attachments WHERE conversation_id = ? ORDER BY id',
    conversationId,
  );

/** Bytes that count for a tenant's quota. */
export const usageOf = (dataDir: string, tenant: string): number =>
  query<{ bytes: number }>(dataDir, 'SELECT bytes FROM attachment_usage WHERE tenant = ?', tenant)[0]?.bytes ?? 0;

/** Files of a folder and of those in it, by their paths from there; marks of whose they are are none. */
export const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'owner')
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1));

/** Files of attachments, and those that are made in between, by their paths in the data folder. */
export const filesIn = (dataDir: string): string[] =>
  ['attachments', 'temp']
    .flatMap((folder) => filesUnder(join(dataDir, folder)).map((path) => join(folder, path)))
    .sort();
