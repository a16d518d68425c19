import { setTimeout as wait } from 'node:timers/promises';
import type { UploadClient } from './upload-client.ts';
import type { UploadFile } from './files.ts';
import type { Chunking, Way } from './jobs.ts';

/** How often an upload that is being looked at is asked after. */
const ASK_EVERY_MS = 100;

export interface Upload {
  readonly client: UploadClient;
  readonly conversationId: string;
  readonly file: UploadFile;
  readonly chunking: Chunking;
}

/** Milliseconds of an upload: its bytes, and what follows until it stands in a message. */
export interface UploadTimes {
  readonly bytesMs: number;
  readonly finishMs: number;
}

interface Finished {
  readonly attachment: { readonly state: string; readonly sha256?: string };
}

const sendChunks = async ({ client, file, chunking }: Upload, event: string, attachmentId: string): Promise<void> => {
  const { chunkBytes, inFlight } = chunking;
  let sent = 0;
  const sender = async (): Promise<void> => {
    while (sent < file.bytes.length) {
      const offset = sent;
      if (offset >= file.bytes.length) return;
      sent += chunkBytes;
      await client.binary(event, { attachmentId, offset }, file.bytes.subarray(offset, offset + chunkBytes));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, sender));
};

const finish = async ({ client, file }: Upload, attachmentId: string): Promise<void> => {
  for (;;) {
    const { data } = await client.client.request('attachment:finish', { attachmentId });
    const { state, sha256 } = (data as Finished).attachment;
    if (state === 'checking') {
      await wait(ASK_EVERY_MS);
      continue;
    }
    if (state !== 'ready' || sha256 !== file.sha256)
      throw new Error(`${file.name} is ${state} with the SHA-256 ${String(sha256)}, expected ${file.sha256}`);
    return;
  }
};

const inChunks = async (upload: Upload): Promise<UploadTimes> => {
  const { client, conversationId, file } = upload;
  const { name, mediaType, sha256, bytes } = file;
  const announced = { name, mediaType, sha256, size: bytes.length };
  const startedAt = performance.now();
  const { data } = await client.client.request('attachment:begin', {
    ...{ conversationId, clientAttachmentId: name, ...announced },
  });
  const { attachmentId } = data as { attachmentId: string };
  await sendChunks(upload, 'attachment:chunk', attachmentId);
  const sentAt = performance.now();
  await finish(upload, attachmentId);
  await client.client.request('message:send', {
    ...{ conversationId, clientMessageId: name, attachmentIds: [attachmentId] },
  });
  return { bytesMs: sentAt - startedAt, finishMs: performance.now() - sentAt };
};

const asAWhole = async ({ client, file }: Upload): Promise<UploadTimes> => {
  const startedAt = performance.now();
  await client.binary('file', { name: file.name }, file.bytes);
  return { bytesMs: performance.now() - startedAt, finishMs: 0 };
};

const thrownAway = async (upload: Upload): Promise<UploadTimes> => {
  const startedAt = performance.now();
  await sendChunks(upload, 'chunk', upload.file.name);
  return { bytesMs: performance.now() - startedAt, finishMs: 0 };
};

const WAYS: Record<Way, (upload: Upload) => Promise<UploadTimes>> = {
  chunks: inChunks,
  whole: asAWhole,
  'thrown-away': thrownAway,
};

/** Sends a file; resolves when it stands in a message, or was acknowledged. @throws when the server's hash is not the file's */
export const sendFile = (way: Way, upload: Upload): Promise<UploadTimes> => WAYS[way](upload);

/** Has the peer read what it wrote, which Deskwire does before it says that a file is ready. @throws when it is another file */
export const checkWhole = async (client: UploadClient, { name, sha256 }: UploadFile): Promise<void> => {
  const { data } = await client.client.request('hash', { name });
  if (data !== sha256) throw new Error(`the peer has ${name} with the SHA-256 ${String(data)}, expected ${sha256}`);
};
