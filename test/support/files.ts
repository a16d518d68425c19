/** Files as people send them, and as attackers do; each is made, so that its bytes are known. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';

/** A folder that goes with the test that asked for it. */
export const testFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-files-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Bytes that no compression makes shorter, the same for the same seed. */
export const noise = (length: number, seed = 1): Buffer => {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2_654_435_769) >>> 0 || 1;
  for (let at = 0; at < length; at += 1) {
    state ^= (state << 13) >>> 0;
    state >>>= 0;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    bytes[at] = state & 0xff;
  }
  return bytes;
};

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const PNG_MAGIC = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** PNG (ISO/IEC 15948) §5.3. */
export const pngChunk = (type: string, data: Uint8Array): Buffer => {
  const named = Buffer.concat([Buffer.from(type), data]);
  return Buffer.concat([uint32(data.length), named, uint32(crc32(named))]);
};

/** Says that it has so many pixels, and carries next to none of them. */
export const pngOfSize = (width: number, height: number): Buffer => {
  const header = Buffer.concat([uint32(width), uint32(height), Buffer.from([8, 2, 0, 0, 0])]);
  return Buffer.concat([
    PNG_MAGIC,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(1_000))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
};

/** Right at its start, and nothing after it. */
export const brokenPng = (): Buffer => Buffer.concat([PNG_MAGIC, noise(5_000)]);

/** GIF89a with frames of the whole canvas, each of a few bytes: what grows large when it is unpacked. */
export const gifOfFrames = (frames: number, width: number, height: number): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt16LE(width, 0);
  size.writeUInt16LE(height, 2);
  const palette = Buffer.from([0, 0, 0, 255, 255, 255]);
  const control = Buffer.from([0x21, 0xf9, 4, 0, 10, 0, 0, 0]);
  const frame = Buffer.concat([control, Buffer.from([0x2c, 0, 0, 0, 0]), size, Buffer.from([0, 2, 2, 0x44, 1, 0])]);
  return Buffer.concat([
    Buffer.from('GIF89a'),
    size,
    Buffer.from([0x80, 0, 0]),
    palette,
    ...Array.from({ length: frames }, () => frame),
    Buffer.from([0x3b]),
  ]);
};

export interface ZipEntry {
  readonly name: string;
  readonly data: Uint8Array;
  /** @default true */
  readonly deflated?: boolean;
}

/** APPNOTE 4.3: local headers with their data, then the directory. */
export const zipOf = (entries: readonly ZipEntry[]): Buffer => {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, deflated = true } of entries) {
    const packed = deflated ? deflateRawSync(data) : Buffer.from(data);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(deflated ? 8 : 0, 4);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, Buffer.from(name), packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), shared, place, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(18);
  const central = Buffer.concat(directory);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, central, Buffer.from('PK\x05\x06'), end]);
};

/** A thousand times larger when it is unpacked. */
export const zipBomb = (unpackedBytes: number, name = 'bomb.txt'): Buffer =>
  zipOf([{ name, data: Buffer.alloc(unpackedBytes) }]);

const OFFICE = 'application/vnd.openxmlformats-officedocument';
const OFFICE_PARTS = {
  docx: { folder: 'word', main: `${OFFICE}.wordprocessingml.document.main+xml` },
  xlsx: { folder: 'xl', main: `${OFFICE}.spreadsheetml.sheet.main+xml` },
  pptx: { folder: 'ppt', main: `${OFFICE}.presentationml.presentation.main+xml` },
};

/** What office programs of today write (ECMA-376), as far as it is looked at. */
export const officeFile = (kind: keyof typeof OFFICE_PARTS): Buffer => {
  const { folder, main } = OFFICE_PARTS[kind];
  const types = `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/${folder}/main.xml" ContentType="${main}"/></Types>`;
  return zipOf([
    { name: '[Content_Types].xml', data: Buffer.from(types) },
    { name: '_rels/.rels', data: Buffer.from('<Relationships/>') },
    { name: `${folder}/main.xml`, data: Buffer.from('<document/>') },
  ]);
};

export const openDocument = (kind: 'text' | 'spreadsheet' | 'presentation'): Buffer =>
  zipOf([
    { name: 'mimetype', data: Buffer.from(`application/vnd.oasis.opendocument.${kind}`), deflated: false },
    { name: 'content.xml', data: Buffer.from('<office:document-content/>') },
  ]);

/** What office programs wrote before that: a compound file. */
export const compoundFile = (): Buffer =>
  Buffer.concat([Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]), Buffer.alloc(4_096)]);

/** ISO/IEC 14496-12: the box that says what follows. */
const mediaFile = (brand: string): Buffer =>
  Buffer.concat([uint32(24), Buffer.from(`ftyp${brand}`), uint32(0), Buffer.from('isommp42'), Buffer.alloc(64)]);

