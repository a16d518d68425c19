import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ErrorObject } from '../../src/contract/errors.ts';
import { clientId, type TestClient } from '../support/client.ts';
import { Company, open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import {
  executables,
  gifOfFrames,
  photo,
  pngOfSize,
  sha256Of,
  withIptcCity,
  xmpPacket,
  zipBomb,
  zipOf,
} from '../support/files.ts';
import {
  beginPayload,
  download,
  sendChunks,
  textOf,
  upload,
  UploadRefused,
  type LocalFile,
} from '../support/uploader.ts';

const { connect, server, look } = endToEnd();

const MiB = 1_048_576;

const scene = async () => {
  const company = new Company(connect);
  const ann = await company.customer('ann');
  const { id } = await open(ann);
  const files = await look.files();
  /** The refusal is kept, so that it can be told again, and nothing else. */
  const expectNothingKept = async (): Promise<void> => {
    expect(await look.files()).toEqual(files);
    expect(await look.rows(id)).toMatchObject([{ state: 'refused', size: 0, message_seq: null }]);
    expect(await look.usage(company.tenant)).toBe(0);
  };
  return { company, ann, id, expectNothingKept };
};

const refusalOf = async (client: TestClient, file: LocalFile, chunkBytes?: number): Promise<ErrorObject> => {
  const error: unknown = await upload(client, file, chunkBytes === undefined ? {} : { chunkBytes }).then(
    (attachment) => new Error(`it was accepted: ${JSON.stringify(attachment)}`),
    (thrown: unknown) => thrown,
  );
  if (error instanceof UploadRefused) return error.error;
  throw error;
};

const pad = (text: string, bytes = 6_000): Buffer => Buffer.from(text.padEnd(bytes, ' '));
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';

const jpegHead = (): Buffer => Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), executables.elf()]);
const bigPng = (): Buffer => pngOfSize(50_000, 50_000);

const DISGUISED: [what: string, name: string, mediaType: string | undefined, data: () => Buffer, found: string][] = [
  ['HTML', 'a.png', 'image/png', () => pad('<!DOCTYPE html><script>alert(1)</script>'), 'text/html'],
  ['HTML behind a comment', 'a.png', undefined, () => pad('<!-- x -->\n\n<HTML>'), 'text/html'],
  ['HTML', 'a.txt', 'text/plain', () => pad('\ufeff  <html><body onload=alert(1)>'), 'text/html'],
  ['SVG', 'a.png', 'image/png', () => pad(SVG), 'image/svg+xml'],
  ['SVG behind an XML declaration', 'a.jpg', undefined, () => pad(`<?xml version="1.0"?>\n${SVG}`), 'image/svg+xml'],
  ['SVG', 'a.txt', undefined, () => pad(SVG), 'image/svg+xml'],
  ['a program for Linux', 'a.png', 'image/png', executables.elf, 'application/x-elf'],
  ['a program for Windows', 'a.png', 'image/png', executables.mz, 'application/x-msdownload'],
  ['a program for Windows', 'a.pdf', undefined, executables.mz, 'application/x-msdownload'],
  [
    'an archive',
    'a.jpg',
    'image/jpeg',
    () => zipOf([{ name: 'a.txt', data: textOf(9_000, 1), deflated: false }]),
    'application/zip',
  ],
  ['text', 'a.pdf', 'application/pdf', () => textOf(6_000, 2), 'text/plain'],
  ['text', 'a.png', undefined, () => textOf(6_000, 3), 'text/plain'],
];

