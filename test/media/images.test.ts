import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { ImageBounds } from '../../src/ports/images.ts';
import {
  brokenPng,
  gifOfFrames,
  noise,
  photo,
  PHOTO_TYPES,
  pngOfSize,
  withIptcCity,
  withSegment,
  xmpPacket,
} from '../support/files.ts';
import { kept, look, looking, seen } from './looking.ts';

/** As whoever looks at it sees it, in so many pixels. */
const pixelsOf = (image: Buffer): Promise<Buffer> =>
  sharp(image).autoOrient().resize(48, 48, { fit: 'fill' }).removeAlpha().raw().toBuffer();

const difference = async (one: Buffer, other: Buffer): Promise<number> => {
  const [a, b] = await Promise.all([pixelsOf(one), pixelsOf(other)]);
  return Math.max(...a.map((value, index) => Math.abs(value - (b[index] ?? 0))));
};

const CITY = 'Krakow-Podgorze';
const TRACES = [CITY, 'GPS', 'photoshop', 'Exif\0\0II', 'Camera'];

describe('an image', () => {
  it.each(PHOTO_TYPES)('of type %s: its dimensions and a thumbnail', async (type) => {
    const { images } = looking();
    const content = await photo({ type, width: 1_200, height: 800 });
    const found = seen(await look(images, content, `image/${type}`));
    expect(found).toMatchObject({ width: 1_200, height: 800 });
    expect(found.thumbnail).toMatchObject({ width: 320, height: 213, mediaType: 'image/webp' });
    const thumbnail = readFileSync(found.thumbnail.path);
    expect(thumbnail.length).toBe(found.thumbnail.size);
    expect(await sharp(thumbnail).metadata()).toMatchObject({ format: 'webp', width: 320, height: 213 });
    expect(await difference(content, thumbnail)).toBeLessThan(24);
    expect(await difference(content, kept(content, found))).toBeLessThan(8);
  });

  it('smaller than a thumbnail is not made larger', async () => {
    const { images } = looking();
    const found = seen(await look(images, await photo({ width: 30, height: 20 }), 'image/jpeg'));
    expect(found.thumbnail).toMatchObject({ width: 30, height: 20 });
    expect(found).toMatchObject({ width: 30, height: 20 });
  });

  it.each(['jpeg', 'png', 'webp', 'gif'] as const)(
    'of type %s of which nothing is said stays byte for byte',
    async (type) => {
      const { images } = looking();
      const found = seen(await look(images, await photo({ type }), `image/${type}`));
      expect(found.cleanedPath).toBeUndefined();
    },
  );

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'turned by EXIF (%i) shows as before, and says its size as it shows',
    async (orientation) => {
      const { images } = looking();
      const content = await photo({ width: 300, height: 200, orientation, gps: true });
      const found = seen(await look(images, content, 'image/jpeg'));
      const size = orientation >= 5 ? { width: 200, height: 300 } : { width: 300, height: 200 };
      expect(found).toMatchObject(size);
      expect(found.thumbnail).toMatchObject(size);
      expect(await difference(content, readFileSync(found.thumbnail.path))).toBeLessThan(24);
      expect(await difference(content, kept(content, found))).toBeLessThan(4);
      expect((await sharp(kept(content, found)).metadata()).autoOrient).toEqual(size);
    },
  );
});

