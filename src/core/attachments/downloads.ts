import { DeskwireError } from '../../contract/errors.ts';
import type { Blobs, ByteRange } from '../../ports/blobs.ts';
import { isoTime, type Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import { notFound } from '../access.ts';
import { thumbnailKey } from './bytes.ts';
import type { LinkQuery, Links } from './links.ts';
import type { Readable } from 'node:stream';

export interface DownloadsOptions {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly links: Links;
  readonly clock: Clock;
}

/** What a link leads to. */
export interface Download {
  readonly name: string;
  readonly size: number;
  readonly mediaType: string;
  /** The same for the same bytes, and for no others. */
  readonly tag: string;
  /** @throws not_found when it was removed in the meantime */
  read(range?: ByteRange): Promise<Readable>;
}

/** Attachments for whoever has a link. */
export class Downloads {
  readonly #options: DownloadsOptions;

  constructor(options: DownloadsOptions) {
    this.#options = options;
  }

  /** @throws not_found for a link that was not made here or whose message is deleted; forbidden for one that has ended */
  async open(attachmentId: string, query: LinkQuery): Promise<Download> {
    const { store, blobs, links, clock } = this.#options;
    const link = links.check(attachmentId, query);
    if (link === undefined) throw notFound();
    if (link.expiresAt < clock.now()) {
      throw new DeskwireError(
        'forbidden',
        `The link ended at ${isoTime(link.expiresAt)}; attachment:link gives a new one.`,
      );
    }
    const record = await store.attachment(attachmentId);
    if (record?.state !== 'ready' || record.message === null || record.content === null) throw notFound();
    const { content, name } = record;
    const { thumbnail } = content;
    if (link.thumbnail && thumbnail === undefined) throw notFound();
    const shown = link.thumbnail && thumbnail ? thumbnail : content;
    const key = link.thumbnail ? thumbnailKey(attachmentId) : attachmentId;
    return {
      name,
      size: shown.size,
      mediaType: shown.mediaType,
      tag: link.thumbnail ? `${content.sha256}-thumbnail` : content.sha256,
      read: async (range) => {
        const body = await blobs.read(key, range);
        if (body === null) throw notFound();
        return body;
      },
    };
  }
}
