import { type Anatomy, BrokenImageError, ByteReader } from './anatomy.ts';

/** Markers of ITU-T T.81, table B.1. */
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP1 = 0xe1;
const APP2 = 0xe2;
const APP14 = 0xee;

/** Application segments without which colours would change, by how they begin. */
const APPLICATIONS: ReadonlyMap<number, string> = new Map([
  [APP0, 'JFIF\0'],
  [APP2, 'ICC_PROFILE\0'],
  [APP14, 'Adobe'],
]);

/** Frames, tables, restarts: what the picture is decoded from. */
const isPicture = (marker: number): boolean => (marker >= 0xc0 && marker <= 0xcf) || (marker >= 0xda && marker <= 0xdf);

const isStandalone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);

/** The place of the marker that ends a scan: in its data, 0xff is followed by 0 or by a restart. */
const endOfScan = (bytes: Uint8Array, from: number): number => {
  for (let at = bytes.indexOf(0xff, from); at !== -1 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1] ?? 0;
    if (next !== 0 && next !== 0xff && !isStandalone(next)) return at;
  }
  return bytes.length;
};

const beginsWith = (bytes: Uint8Array, from: number, text: string): boolean =>
  Buffer.from(bytes.subarray(from, from + text.length)).toString('latin1') === text;

/** JPEG (ITU-T T.81): segments up to the first end of image; what follows it belongs to no picture. */
export const jpegAnatomy = (bytes: Uint8Array): Anatomy => {
  const reader = new ByteReader(bytes);
  if (reader.uint8() !== 0xff || reader.uint8() !== SOI) throw new BrokenImageError('it does not begin as a JPEG');
  const kept = [bytes.subarray(0, 2)];
  while (reader.left >= 2) {
    const start = reader.at;
    // Stray bytes between segments are passed over, as decoders do.
    if (reader.uint8() !== 0xff) continue;
    let marker = reader.uint8();
    while (marker === 0xff) marker = reader.uint8();
    if (marker === EOI) {
      kept.push(bytes.subarray(reader.at - 2, reader.at));
      break;
    }
    if (isStandalone(marker)) continue;
    const length = reader.uint16(false);
    if (length < 2) throw new BrokenImageError('a segment has no length');
    const content = reader.at;
    // Cut off in a segment: what there is of it shows nothing.
    if (reader.left < length - 2) break;
    reader.skip(length - 2);
    if (marker === SOS) reader.at = endOfScan(bytes, reader.at);
    const application = APPLICATIONS.get(marker);
    const wanted = application === undefined ? isPicture(marker) : beginsWith(bytes, content, application);
    if (wanted) kept.push(bytes.subarray(start, reader.at));
  }
  return { kept, frames: 1 };
};

/** A segment that says which way up a JPEG is, and nothing else (Exif 2.3, tag 0x0112), to stand after its start. */
export const orientationSegment = (orientation: number): Uint8Array => {
  const start = Buffer.from('Exif\0\0MM\0*', 'latin1');
  const exif = [...start, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
  return Uint8Array.from([0xff, APP1, 0, exif.length + 2, ...exif]);
};
