import type { BeginAttachment, BeginOutcome } from '../../ports/store.ts';
import { type AttachmentRow, attachmentOf } from '../queries/attachments.ts';
import type { AttachmentColumns } from '../queries/rows.ts';
import type { Statement } from './connect.ts';
import type { Run } from './database.ts';
import { lockFor } from './entry-statements.ts';

type Owner = Pick<AttachmentColumns, 'tenant' | 'uploaderId'>;

const byClient = (row: AttachmentColumns): Statement => ({
  name: 'attachment-by-client',
  text: `
    SELECT record, state, expires_at, message_seq, staff FROM attachments
    WHERE tenant = $1 AND conversation_id = $2 AND uploader_id = $3 AND client_id = $4`,
  values: [row.tenant, row.conversationId, row.uploaderId, row.clientId],
});

const usage = ({ tenant, uploaderId }: Owner, since: string): Statement => ({
  name: 'attachment-usage',
  text: `
    SELECT
      (SELECT count(*) FROM attachments
       WHERE tenant = $1 AND uploader_id = $2 AND expires_at IS NOT NULL AND state IN ('receiving', 'ready')) AS uploads,
      (SELECT coalesce(sum(size), 0)::bigint FROM attachments
       WHERE tenant = $1 AND uploader_id = $2 AND created_at >= $3) AS user_bytes,
      (SELECT coalesce(sum(bytes), 0)::bigint FROM attachment_usage WHERE tenant = $1) AS tenant_bytes`,
  values: [tenant, uploaderId, since],
});

const addBytes = (tenant: string, bytes: number): Statement => ({
  name: 'add-bytes',
  text: `
    INSERT INTO attachment_usage AS u (tenant, bytes) VALUES ($1, $2)
    ON CONFLICT (tenant) DO UPDATE SET bytes = u.bytes + excluded.bytes`,
  values: [tenant, bytes],
});

const insert = (row: AttachmentColumns): Statement => ({
  name: 'insert-attachment',
  text: `
    INSERT INTO attachments
      (id, tenant, conversation_id, uploader_id, client_id, state, size, created_at, expires_at, record)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
  values: [
    row.id,
    row.tenant,
    row.conversationId,
    row.uploaderId,
    row.clientId,
    row.state,
    row.size,
    row.createdAt,
    row.expiresAt,
    row.record,
  ],
});

interface Standing {
  readonly size: number;
  readonly state: string;
  readonly message_seq: number | null;
}

const lockStanding = (tenant: string, id: string): Statement => ({
  name: 'lock-attachment',
  text: 'SELECT size, state, message_seq FROM attachments WHERE id = $1 AND tenant = $2 FOR UPDATE',
  values: [id, tenant],
});

const update = (row: AttachmentColumns): Statement => ({
  name: 'change-attachment',
  text: 'UPDATE attachments SET state = $2, size = $3, expires_at = $4, record = $5 WHERE id = $1',
  values: [row.id, row.state, row.size, row.expiresAt, row.record],
});

const remove = (id: string): Statement => ({
  name: 'remove-attachment',
  text: 'DELETE FROM attachments WHERE id = $1',
  values: [id],
});

/** Begins an attachment within a transaction. */
export const decideBegin = async (
  run: Run,
  row: AttachmentColumns,
  quota: BeginAttachment['quota'],
): Promise<BeginOutcome> => {
  // Quotas are counted by one at a time; the count sees those before it.
  await run(lockFor('attachments', row.tenant));
  const [existing] = await run<AttachmentRow>(byClient(row));
  if (existing !== undefined) return { kind: 'exists', record: attachmentOf(existing) };
  const [used] = await run<{ uploads: number; user_bytes: number; tenant_bytes: number }>(usage(row, quota.since));
  if (used === undefined) throw new TypeError('expected a row');
  const limits = [
    ['uploads', used.uploads, 1],
    ['userBytes', used.user_bytes, row.size],
    ['tenantBytes', used.tenant_bytes, row.size],
  ] as const;
  for (const [name, before, added] of limits) {
    if (before + added > quota[name]) return { kind: 'quota_exceeded', quota: name, used: before };
  }
  await run(insert(row));
  await run(addBytes(row.tenant, row.size));
  return { kind: 'begun' };
};

/** Replaces an attachment within a transaction; whether it did. */
export const decideChange = async (run: Run, row: AttachmentColumns, from: string): Promise<boolean> => {
  const [standing] = await run<Standing>(lockStanding(row.tenant, row.id));
  // Of one in a message only the message's deletion makes an end.
  if (standing?.state !== from || standing.message_seq !== null) return false;
  await run(update(row));
  if (row.size !== standing.size) await run(addBytes(row.tenant, row.size - standing.size));
  return true;
};

/** Deletes an attachment within a transaction; whether it did. */
export const decideRemove = async (run: Run, tenant: string, id: string): Promise<boolean> => {
  const [standing] = await run<Standing>(lockStanding(tenant, id));
  if (standing === undefined || (standing.message_seq !== null && standing.state !== 'gone')) return false;
  await run(remove(id));
  await run(addBytes(tenant, -standing.size));
  return true;
};
