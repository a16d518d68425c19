/** What the process that looks at images is asked, and what it answers. */
import type { ImageBounds, LookedAt } from '../ports/images.ts';

export interface ImageJob {
  readonly path: string;
  readonly mediaType: string;
  readonly folder: string;
  readonly bounds: ImageBounds;
}

/** The first thing that the process says: everything that it needs is there. */
export const READY = 'ready';

export type ImageAnswer = LookedAt | { readonly kind: 'failed'; readonly reason: string };
