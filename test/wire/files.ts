import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { Attachment } from '../../src/contract/schemas.ts';
import { Random } from '../support/random.ts';
import type { TestClient } from '../support/client.ts';

const SCANNER = 'sh test/wire/scanner.sh';
/** An attachment:finish is answered after half of it; images are looked at in less, and `scanner.sh` is slower where it is slow. */
const REQUEST_TIMEOUT_MS = 6_000;

/** What the server of the scenario needs for files. */
export const FILES_SERVER = {
  env: { ATTACHMENTS_SCAN_COMMAND: SCANNER },
  limits: { requestTimeoutMs: REQUEST_TIMEOUT_MS },
};

interface File {
  readonly name: string;
  readonly bytes: Buffer;
  readonly mediaType?: string;
}

const textFile = (name: string, text: string): File => ({ name, bytes: Buffer.from(text) });

/** The same picture each time, of several chunks. */
const picture = async (): Promise<File> => {
  const random = new Random(1042);
  const [width, height, channels] = [320, 240, 3] as const;
  const pixels = Buffer.from(Array.from({ length: width * height * channels }, () => random.below(256)));
  const bytes = await sharp(pixels, { raw: { width, height, channels } }).png().toBuffer();
  return { name: 'parcel.png', bytes, mediaType: 'image/png' };
};

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const begin = (client: TestClient, conversationId: string, { name, bytes, mediaType }: File) =>
  client.request('attachment:begin', {
    ...{ conversationId, clientAttachmentId: name, name, size: bytes.length, sha256: sha256(bytes) },
    ...(mediaType !== undefined && { mediaType }),
  });

/** Begins an upload, or goes on with it, and sends what is missing, two chunks at a time. */
const upload = async (client: TestClient, conversationId: string, file: File): Promise<string> => {
  const { attachmentId, chunkBytes, receivedBytes } = await begin(client, conversationId, file);
  for (let offset = receivedBytes; offset < file.bytes.length; offset += 2 * chunkBytes) {
    const starts = [offset, offset + chunkBytes].filter((start) => start < file.bytes.length);
    await Promise.all(
      starts.map((start) =>
        client.request('attachment:chunk', {
          ...{ attachmentId, offset: start, data: file.bytes.subarray(start, start + chunkBytes) },
        }),
      ),
    );
  }
  return attachmentId;
};

const uploadAndFinish = async (client: TestClient, conversationId: string, file: File): Promise<Attachment> => {
  const attachmentId = await upload(client, conversationId, file);
  return (await client.request('attachment:finish', { attachmentId })).attachment;
};

/** Files that are held while the scanner looks at them. */
export interface HeldFiles {
  readonly cleanId: string;
  readonly infectedId: string;
  /** What attachment:finish says of them before that is over. */
  readonly states: Promise<string[]>;
}

/** Sends files at which the scanner looks for long; what is done meanwhile does not wait for that. */
export const holdFiles = async (client: TestClient, conversationId: string): Promise<HeldFiles> => {
  const clean = textFile('invoice.txt', 'An invoice, slow to scan.');
  const infected = textFile('offer.txt', 'An offer, slow to scan, with a threat.');
  const cleanId = await upload(client, conversationId, clean);
  const infectedId = await upload(client, conversationId, infected);
  const states = Promise.all(
    [cleanId, infectedId].map(async (attachmentId) => {
      const { attachment } = await client.request('attachment:finish', { attachmentId });
      return attachment.state;
    }),
  );
  // Whoever awaits it hears of a failure; until then it is nobody's.
  states.catch(() => undefined);
  return { cleanId, infectedId, states };
};

/** The end of `holdFiles`: gives the id of the one that was clean, which can be sent now. */
export const heldFiles = async (client: TestClient, { cleanId, infectedId, states }: HeldFiles): Promise<string> => {
  const found = (await states).join();
  if (found !== 'checking,checking') throw new Error(`expected both files to be held, found ${found}`);
  await client.event('attachment:updated', ({ attachment: { id, state } }) => id === cleanId && state === 'ready');
  await client.event(
    'attachment:updated',
    ({ attachment: { id, state }, error }) => id === infectedId && state === 'refused' && error !== undefined,
  );
  await client.request('attachment:finish', { attachmentId: cleanId });
  await client.refused('attachment:finish', { attachmentId: infectedId });
  return cleanId;
};

/** A picture from the customer, a file in a note of the agent's, and what can go wrong with either. Gives their ids. */
export const sendFiles = async (
  { ann, bob }: { ann: TestClient; bob: TestClient },
  conversationId: string,
): Promise<string[]> => {
  const photo = await picture();
  await ann.refused('attachment:begin', {
    ...{ conversationId, clientAttachmentId: 'page', name: 'page.html', size: 5_000 },
  });
  const { attachmentId } = await begin(ann, conversationId, photo);
  await ann.refused('attachment:chunk', { attachmentId, offset: 9, data: photo.bytes.subarray(9, 99) });
  await ann.request('attachment:chunk', { attachmentId, offset: 0, data: photo.bytes.subarray(0, 5_000) });
  await ann.refused('attachment:finish', { attachmentId });
  await upload(ann, conversationId, photo);
  const { attachment } = await ann.request('attachment:finish', { attachmentId, sha256: sha256(photo.bytes) });
  if (attachment.thumbnail === undefined) throw new Error(`expected an image, found ${JSON.stringify(attachment)}`);
  await ann.refused('attachment:link', { attachmentId });
  await bob.refused('attachment:link', { attachmentId });
  const { entry } = await ann.request('message:send', {
    ...{ conversationId, clientMessageId: 'photo', attachmentIds: [attachmentId] },
  });
  await bob.event('message:created', ({ attachments }) => attachments[0]?.thumbnail?.url !== undefined);
  await bob.request('attachment:link', { attachmentId });
  await ann.refused('attachment:abort', { attachmentId });

  const note = await uploadAndFinish(bob, conversationId, textFile('depot.txt', 'The depot has it since Monday.'));
  await bob.request('message:send', {
    ...{ conversationId, clientMessageId: 'depot', text: 'See file', visibility: 'staff', attachmentIds: [note.id] },
  });
  await ann.refused('attachment:link', { attachmentId: note.id });

  const wrong = await upload(bob, conversationId, textFile('wrong.txt', 'Of another customer.'));
  await bob.request('attachment:abort', { attachmentId: wrong });
  await bob.refused('attachment:abort', { attachmentId: wrong });
  await ann.request('message:delete', { conversationId, messageId: entry.id });
  await bob.refused('attachment:link', { attachmentId });
  return [attachmentId, note.id];
};
