export interface ImageBounds {
  /** Width times height. */
  readonly pixels: number;
  readonly frames: number;
  /** Longest side of the thumbnail. */
  readonly thumbnailPixels: number;
}

export interface Thumbnail {
  readonly path: string;
  readonly size: number;
  readonly mediaType: string;
  readonly width: number;
  readonly height: number;
}

/** What an image is. Paths are of files in the folder that was given. */
export type LookedAt =
  | {
      readonly kind: 'image';
      readonly width: number;
      readonly height: number;
      /** The image without anything that is said of it, where it was taken above all; undefined: nothing was said. */
      readonly cleanedPath: string | undefined;
      readonly thumbnail: Thumbnail;
    }
  | { readonly kind: 'too_large'; readonly width: number; readonly height: number; readonly frames: number }
  /** `reason` is for the log: it may name paths. */
  | { readonly kind: 'unreadable'; readonly reason: string };

/**
 * Looks at images. In the contract: an image beyond the bounds is never unpacked; whatever the file does to its decoder,
 * this process goes on. Rejects when the looking itself failed, and may then be asked again.
 * Not in the contract: which library looks, and where.
 */
export interface Images {
  /** @param folder where the files go that are made of it; an empty one of the caller's */
  look(path: string, mediaType: string, folder: string, bounds: ImageBounds): Promise<LookedAt>;
  close(): Promise<void>;
}
