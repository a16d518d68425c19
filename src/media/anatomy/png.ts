import { type Anatomy, BrokenImageError, ByteReader } from './anatomy.ts';

const SIGNATURE = '\x89PNG\r\n\x1a\n';
/** Length, type and checksum. */
const FRAMING_BYTES = 12;

/** Chunks that are drawn, or say how: of the PNG specification (third edition) all but texts, times and Exif. */
const PICTURE: ReadonlySet<string> = new Set([
  ...['IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'acTL', 'fcTL', 'fdAT'],
  ...['cHRM', 'cICP', 'gAMA', 'iCCP', 'mDCV', 'cLLI', 'sBIT', 'sRGB', 'bKGD', 'hIST', 'pHYs', 'sPLT'],
]);

/** PNG (W3C, third edition): chunks up to IEND. */
export const pngAnatomy = (bytes: Uint8Array): Anatomy => {
  const reader = new ByteReader(bytes);
  if (reader.tag(SIGNATURE.length) !== SIGNATURE) throw new BrokenImageError('it does not begin as a PNG');
  const kept = [bytes.subarray(0, SIGNATURE.length)];
  let controls = 0;
  while (reader.left >= FRAMING_BYTES) {
    const start = reader.at;
    const length = reader.uint32(false);
    const type = reader.tag(4);
    // Cut off in its data: half a photo is still worth seeing.
    reader.skip(Math.min(length + 4, reader.left));
    if (type === 'fcTL') controls += 1;
    if (PICTURE.has(type)) kept.push(bytes.subarray(start, reader.at));
    if (type === 'IEND') break;
  }
  return { kept, frames: Math.max(1, controls) };
};