describe('what a file is', () => {
  it.each(DISGUISED)(
    '[FILE-4] %s named %s (%s) is refused with its first chunk and both types named, and nothing is kept',
    async (_what, name, mediaType, data, found) => {
      const { ann, id, expectNothingKept } = await scene();
      const bytes = Buffer.concat([data(), textOf(200_000, 4)]);
      const file = {
        conversationId: id,
        clientAttachmentId: clientId(),
        name,
        data: bytes,
        ...(mediaType && { mediaType }),
      };
      const { attachmentId, chunkBytes } = await ann.request('attachment:begin', beginPayload(file));
      const first = { attachmentId, offset: 0, data: bytes.subarray(0, chunkBytes) };
      const error = await ann.refused('attachment:chunk', first);
      const { expected } = error.details as { expected: string };
      expect(error).toMatchObject({ code: 'unsupported_media_type', retryable: false, details: { found } });
      expect(error.message).toContain(`Found ${found} in the content`);
      expect(error.message).toContain(expected);
      await expectNothingKept();
      // It is not asked of anybody to send it again: the same refusal, without a look.
      for (const [request, payload] of [
        ['attachment:chunk', first],
        ['attachment:finish', { attachmentId }],
        ['attachment:begin', beginPayload(file)],
        ['message:send', { conversationId: id, clientMessageId: clientId(), attachmentIds: [attachmentId] }],
      ] as const) {
        expect(await ann.refused(request, payload), request).toEqual(error);
      }
      await expectNothingKept();
    },
  );

  it('[FILE-4] in chunks too small to tell is refused at the finish, and nothing is kept', async () => {
    const { ann, id, expectNothingKept } = await scene();
    const data = executables.elf();
    const error = await refusalOf(ann, { conversationId: id, name: 'a.png', data }, 1_000);
    expect(error).toMatchObject({
      code: 'unsupported_media_type',
      details: { found: 'application/x-elf', expected: 'image/png' },
    });
    await expectNothingKept();
  });

  it('[FILE-4] without a name or type that says anything is what its content is, if that is accepted', async () => {
    const { ann, id } = await scene();
    const png = await photo({ type: 'png' });
    expect(await upload(ann, { conversationId: id, name: 'picture', data: png })).toMatchObject({
      mediaType: 'image/png',
      width: 240,
      height: 160,
    });
    const unknown = { mediaType: 'application/octet-stream', conversationId: id };
    expect(await upload(ann, { ...unknown, name: 'notes', data: textOf(500, 5) })).toMatchObject({
      mediaType: 'text/plain',
    });
    expect(await refusalOf(ann, { ...unknown, name: 'tool', data: executables.mz() })).toMatchObject({
      code: 'unsupported_media_type',
    });
  });

  it.each([
    ['a.jpg', 'what begins like an image and is a program', jpegHead, { code: 'unsupported_media_type' }],
    [
      'a.png',
      'an image of 50 000 × 50 000',
      bigPng,
      { code: 'payload_too_large', details: { width: 50_000, height: 50_000 } },
    ],
    // Small in its header, and large in all its frames.
    [
      'a.gif',
      'an image of 30 000 frames',
      () => gifOfFrames(30_000, 64, 64),
      { code: 'payload_too_large', details: { frames: 30_000 } },
    ],
  ])('%s, %s, is refused, quickly and without being unpacked', async (name, _what, make, expected) => {
    const { ann, id, expectNothingKept } = await scene();
    const data = make();
    const before = process.memoryUsage().rss;
    const started = performance.now();
    const error = await refusalOf(ann, { conversationId: id, name, data });
    expect(error).toMatchObject({ retryable: false, ...expected });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * MiB);
    await expectNothingKept();
  });

  it.each([
    ['bomb.zip', 'bomb.txt'],
    // Where a look into the archive would have to unpack it.
    ['bomb.docx', '[Content_Types].xml'],
    ['bomb.odt', 'mimetype'],
  ])('a zip bomb named %s is taken unopened, or refused, without being unpacked', async (name, entry) => {
    const { ann, id } = await scene();
    const data = zipBomb(256 * MiB, entry);
    expect(data.length).toBeLessThan(MiB);
    const before = process.memoryUsage();
    const started = performance.now();
    const reply = await upload(ann, { conversationId: id, name, data }).catch((error: unknown) => error);
    expect(performance.now() - started).toBeLessThan(5_000);
    const after = process.memoryUsage();
    expect(after.rss - before.rss).toBeLessThan(64 * MiB);
    if (reply instanceof UploadRefused) expect(reply.error.code).toBe('unsupported_media_type');
    else expect(reply).toMatchObject({ state: 'ready', size: data.length, sha256: sha256Of(data) });
  });
});

