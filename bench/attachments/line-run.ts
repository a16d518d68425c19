import { setTimeout as wait } from 'node:timers/promises';
import { UploadClient } from './upload-client.ts';
import { makeFiles } from './files.ts';
import type { AttachmentResults, AttachmentTarget, LineJob } from './jobs.ts';
import { slowLine } from './line.ts';
import { checkWhole, sendFile } from './uploads.ts';
import type { ClientOptions } from '../client.ts';

/** Messages sent when nothing is uploaded. */
const QUIET_COUNT = 100;

/** Small messages and an upload on one connection over a slow line. @throws when one is refused, or the file arrives as another */
export const runLine = async (
  target: AttachmentTarget,
  options: ClientOptions,
  job: LineJob,
): Promise<AttachmentResults['line']> => {
  const { way, line, fileBytes, messagesPerSecond } = job;
  const slow = await slowLine(target.url, line);
  const client = new UploadClient(
    { sub: `slow-${String(process.pid)}`, role: 'customer' },
    { ...options, url: slow.url },
  );
  await client.client.ready();
  let conversationId = `slow-${String(process.pid)}`;
  if (target.kind === 'deskwire') {
    const { data } = await client.client.request('conversation:open', {});
    conversationId = (data as { conversation: { id: string } }).conversation.id;
  }

  const tookMs: number[] = [];
  let sentCount = 0;
  const sendMessage = async (): Promise<void> => {
    const clientMessageId = `small-${String((sentCount += 1))}`;
    const sentAt = performance.now();
    await client.client.request('message:send', { conversationId, clientMessageId, text: 'Are you still there?' });
    tookMs.push(performance.now() - sentAt);
  };
  // One request by one brings the line, and the server's code, to what they are in use.
  for (let count = 0; count < 5; count += 1) await sendMessage();
  tookMs.length = 0;

  const [file] = await makeFiles(1, fileBytes, 0);
  if (file === undefined) throw new Error('no file was made');
  let uploading = way !== null;
  const startedAt = performance.now();
  let uploadMs = 0;
  const upload =
    way === null
      ? Promise.resolve()
      : sendFile(way, { client, conversationId, file, chunking: job }).then(() => {
          uploadMs = performance.now() - startedAt;
          uploading = false;
        });
  const messages: Promise<void>[] = [];
  while (uploading || (way === null && messages.length < QUIET_COUNT)) {
    // Not in step with the chunks.
    await Promise.race([wait((0.5 + Math.random()) * (1_000 / messagesPerSecond)), ...(way === null ? [] : [upload])]);
    if (uploading || way === null) messages.push(sendMessage());
  }
  await Promise.all([upload, ...messages]);
  if (tookMs.length !== messages.length) throw new Error('a small message was not answered');
  if (way === 'whole') await checkWhole(client, file);
  client.client.close();
  slow.close();
  return { tookMs, uploadMs };
};
