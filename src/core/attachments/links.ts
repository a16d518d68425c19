import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Attachment, AttachmentLink } from '../../contract/schemas.ts';
import { isoTime, type Clock } from '../../ports/clock.ts';
import type { AttachmentContent, AttachmentRecord } from '../../ports/store.ts';

export interface LinksOptions {
  /** Shared by all nodes; whoever has it can make links. */
  readonly secret: string;
  /** Where clients reach this server, without a slash at its end; empty: links are relative to it. */
  readonly publicUrl: string;
  readonly linkMs: number;
  readonly clock: Clock;
}

/** A link's query, as it came. */
export interface LinkQuery {
  readonly expires?: unknown;
  readonly thumbnail?: unknown;
  readonly signature?: unknown;
}

/** An attachment as a message keeps it: without links, which end. */
export type KeptAttachment = Omit<Attachment, 'url' | 'expiresAt'>;

export const keptAttachment = (record: AttachmentRecord, content: AttachmentContent): KeptAttachment => ({
  id: record.id,
  name: record.name,
  ...content,
  state: 'ready',
});

/** The links made within such a part of their life are the same, so that browsers may keep what they point to. */
const STEPS = 60;

/** Links to attachments: whoever has one may use it until it ends. */
export class Links {
  readonly #options: LinksOptions;

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  make({ id, thumbnail }: Pick<KeptAttachment, 'id' | 'thumbnail'>): AttachmentLink {
    const { clock, linkMs } = this.#options;
    const step = Math.max(1, Math.floor(linkMs / STEPS));
    const expires = Math.floor((clock.now() + linkMs) / step) * step;
    return {
      url: this.#url(id, expires, false),
      expiresAt: isoTime(expires),
      ...(thumbnail && { thumbnailUrl: this.#url(id, expires, true) }),
    };
  }

  /** The attachment with links, for whoever may see the message it stands in. */
  withLinks(attachment: KeptAttachment): Attachment {
    const { url, expiresAt, thumbnailUrl } = this.make(attachment);
    const { thumbnail } = attachment;
    return {
      ...attachment,
      ...(thumbnail && thumbnailUrl && { thumbnail: { ...thumbnail, url: thumbnailUrl } }),
      url,
      expiresAt,
    };
  }

  /** Whether a link was made here, and when it ends. */
  check(
    id: string,
    { expires, thumbnail, signature }: LinkQuery,
  ): { thumbnail: boolean; expiresAt: number } | undefined {
    if (typeof expires !== 'string' || typeof signature !== 'string' || !/^\d{1,15}$/.test(expires)) return undefined;
    const small = thumbnail === '1';
    if (thumbnail !== undefined && !small) return undefined;
    const expected = Buffer.from(this.#signature(id, Number(expires), small));
    const given = Buffer.from(signature);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    return { thumbnail: small, expiresAt: Number(expires) };
  }

  #url(id: string, expires: number, thumbnail: boolean): string {
    const kind = thumbnail ? '&thumbnail=1' : '';
    const signature = this.#signature(id, expires, thumbnail);
    return `${this.#options.publicUrl}/v1/attachments/${id}?expires=${String(expires)}${kind}&signature=${signature}`;
  }

  #signature(id: string, expires: number, thumbnail: boolean): string {
    return createHmac('sha256', this.#options.secret)
      .update(JSON.stringify([id, expires, thumbnail]))
      .digest('base64url');
  }
}
