import { type Anatomy, BrokenImageError, ByteReader } from './anatomy.ts';

/** Boxes of a still image with nothing beside it (ISO/IEC 14496-12, AVIF 1.1). */
const PICTURE: ReadonlySet<string> = new Set(['ftyp', 'meta', 'mdat']);
const HEADER_BYTES = 8;

/**
 * AVIF: boxes that name each other by their places, so that nothing can be left out of one.
 *
 * @returns undefined: there is more in it than a picture, or it is not known what
 */
export const avifAnatomy = (bytes: Uint8Array): Anatomy | undefined => {
  const reader = new ByteReader(bytes);
  try {
    while (reader.left > 0) {
      const length = reader.uint32(false);
      // 0 and 1 say that the length stands elsewhere.
      if (!PICTURE.has(reader.tag(4)) || length < HEADER_BYTES) return undefined;
      reader.skip(length - HEADER_BYTES);
    }
  } catch (error) {
    if (error instanceof BrokenImageError) return undefined;
    throw error;
  }
  return { kept: [bytes], frames: 1 };
};
