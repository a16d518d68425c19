/** A process of its own: decoders of images are large, and what crashes here ends nobody's connection. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Metadata } from 'sharp';
import type { Thumbnail } from '../ports/images.ts';
import type { Anatomy } from './anatomy/anatomy.ts';
import { avifAnatomy } from './anatomy/avif.ts';
import { gifAnatomy } from './anatomy/gif.ts';
import { jpegAnatomy, orientationSegment } from './anatomy/jpeg.ts';
import { pngAnatomy } from './anatomy/png.ts';
import { webpAnatomy } from './anatomy/webp.ts';
import { type ImageAnswer, type ImageJob, READY } from './image-job.ts';

const THUMBNAIL_QUALITY = 78;
const THUMBNAIL_TYPE = 'image/webp';
/** Hardly to be told from the original. */
const REWRITTEN_QUALITY = 93;
/** What may be said of which way up an image is; 1 is as it stands in the file. */
const UPRIGHT = 1;

sharp.cache(false);
// One at a time, and the machine's other work comes first.
sharp.concurrency(1);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegFile',
    'VipsForeignLoadPngFile',
    'VipsForeignLoadWebpFile',
    'VipsForeignLoadNsgifFile',
    'VipsForeignLoadHeifFile',
  ],
});

const ANATOMIES: Readonly<Record<string, (bytes: Uint8Array) => Anatomy | undefined>> = {
  'image/avif': avifAnatomy,
  'image/jpeg': jpegAnatomy,
  'image/png': pngAnatomy,
  'image/webp': webpAnatomy,
  'image/gif': gifAnatomy,
};

/** The same picture from its pixels, upright. */
const rewritten = async (
  { path, mediaType }: ImageJob,
  { space, depth }: Metadata,
  lossless: boolean,
): Promise<Buffer> => {
  const image = sharp(path, { limitInputPixels: false, failOn: 'none' }).autoOrient();
  const coloured = space === 'cmyk' ? image : image.keepIccProfile();
  const written =
    mediaType === 'image/png'
      ? (depth === 'ushort' ? coloured.toColourspace('rgb16') : coloured).png()
      : mediaType === 'image/webp'
        ? coloured.webp({ quality: REWRITTEN_QUALITY, lossless })
        : coloured.avif({ quality: REWRITTEN_QUALITY, effort: 2 });
  return written.toBuffer();
};

/**
 * The image without all that is said of it: where it was taken, above all. Of most formats the parts that make the picture are
 * kept as they are; only what can't be taken apart, or would lie on its side, is written anew.
 *
 * @returns the path of the new file; undefined: there was nothing to leave out
 */
const cleaned = async (
  job: ImageJob,
  bytes: Uint8Array,
  anatomy: Anatomy | undefined,
  metadata: Metadata,
): Promise<string | undefined> => {
  const target = join(job.folder, 'cleaned');
  const { orientation = UPRIGHT } = metadata;
  const isJpeg = job.mediaType === 'image/jpeg';
  const says = job.mediaType === 'image/avif' && (metadata.exif ?? metadata.xmp) !== undefined;
  // A moving one is not laid out at full length to be turned.
  if (anatomy === undefined || says || (!isJpeg && orientation !== UPRIGHT && anatomy.frames === 1)) {
    await writeFile(target, await rewritten(job, metadata, anatomy?.lossless === true));
    return target;
  }
  const { kept } = anatomy;
  if (kept.reduce((sum, { length }) => sum + length, 0) === bytes.length) return undefined;
  const [start = new Uint8Array(), ...rest] = kept;
  const turned = isJpeg && orientation !== UPRIGHT ? [orientationSegment(orientation)] : [];
  await writeFile(target, Buffer.concat([start, ...turned, ...rest]));
  return target;
};

const look = async (job: ImageJob): Promise<ImageAnswer> => {
  const { path, mediaType, folder, bounds } = job;
  const bytes = await readFile(path);
  // Frames are counted and sizes read before any decoder sees them.
  const anatomy = ANATOMIES[mediaType]?.(bytes);
  const frames = anatomy?.frames ?? 1;
  const canvas = anatomy?.canvas ?? { width: 0, height: 0 };
  if (canvas.width * canvas.height > bounds.pixels || frames > bounds.frames)
    return { kind: 'too_large', ...canvas, frames };
  const metadata = await sharp(path, { limitInputPixels: false, failOn: 'none' }).metadata();
  const width = Math.max(canvas.width, metadata.autoOrient.width);
  const height = Math.max(canvas.height, metadata.autoOrient.height);
  if (width * height > bounds.pixels) return { kind: 'too_large', width, height, frames };

  const cleanedPath = await cleaned(job, bytes, anatomy, metadata);
  const thumbnailPath = join(folder, 'thumbnail');
  // Half a photo is still worth seeing.
  const made = await sharp(cleanedPath ?? path, { limitInputPixels: bounds.pixels, failOn: 'none' })
    .autoOrient()
    .resize({
      width: bounds.thumbnailPixels,
      height: bounds.thumbnailPixels,
      fit: 'inside',
      withoutEnlargement: true,
    })
    .webp({ quality: THUMBNAIL_QUALITY })
    .toBuffer({ resolveWithObject: true });
  await writeFile(thumbnailPath, made.data);
  const thumbnail: Thumbnail = {
    path: thumbnailPath,
    size: made.data.length,
    mediaType: THUMBNAIL_TYPE,
    width: made.info.width,
    height: made.info.height,
  };
  return { kind: 'image', width, height, cleanedPath, thumbnail };
};

process.on('message', (job: ImageJob) => {
  look(job).then(
    (answer) => process.send?.(answer),
    (error: unknown) => {
      const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      // What the file system says is not about the image.
      const kind = error instanceof Error && 'syscall' in error ? 'failed' : 'unreadable';
      process.send?.({ kind, reason } satisfies ImageAnswer);
    },
  );
});
process.send?.(READY);
// Without its parent there is nothing to do.
process.on('disconnect', () => process.exit(0));
