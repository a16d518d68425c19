/** A process of its own: decoders of images are large, and what crashes here ends nobody's connection. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import exifReader from 'exif-reader';
import sharp, { type Metadata, type Sharp } from 'sharp';
import type { Thumbnail } from '../ports/images.ts';
import type { ImageAnswer, ImageJob } from './image-job.ts';

const THUMBNAIL_QUALITY = 78;
const THUMBNAIL_TYPE = 'image/webp';
/** Hardly to be told from the original. */
const CLEANED_QUALITY = 93;

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

const PLACES = /gps|location|city|country|state|latitude|longitude/i;

const exifTellsPlace = (exif: Buffer): boolean => {
  try {
    return Object.keys(exifReader(exif).GPSInfo ?? {}).some((name) => name !== 'GPSVersionID');
  } catch {
    // What can't be read here may be read elsewhere.
    return true;
  }
};

const tellsPlace = ({ exif, xmp, iptc, comments }: Metadata): boolean =>
  iptc !== undefined ||
  (exif !== undefined && exifTellsPlace(exif)) ||
  (xmp !== undefined && PLACES.test(xmp.toString('latin1'))) ||
  (comments ?? []).some(({ keyword, text }) => /exif|xmp|iptc/i.test(keyword) || PLACES.test(`${keyword} ${text}`));

/** A film behind the picture, more pictures in one file, XMP in a GIF: each can tell the place by itself, and decoders show none of it. */
const HIDDEN: Readonly<Record<string, RegExp>> = {
  'image/jpeg': /\xff\xe2[^]{2}MPF\0|ftyp(?:mp4|isom|qt|heic|mif1)/,
  'image/gif': /XMP DataXMP/,
};
const EXIF = 'Exif\0\0';
/** Longer than any of these marks. */
const OVERLAP = 16;

const hidesMore = async ({ path, mediaType }: ImageJob, { exif }: Metadata): Promise<boolean> => {
  const pattern = HIDDEN[mediaType];
  if (pattern === undefined) return false;
  let exifCount = 0;
  let tail = '';
  for await (const piece of createReadStream(path)) {
    const text = tail + (piece as Buffer).toString('latin1');
    if (pattern.test(text)) return true;
    tail = text.slice(-OVERLAP);
    // One that lies in the overlap is counted with the next piece.
    exifCount += text.split(EXIF).length - tail.split(EXIF).length;
  }
  // Of a file that ends in the middle of it, the last one does not matter.
  return exifCount > (exif === undefined ? 0 : 1);
};

/** Written anew: what comes out is pixels and their colours, and nothing that was said of them. */
const rewritten = (image: Sharp, mediaType: string, { chromaSubsampling, isProgressive, space }: Metadata): Sharp => {
  const upright = image.autoOrient();
  const coloured = space === 'cmyk' ? upright : upright.keepIccProfile();
  switch (mediaType) {
    case 'image/png':
      return coloured.png();
    case 'image/webp':
      return coloured.webp({ quality: CLEANED_QUALITY });
    case 'image/avif':
      return coloured.avif({ quality: CLEANED_QUALITY, effort: 2 });
    case 'image/gif':
      return coloured.gif();
    default:
      return coloured.jpeg({
        quality: CLEANED_QUALITY,
        progressive: isProgressive,
        chromaSubsampling: chromaSubsampling === '4:4:4' ? '4:4:4' : '4:2:0',
      });
  }
};

const look = async (job: ImageJob): Promise<ImageAnswer> => {
  const { path, mediaType, folder, bounds } = job;
  // The size stands in the header: it is asked before anything is unpacked.
  const metadata = await sharp(path, { limitInputPixels: false, failOn: 'none' }).metadata();
  const { width, height } = metadata.autoOrient;
  const frames = metadata.pages ?? 1;
  if (width * height * frames > bounds.pixels) return { kind: 'too_large', width, height, frames };

  const limitInputPixels = bounds.pixels;
  // Half a photo is still worth seeing.
  const open = (animated: boolean): Sharp => sharp(path, { limitInputPixels, failOn: 'none', animated });
  const thumbnailPath = join(folder, 'thumbnail');
  const made = await open(false)
    .autoOrient()
    .resize({
      width: bounds.thumbnailPixels,
      height: bounds.thumbnailPixels,
      fit: 'inside',
      withoutEnlargement: true,
    })
    .webp({ quality: THUMBNAIL_QUALITY })
    .toFile(thumbnailPath);
  const { size } = await stat(thumbnailPath);
  const thumbnail: Thumbnail = {
    path: thumbnailPath,
    size,
    mediaType: THUMBNAIL_TYPE,
    width: made.width,
    height: made.height,
  };
  if (!tellsPlace(metadata) && !(await hidesMore(job, metadata)))
    return { kind: 'image', width, height, cleanedPath: undefined, thumbnail };

  const cleanedPath = join(folder, 'cleaned');
  await rewritten(open(frames > 1), mediaType, metadata).toFile(cleanedPath);
  if (tellsPlace(await sharp(cleanedPath, { limitInputPixels }).metadata()))
    return { kind: 'failed', reason: 'the image still tells its place' };
  return { kind: 'image', width, height, cleanedPath, thumbnail };
};

process.on('message', (job: ImageJob) => {
  look(job).then(
    (answer) => process.send?.(answer),
    (error: unknown) => {
      const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      process.send?.({ kind: 'unreadable', reason } satisfies ImageAnswer);
    },
  );
});
// Without its parent there is nothing to do.
process.on('disconnect', () => process.exit(0));