describe('what is said of an image goes, and the image stays', () => {
  const xmp = xmpPacket(
    `xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="50,3.5N" photoshop:City="${CITY}"`,
  );
  const rows: [what: string, mediaType: string, make: () => Promise<Buffer>][] = [
    ['GPS in a JPEG', 'image/jpeg', () => photo({ gps: true })],
    ['XMP in a JPEG', 'image/jpeg', () => photo({ xmp })],
    ['IPTC in a JPEG', 'image/jpeg', async () => withIptcCity(await photo(), CITY)],
    ['a comment in a JPEG', 'image/jpeg', async () => withSegment(await photo(), 0xfe, Buffer.from(CITY))],
    [
      'XMP behind the first in a JPEG',
      'image/jpeg',
      async () => withSegment(await photo({ xmp }), 0xe1, Buffer.from(`http://ns.adobe.com/xmp/extension/\0${CITY}`)),
    ],
    [
      'a film behind a JPEG',
      'image/jpeg',
      async () => Buffer.concat([await photo({ gps: true }), Buffer.from(`....ftypmp42${CITY}`)]),
    ],
    [
      'another picture behind a JPEG',
      'image/jpeg',
      async () => Buffer.concat([await photo(), await photo({ gps: true })]),
    ],
    ['GPS in a PNG', 'image/png', () => photo({ type: 'png', gps: true })],
    ['XMP in a PNG', 'image/png', () => photo({ type: 'png', xmp })],
    ['bytes behind a PNG', 'image/png', async () => Buffer.concat([await photo({ type: 'png' }), Buffer.from(CITY)])],
    ['GPS in a WebP', 'image/webp', () => photo({ type: 'webp', gps: true })],
    ['XMP in a WebP', 'image/webp', () => photo({ type: 'webp', xmp })],
    [
      'bytes behind a WebP',
      'image/webp',
      async () => Buffer.concat([await photo({ type: 'webp' }), Buffer.from(CITY)]),
    ],
    ['GPS in an AVIF', 'image/avif', () => photo({ type: 'avif', gps: true })],
    ['XMP in an AVIF', 'image/avif', () => photo({ type: 'avif', xmp })],
    ['bytes behind a GIF', 'image/gif', async () => Buffer.concat([await photo({ type: 'gif' }), Buffer.from(CITY)])],
  ];

  it.each(rows)('%s', async (_, mediaType, make) => {
    const { images } = looking();
    const content = await make();
    const found = await look(images, content, mediaType);
    const cleaned = kept(content, found);
    const { exif, xmp: left, iptc, comments } = await sharp(cleaned).metadata();
    expect({ exif, left, iptc, comments }).toEqual({});
    for (const trace of TRACES) expect(cleaned.includes(trace), trace).toBe(false);
    for (const trace of TRACES) expect(readFileSync(seen(found).thumbnail.path).includes(trace), trace).toBe(false);
    expect(await sharp(cleaned).metadata()).toMatchObject({
      width: 240,
      height: 160,
      format: mediaType === 'image/avif' ? 'heif' : mediaType.slice(6),
    });
    expect(await difference(content, cleaned)).toBeLessThan(8);
  });

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)('colours of a %s stay, with their profile', async (type) => {
    const { images } = looking();
    const content = await photo({ type, gps: true, profile: true });
    const cleaned = kept(content, await look(images, content, `image/${type}`));
    const [before, after] = [await sharp(content).metadata(), await sharp(cleaned).metadata()];
    expect(before.icc).toBeDefined();
    expect(after.icc?.equals(before.icc!)).toBe(true);
    expect(after.exif).toBeUndefined();
    expect(await difference(content, cleaned)).toBeLessThan(8);
  });

  it.each(['png', 'webp'] as const)('a turned %s stands upright afterwards', async (type) => {
    const { images } = looking();
    const content = await photo({ type, width: 300, height: 200, orientation: 6, gps: true });
    const found = seen(await look(images, content, `image/${type}`));
    expect(found).toMatchObject({ width: 200, height: 300 });
    const cleaned = kept(content, found);
    expect(await sharp(cleaned).metadata()).toMatchObject({ autoOrient: { width: 200, height: 300 } });
    expect(await difference(content, cleaned)).toBeLessThan(8);
  });

  it.each(['webp', 'gif'] as const)('a moving %s keeps all its frames and their times', async (type) => {
    const { images } = looking();
    const pages = await Promise.all([1, 2, 3, 4].map((step) => photo({ type: 'png', width: 40 + step, height: 40 })));
    const moving = sharp(
      await Promise.all(pages.map((page) => sharp(page).resize(48, 48, { fit: 'fill' }).png().toBuffer())),
      { join: { animated: true } },
    );
    const timed = { delay: [100, 200, 300, 400], loop: 3 };
    const content = await (
      type === 'webp' ? moving.withExif({ IFD0: { Make: 'Camera' } }).webp(timed) : moving.gif(timed)
    ).toBuffer();
    const cleaned = kept(content, await look(images, content, `image/${type}`));
    const { pages: count, delay, loop, exif } = await sharp(cleaned, { animated: true }).metadata();
    const before = await sharp(content, { animated: true }).metadata();
    expect({ count, delay, loop }).toEqual({ count: before.pages, delay: before.delay, loop: before.loop });
    expect(exif).toBeUndefined();
  });
});

