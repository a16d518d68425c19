/** Where an attachment's bytes are: one name for them all, made of its id. */
import type { Blobs } from '../../ports/blobs.ts';
import type { Store, AttachmentRecord } from '../../ports/store.ts';

const THUMBNAIL = '.thumbnail';

export const thumbnailKey = (attachmentId: string): string => `${attachmentId}${THUMBNAIL}`;

/** The attachment that a blob belongs to. */
export const attachmentOfBlob = (key: string): string =>
  key.endsWith(THUMBNAIL) ? key.slice(0, -THUMBNAIL.length) : key;

/** Removes an attachment that nobody sees any more; what a crash leaves is removed with the next try. */
export const erase = async (
  { store, blobs }: { store: Store; blobs: Blobs },
  { id, tenant }: Pick<AttachmentRecord, 'id' | 'tenant'>,
): Promise<void> => {
  await blobs.discard(id);
  await blobs.remove(thumbnailKey(id));
  await blobs.remove(id);
  await store.removeAttachment({ tenant, id });
};
