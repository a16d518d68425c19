import type { CompiledQuery } from 'kysely';
import type { AttachmentRecord } from '../../ports/store.ts';
import type { QueryBuilder } from './tables.ts';

export interface AttachmentRow {
  record: string;
  state: string;
  expires_at: string | null;
  message_seq: number | null;
  staff: number | null;
}

export const attachmentOf = ({ record, state, expires_at, message_seq, staff }: AttachmentRow): AttachmentRecord => ({
  ...(JSON.parse(record) as AttachmentRecord),
  state: state as AttachmentRecord['state'],
  expiresAt: expires_at,
  message: message_seq === null ? null : { seq: message_seq, visibility: staff === 1 ? 'staff' : 'all' },
});

const attachments = (db: QueryBuilder) =>
  db.selectFrom('attachments').select(['record', 'state', 'expires_at', 'message_seq', 'staff']);

export const attachmentById = (db: QueryBuilder, attachmentId: string): CompiledQuery<AttachmentRow> =>
  attachments(db).where('id', '=', attachmentId).compile();

export const expiredAttachments = (db: QueryBuilder, now: string, limit: number): CompiledQuery<AttachmentRow> =>
  attachments(db).where('expires_at', '<=', now).orderBy('expires_at').limit(limit).compile();

export const knownAttachments = (db: QueryBuilder, ids: readonly string[]): CompiledQuery<{ id: string }> =>
  db
    .selectFrom('attachments')
    .select('id')
    .where('id', 'in', [...ids])
    .compile();
