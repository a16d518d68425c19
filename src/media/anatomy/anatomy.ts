/** What an image file is made of, as far as pixels go. */
export interface Anatomy {
  /** What has to be kept for the picture to stay the same, in order: parts of the file's own bytes. */
  readonly kept: readonly Uint8Array[];
  readonly frames: number;
  /** Its pixels stand in it exactly, where a format has both ways. @default false */
  readonly lossless?: boolean;
  /** The canvas, where it stands in the file's own words and decoders may not tell. */
  readonly canvas?: { readonly width: number; readonly height: number };
}

/** The file is not what its first bytes say, or ends too early to be shown at all. */
export class BrokenImageError extends Error {}

/** Bytes with a bound: reading beyond the end says so. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  uint8(): number {
    const value = this.#view.getUint8(this.#need(1));
    this.at += 1;
    return value;
  }

  uint16(littleEndian: boolean): number {
    const value = this.#view.getUint16(this.#need(2), littleEndian);
    this.at += 2;
    return value;
  }

  uint32(littleEndian: boolean): number {
    const value = this.#view.getUint32(this.#need(4), littleEndian);
    this.at += 4;
    return value;
  }

  /** Letters of a tag. */
  tag(length: number): string {
    const start = this.#need(length);
    this.at += length;
    return String.fromCharCode(...this.bytes.subarray(start, this.at));
  }

  skip(length: number): void {
    this.#need(length);
    this.at += length;
  }

  #need(length: number): number {
    if (this.left < length) throw new BrokenImageError('it ends too early');
    return this.at;
  }
}