/** 51/1 30/1, as EXIF has it. */
const LATITUDE = Buffer.from('33000000010000001e00000001000000', 'hex');

describe('an image', () => {
  const sent = async (ann: TestClient, conversationId: string, name: string, data: Buffer) => {
    const attachment = await upload(ann, { conversationId, name, data });
    const { entry } = await ann.request('message:send', {
      conversationId,
      clientMessageId: clientId(),
      attachmentIds: [attachment.id],
    });
    const [shown] = entry.attachments;
    const { body } = await download(server().url, shown?.url);
    return { attachment, shown, body };
  };

  it('[FILE-4] does not tell where it was taken', async () => {
    const { ann, id } = await scene();
    const place = xmpPacket('xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="51,30.0N"');
    const onItsSide = sharp(await photo({ gps: true, xmp: place }))
      .keepMetadata()
      .withMetadata({ orientation: 6 });
    const original = withIptcCity(await onItsSide.toBuffer(), 'Unmistakable');
    const before = await sharp(original).metadata();
    expect([before.exif, before.xmp, before.iptc]).not.toContain(undefined);
    expect(original.includes(LATITUDE)).toBe(true);
    const { attachment, shown, body } = await sent(ann, id, 'photo.jpg', original);
    // As it is seen: which way up it is, is all that is still said.
    expect(attachment).toMatchObject({ mediaType: 'image/jpeg', width: 160, height: 240, state: 'ready' });
    expect(attachment.sha256).not.toBe(sha256Of(original));
    expect([attachment.sha256, attachment.size]).toEqual([sha256Of(body), body.length]);
    for (const bytes of [body, (await download(server().url, shown?.thumbnail?.url)).body]) {
      const { xmp, iptc, autoOrient } = await sharp(bytes).metadata();
      expect([xmp, iptc, autoOrient.width < autoOrient.height]).toEqual([undefined, undefined, true]);
      expect(bytes.includes(LATITUDE)).toBe(false);
      expect(bytes.toString('latin1')).not.toMatch(/Unmistakable|GPS|51,30|Camera/);
    }
  });

  it('[FILE-4] that tells nothing stays byte for byte, and has a thumbnail that fits', async () => {
    const { ann, id } = await scene();
    for (const type of ['jpeg', 'png', 'webp', 'gif', 'avif'] as const) {
      const original = await photo({ type, width: 900, height: 450 });
      const { shown, body } = await sent(ann, id, `photo.${type}`, original);
      // AVIF is written anew in any case: it can't be taken apart.
      if (type !== 'avif') expect(body.equals(original), type).toBe(true);
      expect(shown).toMatchObject({ mediaType: `image/${type}`, width: 900, height: 450, sha256: sha256Of(body) });
      expect(shown?.thumbnail).toMatchObject({ width: 320, height: 160, mediaType: 'image/webp' });
      const thumbnail = await download(server().url, shown?.thumbnail?.url);
      expect(thumbnail.headers.get('content-type')).toBe('image/webp');
      expect(thumbnail.body.length).toBe(shown?.thumbnail?.size);
      expect(await sharp(thumbnail.body).metadata()).toMatchObject({ format: 'webp', width: 320, height: 160 });
    }
  });

  it('[FILE-4] kept without its place is still the same attachment when the finish is repeated', async () => {
    const { company, ann, id } = await scene();
    const data = await photo({ gps: true });
    const file = { conversationId: id, clientAttachmentId: 'gps', name: 'a.jpg', data };
    const attachment = await upload(ann, file);
    expect(await upload(ann, file)).toEqual(attachment);
    const [row] = await look.rows(id);
    expect(row?.size).toBe(attachment.size + (attachment.thumbnail?.size ?? 0));
    expect(await look.usage(company.tenant)).toBe(row?.size);
    const { attachmentId } = await ann.request('attachment:begin', beginPayload(file));
    await sendChunks(ann, { attachmentId, data, from: data.length, chunkBytes: 1_000 });
    expect(await ann.request('attachment:finish', { attachmentId })).toEqual({ attachment });
  });
});
