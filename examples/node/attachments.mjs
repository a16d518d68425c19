// What send-file.mjs and save-files.mjs share: requests over a connection that comes back by itself, files to send, and
// downloads that end with the right bytes or not at all. The upload itself is the browser's: ../browser/upload.js.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';

const ACK_TIMEOUT_MS = 10_000;
const RETRY_MS = 500;

/** Resolves once the server has let us in: `{ socket, session }`. It connects again by itself; a refused token ends the process. */
export const connect = (url, token) =>
  new Promise((resolve) => {
    const socket = io(url, { auth: { token }, transports: ['websocket'] });
    socket.on('session:ready', (session) => resolve({ socket, session }));
    socket.on('connect_error', ({ data, message }) => {
      // Without `data` there was no answer, and the client tries again by itself.
      if (!data) return;
      if (data.retryable) {
        setTimeout(() => socket.connect(), data.retryAfterMs ?? RETRY_MS);
        return;
      }
      console.error(`refused: ${data.code}: ${message}`);
      process.exit(1);
    });
  });

/** Sends a request until it is answered. */
export const request = async (socket, name, payload) => {
  for (;;) {
    const reply = await socket
      .timeout(ACK_TIMEOUT_MS)
      .emitWithAck(name, payload)
      .catch(() => undefined);
    if (reply?.ok) return reply.data;
    if (reply && !reply.error.retryable) throw Object.assign(new Error(reply.error.message), reply.error);
    await sleep(reply?.error.retryAfterMs ?? RETRY_MS);
  }
};

/** SHA-256 of a file, read in pieces. */
export const hashOf = async (path) => {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest('hex');
};

/** A file on disk as Upload takes it. Its name says what it is. Close it when the upload is over. */
export const openFile = async (path) => {
  const handle = await open(path);
  const { size } = await handle.stat();
  return {
    name: basename(path),
    size,
    read: async (start, end) => {
      const data = new Uint8Array(end - start);
      const { bytesRead } = await handle.read(data, 0, data.length, start);
      return data.subarray(0, bytesRead);
    },
    sha256: () => hashOf(path),
    close: () => handle.close(),
  };
};

/** The rest of it, behind what is there already. */
const fetchRest = async (link, partPath) => {
  const { size: start } = await stat(partPath).catch(() => ({ size: 0 }));
  const response = await fetch(link, { headers: start > 0 ? { range: `bytes=${start}-` } : {} });
  // Nothing is missing.
  if (response.status === 416) return;
  if (!response.ok) {
    const { code, detail, status } = await response.json();
    throw Object.assign(new Error(detail), { code, isFinal: status < 500 && status !== 429 });
  }
  await pipeline(response.body, createWriteStream(partPath, { flags: response.status === 206 ? 'a' : 'w' }));
};

/**
 * Downloads a file of a message to `path`, which is not there before it is whole. A lost connection is gone on with, and a
 * link that has ended is asked for anew. Throws when it is no longer there, or when the bytes are not those that were sent.
 */
export const download = async (socket, url, { id, url: link, size, sha256 }, path) => {
  const partPath = `${path}.part`;
  let current = link;
  for (;;) {
    try {
      await fetchRest(new URL(current, url), partPath);
      if ((await stat(partPath)).size >= size) break;
    } catch (error) {
      if (error.code === 'forbidden')
        ({ url: current } = await request(socket, 'attachment:link', { attachmentId: id }));
      // With `syscall` it is this machine's disk.
      else if (error.isFinal || error.syscall) throw error;
      else await sleep(RETRY_MS);
    }
  }
  if ((await hashOf(partPath)) !== sha256) {
    await rm(partPath);
    throw new Error(`what came is not the file with the SHA-256 ${sha256}`);
  }
  await rename(partPath, path);
};
