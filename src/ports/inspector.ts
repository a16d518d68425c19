import type { AttachmentContent } from './store.ts';

/** What is said of a file that is still to come. */
export interface Claim {
  readonly name: string;
  readonly mediaType: string | null;
}

export interface Inspection {
  readonly path: string;
  readonly claim: Claim;
  readonly size: number;
  /** What the whole file must hash to; null: nobody said. */
  readonly sha256: string | null;
  /** Milliseconds since 1970: a file that the scanner gave no verdict on by then is not waited for any more. */
  readonly deadline: number;
  /** Gives it up: the file was given up. */
  readonly signal: AbortSignal;
}

/** What is to be kept of a file. */
export interface Inspected {
  readonly content: AttachmentContent;
  /** The file itself, or what it was made into. */
  readonly path: string;
  readonly thumbnailPath: string | undefined;
  /** Removes what was made of it. Never throws. */
  release(): Promise<void>;
}

/**
 * Looks into files. In the contract: what is refused is refused with a DeskwireError: `checksum_mismatch`,
 * `unsupported_media_type`, and `payload_too_large` for an image of too many pixels; anything else thrown says nothing of
 * the file, which may be looked at again. No archive is unpacked.
 * Not in the contract: how, and by whom.
 */
export interface Inspector {
  /** Media types, or all of a kind as `image/*`. */
  readonly acceptedTypes: readonly string[];
  /** Refuses what is said, before there are bytes. @throws unsupported_media_type */
  checkClaim(claim: Claim): void;
  /** Refuses a file by its first bytes, if they are enough to tell. @throws unsupported_media_type */
  checkHead(claim: Claim, head: Uint8Array, size: number): Promise<void>;
  inspect(inspection: Inspection): Promise<Inspected>;
  close(): Promise<void>;
}
