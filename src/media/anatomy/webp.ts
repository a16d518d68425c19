import { type Anatomy, BrokenImageError, ByteReader } from './anatomy.ts';

/** Chunks that are drawn, or say how (WebP container specification). */
const PICTURE: ReadonlySet<string> = new Set(['VP8X', 'VP8 ', 'VP8L', 'ALPH', 'ANIM', 'ANMF', 'ICCP']);
const FRAMING_BYTES = 8;
/** In VP8X: there is Exif, there is XMP. */
const METADATA_FLAGS = 0b0000_1100;

const header = (length: number): Uint8Array => {
  const bytes = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1');
  bytes.writeUInt32LE(length, 4);
  return bytes;
};

/** WebP (RIFF): chunks within its own length; flags and length are made anew when something is left out. */
export const webpAnatomy = (bytes: Uint8Array): Anatomy => {
  const reader = new ByteReader(bytes);
  if (reader.tag(4) !== 'RIFF') throw new BrokenImageError('it does not begin as a WebP');
  const end = Math.min(bytes.length, reader.uint32(true) + FRAMING_BYTES);
  if (reader.tag(4) !== 'WEBP') throw new BrokenImageError('it does not begin as a WebP');
  const chunks: Uint8Array[] = [];
  let frames = 0;
  let lossless = false;
  let left = end < bytes.length;
  while (end - reader.at >= FRAMING_BYTES) {
    const start = reader.at;
    const type = reader.tag(4);
    const length = reader.uint32(true);
    reader.skip(Math.min(length + (length % 2), end - reader.at));
    const chunk = bytes.subarray(start, reader.at);
    if (type === 'ANMF') frames += 1;
    if (type === 'VP8L') lossless = true;
    if (!PICTURE.has(type)) {
      left = true;
    } else if (type === 'VP8X' && ((chunk[FRAMING_BYTES] ?? 0) & METADATA_FLAGS) !== 0) {
      const unflagged = Uint8Array.from(chunk);
      unflagged[FRAMING_BYTES] = (chunk[FRAMING_BYTES] ?? 0) & ~METADATA_FLAGS;
      chunks.push(unflagged);
      left = true;
    } else {
      chunks.push(chunk);
    }
  }
  if (!left) return { kept: [bytes], frames: Math.max(1, frames), lossless };
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return { kept: [header(length + 4), ...chunks], frames: Math.max(1, frames), lossless };
};
