/** What an upload is, for those who take it and those who check it. */
import { DeskwireError } from '../../contract/errors.ts';
import type { Limits } from '../../contract/limits.ts';
import type { Attachment } from '../../contract/schemas.ts';
import type { Blobs } from '../../ports/blobs.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Claim, Inspector } from '../../ports/inspector.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { AttachmentRecord, Store } from '../../ports/store.ts';
import { keptAttachment } from './links.ts';

export interface UploadsOptions {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly inspector: Inspector;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** A file was checked after its uploader had been told to wait. */
  readonly onChecked: (record: AttachmentRecord, attachment: Attachment, error: DeskwireError | undefined) => void;
}

export const claimOf = ({ name, announced }: AttachmentRecord): Claim => ({ name, mediaType: announced.mediaType });

export const refusalOf = ({ refusal }: AttachmentRecord): DeskwireError =>
  refusal === null
    ? new DeskwireError('internal')
    : new DeskwireError(refusal.code, refusal.message, { details: refusal.details });

/** An attachment as its uploader sees it before it stands in a message. */
export const uploadView = (record: AttachmentRecord): Attachment => {
  if (record.content !== null) return keptAttachment(record, record.content);
  const { name, id, announced, state } = record;
  const mediaType = announced.mediaType ?? 'application/octet-stream';
  return { id, name, size: announced.size, mediaType, state: state === 'refused' ? 'refused' : 'checking' };
};
