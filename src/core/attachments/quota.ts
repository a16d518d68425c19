import { DeskwireError } from '../../contract/errors.ts';
import type { LimitName } from '../../contract/limits.ts';
import type { BeginAttachment, BeginOutcome } from '../../ports/store.ts';

type Exceeded = Extract<BeginOutcome, { kind: 'quota_exceeded' }>;

const QUOTAS: Record<Exceeded['quota'], { limit: LimitName; what: string }> = {
  uploads: { limit: 'uploadsPerUser', what: 'attachments of yours that stand in no message yet' },
  userBytes: { limit: 'attachmentBytesPerUser', what: 'bytes of attachments of yours in the last 24 hours' },
  tenantBytes: { limit: 'attachmentBytesPerTenant', what: 'bytes of attachments of your company' },
};

/** @param size bytes that were to come */
export const quotaExceeded = (
  { quota, used }: Exceeded,
  quotas: BeginAttachment['quota'],
  size: number,
): DeskwireError => {
  const { limit, what } = QUOTAS[quota];
  const more = quota === 'uploads' ? 'one more' : `${String(size)} more`;
  // How much a company keeps is not for everybody to know.
  const found = quota === 'tenantBytes' ? `${more} than there is room for` : `${String(used)} and ${more}`;
  return new DeskwireError(
    'quota_exceeded',
    `Found ${found}, expected at most ${String(quotas[quota])} ${what} (limits.${limit}).`,
    { details: { limit } },
  );
};
