import { createReadStream } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Scanner, Verdict } from '../ports/scanner.ts';

const TIMEOUT_MS = 120_000;
const MAX_ANSWER_BYTES = 4_096;

/** A Unix socket, or a host and a port. */
export type ClamdAddress = { readonly path: string } | { readonly host: string; readonly port: number };

const verdictOf = (answer: string): Verdict => {
  if (answer === 'stream: OK') return { kind: 'clean' };
  const threat = /^stream: (.{1,128}) FOUND$/.exec(answer)?.[1];
  if (threat !== undefined) return { kind: 'infected', threat };
  throw new Error(`clamd gave no verdict: ${answer === '' ? 'it closed the connection' : answer.slice(0, 200)}`);
};

const send = async (socket: Socket, bytes: Uint8Array, signal: AbortSignal): Promise<void> => {
  if (!socket.write(bytes)) await once(socket, 'drain', { signal });
};

const lengthOf = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
};

const stream = async (socket: Socket, path: string, signal: AbortSignal): Promise<void> => {
  await send(socket, Buffer.from('zINSTREAM\0'), signal);
  for await (const piece of createReadStream(path, { signal })) {
    const bytes = piece as Buffer;
    await send(socket, lengthOf(bytes), signal);
    await send(socket, bytes, signal);
  }
  socket.write(Buffer.alloc(4));
};

/**
 * clamd, over its INSTREAM command (clamd(8)): pieces with their length before them, then a length of 0. Its
 * `StreamMaxLength` must be at least limits.attachmentBytes.
 */
export const createClamdScanner = (address: ClamdAddress): Scanner => ({
  scan: async (path, signal) => {
    const socket = connect({ ...address, signal });
    const over = new AbortController();
    socket.setTimeout(TIMEOUT_MS, () =>
      socket.destroy(new Error(`clamd has not answered in ${String(TIMEOUT_MS)} ms`)),
    );
    try {
      const answered = new Promise<string>((resolve, reject) => {
        let answer = '';
        socket.on('data', (bytes: Buffer) => {
          answer = (answer + bytes.toString('utf8')).slice(0, MAX_ANSWER_BYTES);
          // Its end is marked: what becomes of the connection afterwards says nothing any more.
          if (answer.endsWith('\0')) resolve(answer.slice(0, -1));
        });
        socket.once('error', reject);
        // One that is cut off is none.
        socket.once('close', () => resolve(''));
      });
      // It answers before the end when it has seen enough, and takes no more then.
      const progress = { sent: false };
      stream(socket, path, over.signal).then(
        () => (progress.sent = true),
        (error: unknown) => {
          if (!over.signal.aborted) socket.destroy(error instanceof Error ? error : undefined);
        },
      );
      const verdict = verdictOf(await answered);
      if (verdict.kind === 'clean' && !progress.sent)
        throw new Error('clamd gave no verdict: it had not read the whole file');
      return verdict;
    } finally {
      over.abort();
      socket.destroy();
    }
  },
});