describe('an image beyond the bounds is never unpacked', () => {
  it.each<[string, string, () => Buffer, Partial<ImageBounds>, object]>([
    ['a PNG of 50 000 × 50 000', 'image/png', () => pngOfSize(50_000, 50_000), {}, { width: 50_000, height: 50_000 }],
    ['a PNG as wide as can be', 'image/png', () => pngOfSize(2_147_483_647, 1), {}, {}],
    [
      'a GIF of 60 000 × 60 000',
      'image/gif',
      () => gifOfFrames(1, 60_000, 60_000),
      {},
      { width: 60_000, height: 60_000 },
    ],
    ['a GIF of 3 000 frames', 'image/gif', () => gifOfFrames(3_000, 100, 100), {}, { frames: 3_000 }],
    ['a PNG a line too high', 'image/png', () => pngOfSize(100, 101), { pixels: 10_000 }, { width: 100, height: 101 }],
  ])('%s', async (_, mediaType, make, bounds, size) => {
    const { images, children } = looking();
    const startedAt = performance.now();
    const found = await look(images, make(), mediaType, bounds);
    if (Object.keys(size).length > 0) expect(found).toMatchObject({ kind: 'too_large', ...size });
    else expect(found.kind).not.toBe('image');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(children[0]!.pid)}/status`, 'utf8'))?.[1];
    expect(Number(peak) / 1_024).toBeLessThan(256);
  });

  it('and one just within them is taken', async () => {
    const { images } = looking();
    const content = await photo({ type: 'png', width: 100, height: 100 });
    expect((await look(images, content, 'image/png', { pixels: 10_000 })).kind).toBe('image');
    expect((await look(images, content, 'image/png', { pixels: 9_999 })).kind).toBe('too_large');
  });

  it('a moving picture that lies on its side is not laid out at full length', { timeout: 60_000 }, async () => {
    const { images, children } = looking();
    const frame = await sharp({ create: { width: 2_000, height: 2_000, channels: 3, background: '#123' } })
      .png()
      .toBuffer();
    const other = await sharp({ create: { width: 2_000, height: 2_000, channels: 3, background: '#321' } })
      .png()
      .toBuffer();
    const content = await sharp(
      Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? frame : other)),
      { join: { animated: true }, limitInputPixels: false },
    )
      .withMetadata({ orientation: 6 })
      .webp({ quality: 10, effort: 0 })
      .toBuffer();
    await look(images, content, 'image/webp').catch(() => undefined);
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${String(children[0]!.pid)}/status`, 'utf8'))?.[1];
    expect(Number(peak) / 1_024).toBeLessThan(700);
  });
});

describe('an image that is damaged', () => {
  it('cut off in the middle, is worth seeing', async () => {
    const { images } = looking();
    const whole = await photo({ width: 800, height: 600 });
    const content = whole.subarray(0, Math.floor(whole.length * 0.6));
    expect(await look(images, content, 'image/jpeg')).toMatchObject({ kind: 'image', width: 800, height: 600 });
  });

  it.each<[string, string, () => Promise<Buffer> | Buffer]>([
    ['noise after the start of a PNG', 'image/png', brokenPng],
    ['a PNG without its picture', 'image/png', () => pngOfSize(10, 10).subarray(0, 33)],
    [
      'noise after the start of a JPEG',
      'image/jpeg',
      () => Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), noise(5_000)]),
    ],
    ['the start of a JPEG', 'image/jpeg', () => Buffer.from([0xff, 0xd8, 0xff])],
    ['the start of a GIF', 'image/gif', () => Buffer.from('GIF89a')],
    ['the start of a WebP', 'image/webp', () => Buffer.from('RIFF\x20\0\0\0WEBPVP8 ', 'latin1')],
    [
      'noise after the start of an AVIF',
      'image/avif',
      () => Buffer.concat([Buffer.from('\0\0\0\x20ftypavif', 'latin1'), noise(5_000)]),
    ],
    [
      'an SVG, said to be a PNG',
      'image/png',
      () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    ],
    [
      'a TIFF, said to be a JPEG',
      'image/jpeg',
      () =>
        sharp(Buffer.alloc(300), { raw: { width: 10, height: 10, channels: 3 } })
          .tiff()
          .toBuffer(),
    ],
  ])('%s: is unreadable, and the next one is looked at', async (_, mediaType, make) => {
    const { images, children } = looking();
    const found = await look(images, await make(), mediaType);
    expect(found.kind).toBe('unreadable');
    expect((await look(images, await photo(), 'image/jpeg')).kind).toBe('image');
    expect(children).toHaveLength(1);
  });
});
