import { type Anatomy, BrokenImageError, ByteReader } from './anatomy.ts';

/** GIF89a, appendix A. */
const IMAGE = 0x2c;
const EXTENSION = 0x21;
const TRAILER = 0x3b;
const GRAPHIC_CONTROL = 0xf9;
const APPLICATION = 0xff;
/** Applications that say how often it is played. */
const LOOPS: ReadonlySet<string> = new Set(['NETSCAPE2.0', 'ANIMEXTS1.0']);

const skipSubBlocks = (reader: ByteReader): void => {
  for (let length = reader.uint8(); length !== 0; length = reader.uint8()) reader.skip(length);
};

/** Bytes of a colour table, by the flags that announce it. */
const colourTableBytes = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 0x07) + 1));

/** Reads one block; `wanted`: it is part of the picture. */
const readBlock = (reader: ByteReader): { kind: number; wanted: boolean } => {
  const kind = reader.uint8();
  if (kind === IMAGE) {
    reader.skip(8);
    // The colour table, and the size of the codes after it.
    reader.skip(colourTableBytes(reader.uint8()) + 1);
    skipSubBlocks(reader);
    return { kind, wanted: true };
  }
  if (kind !== EXTENSION) return { kind, wanted: kind === TRAILER };
  const label = reader.uint8();
  const at = reader.at;
  const loops = label === APPLICATION && reader.uint8() === 11 && LOOPS.has(reader.tag(11));
  reader.at = at;
  skipSubBlocks(reader);
  return { kind, wanted: loops || label === GRAPHIC_CONTROL };
};

/** GIF89a: blocks up to the trailer; comments, plain texts and applications' own data are left out. */
export const gifAnatomy = (bytes: Uint8Array): Anatomy => {
  const reader = new ByteReader(bytes);
  if (!/^GIF8[79]a$/.test(reader.tag(6))) throw new BrokenImageError('it does not begin as a GIF');
  const canvas = { width: reader.uint16(true), height: reader.uint16(true) };
  const flags = reader.uint8();
  reader.skip(2 + colourTableBytes(flags));
  const kept = [bytes.subarray(0, reader.at)];
  let frames = 0;
  try {
    for (let kind = 0; kind !== TRAILER && reader.left > 0;) {
      const start = reader.at;
      const block = readBlock(reader);
      kind = block.kind;
      if (kind === IMAGE) frames += 1;
      if (block.wanted) kept.push(bytes.subarray(start, reader.at));
    }
  } catch (error) {
    // Cut off in a frame: those before it are still worth seeing.
    if (!(error instanceof BrokenImageError) || frames === 0) throw error;
    kept.push(Uint8Array.of(TRAILER));
  }
  return { kept, frames, canvas };
};