/** RFC 3533: a first page with one packet. */
const oggFile = (packet: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from('OggS'),
    Buffer.from([0, 2]),
    Buffer.alloc(20),
    Buffer.from([1, packet.length]),
    packet,
    Buffer.alloc(64),
  ]);

export const recordings = {
  mp3: (): Buffer =>
    Buffer.concat([
      Buffer.from('ID3\x04\x00\x00\x00\x00\x00\x00'),
      Buffer.from([0xff, 0xfb, 0x90, 0x64]),
      Buffer.alloc(413),
    ]),
  m4a: (): Buffer => mediaFile('M4A '),
  mp4: (): Buffer => mediaFile('isom'),
  mov: (): Buffer => mediaFile('qt  '),
  opus: (): Buffer => oggFile(Buffer.concat([Buffer.from('OpusHead'), Buffer.alloc(11)])),
  vorbis: (): Buffer => oggFile(Buffer.concat([Buffer.from('\x01vorbis'), Buffer.alloc(23)])),
  wav: (): Buffer =>
    Buffer.concat([Buffer.from('RIFF'), Buffer.from([36, 0, 0, 0]), Buffer.from('WAVEfmt '), Buffer.alloc(64)]),
  webm: (): Buffer =>
    Buffer.concat([
      Buffer.from([0x1a, 0x45, 0xdf, 0xa3, 0x87, 0x42, 0x82, 0x84]),
      Buffer.from('webm'),
      Buffer.alloc(64),
    ]),
};

export const pdf = (): Buffer =>
  Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF', 'latin1');

/** What runs when it is opened. */
export const executables = {
  elf: (): Buffer =>
    Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]), Buffer.alloc(8), noise(5_000, 3)]),
  mz: (): Buffer => Buffer.concat([Buffer.from('MZ'), noise(5_000, 4)]),
};

export const PHOTO_TYPES = ['jpeg', 'png', 'webp', 'avif', 'gif'] as const;
export type PhotoType = (typeof PHOTO_TYPES)[number];

export interface PhotoOptions {
  /** @default 'jpeg' */
  readonly type?: PhotoType;
  /** @default 240 */
  readonly width?: number;
  /** @default 160 */
  readonly height?: number;
  /** GPS fields of EXIF. */
  readonly gps?: boolean;
  readonly xmp?: string;
  /** EXIF's, 1 to 8. */
  readonly orientation?: number;
  /** Colours that are not sRGB's. */
  readonly profile?: boolean;
}

/** A picture with something to see in it: colours that run, and an edge. */
export const photo = ({
  type = 'jpeg',
  width = 240,
  height = 160,
  gps = false,
  xmp,
  orientation,
  profile = false,
}: PhotoOptions = {}): Promise<Buffer> => {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const edge = x > width / 2 && y > height / 2 ? 60 : 0;
      pixels.set([(x * 195) / width + edge, (y * 195) / height + edge, 120], (y * width + x) * 3);
    }
  }
  let image = sharp(pixels, { raw: { width, height, channels: 3 } });
  const place = {
    GPSLatitudeRef: 'N',
    GPSLatitude: '51/1 30/1 0/1',
    GPSLongitudeRef: 'W',
    GPSLongitude: '0/1 7/1 0/1',
  };
  if (gps) image = image.withExif({ IFD0: { Make: 'Camera' }, IFD3: place });
  if (orientation !== undefined) image = image.withMetadata({ orientation });
  if (xmp !== undefined) image = image.withXmp(xmp);
  if (profile) image = image.withIccProfile('p3');
  return image.toFormat(type, { quality: 90 }).toBuffer();
};

export const xmpPacket = (fields: string): string =>
  `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description ${fields}/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`;

const segment = (marker: number, content: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length + 2);
  return Buffer.concat([Buffer.from([0xff, marker]), length, content]);
};

/** A JPEG with another segment after its start (ITU-T T.81 §B.1.1.4). */
export const withSegment = (jpeg: Buffer, marker: number, content: Buffer): Buffer =>
  Buffer.concat([jpeg.subarray(0, 2), segment(marker, content), jpeg.subarray(2)]);

/** The city where it was taken, as IPTC-IIM has it (2:90). */
export const withIptcCity = (jpeg: Buffer, city: string): Buffer => {
  const record = Buffer.concat([Buffer.from([0x1c, 2, 90, 0, city.length]), Buffer.from(city)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(record.length);
  const block = Buffer.concat([Buffer.from('8BIM'), Buffer.from([4, 4, 0, 0]), length, record]);
  const padded = block.length % 2 === 0 ? block : Buffer.concat([block, Buffer.alloc(1)]);
  return withSegment(jpeg, 0xed, Buffer.concat([Buffer.from('Photoshop 3.0\0'), padded]));
};
