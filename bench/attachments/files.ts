import { createHash, randomBytes } from 'node:crypto';

export interface UploadFile {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly sha256: string;
}

/** Bytes by which the contents of two files are apart, so that no chunk of one is a chunk of another. */
const APART = 4_099;
/** Side of the picture by which it is found out how many pixels make a file. */
const PROBE_PIXELS = 512;
const CHANNELS = 3;
/** How much smaller a photo is than asked for, so that it is never larger. */
const MARGIN = 0.99;

const finished = (name: string, mediaType: string, bytes: Buffer): UploadFile => ({
  name,
  mediaType,
  bytes,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});

/** A square of noise, which makes the largest file of so many pixels. */
const noise = async (side: number): Promise<Buffer> => {
  // Loaded by those who make photos.
  const { default: sharp } = await import('sharp');
  const raw = { width: side, height: side, channels: CHANNELS } as const;
  return sharp(randomBytes(side * side * CHANNELS), { raw })
    .jpeg({ quality: 80 })
    .toBuffer();
};

/** Photos of about `fileBytes`: nothing may follow a picture's end, or it would be written anew. */
const makePhotos = async (count: number, fileBytes: number): Promise<Buffer[]> => {
  if (count === 0) return [];
  const bytesPerPixel = (await noise(PROBE_PIXELS)).length / PROBE_PIXELS ** 2;
  const side = Math.floor(Math.sqrt((fileBytes * MARGIN) / bytesPerPixel));
  return Promise.all(Array.from({ length: count }, () => noise(side)));
};

/** Files of `fileBytes`, photos first; each is another. */
export const makeFiles = async (count: number, fileBytes: number, photoCount: number): Promise<UploadFile[]> => {
  const base = randomBytes(fileBytes + count * APART);
  const photos = await makePhotos(photoCount, fileBytes);
  return Array.from({ length: count }, (_, index) => {
    const photo = photos[index];
    if (photo !== undefined) return finished(`photo-${String(index)}.jpg`, 'image/jpeg', photo);
    const bytes = Buffer.from(base.subarray(index * APART, index * APART + fileBytes));
    bytes.write(`%PDF-1.7\n%${String(index)}\n`);
    return finished(`document-${String(index)}.pdf`, 'application/pdf', bytes);
  });
};
