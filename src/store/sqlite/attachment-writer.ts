import type { BeginOutcome } from '../../ports/store.ts';
import type { AttachmentRow } from '../queries/attachments.ts';
import { type Connection, effectOf, rowsOf } from './driver.ts';
import {
  type AttachWrite,
  type BeginAttachmentWrite,
  type ChangeAttachmentWrite,
  COMMITTED,
  type Column,
  CONFLICT,
  type DetachWrite,
  type Outcome,
} from './messages.ts';
import type { AttachmentColumns } from '../queries/rows.ts';

const ROW = 'record, state, expires_at, message_seq, staff';

const prepare = (db: Connection) => ({
  byClient: rowsOf(
    db,
    `SELECT ${ROW} FROM attachments WHERE tenant = ? AND conversation_id = ? AND uploader_id = ? AND client_id = ?`,
  ),
  looseCount: rowsOf(
    db,
    `SELECT count(*) FROM attachments
     WHERE tenant = ? AND uploader_id = ? AND expires_at IS NOT NULL AND state IN ('receiving', 'ready')`,
  ),
  bytesSince: rowsOf(
    db,
    'SELECT coalesce(sum(size), 0) FROM attachments WHERE tenant = ? AND uploader_id = ? AND created_at >= ?',
  ),
  tenantBytes: rowsOf(db, 'SELECT bytes FROM attachment_usage WHERE tenant = ?'),
  addBytes: effectOf(
    db,
    `INSERT INTO attachment_usage (tenant, bytes) VALUES (?, ?)
     ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes`,
  ),
  insert: effectOf(
    db,
    `INSERT INTO attachments
       (id, tenant, conversation_id, uploader_id, client_id, state, size, created_at, expires_at, record)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ),
  standing: rowsOf(db, 'SELECT size, state, message_seq FROM attachments WHERE id = ? AND tenant = ?'),
  change: effectOf(db, 'UPDATE attachments SET state = ?, size = ?, expires_at = ?, record = ? WHERE id = ?'),
  remove: effectOf(db, 'DELETE FROM attachments WHERE id = ?'),
  attachable: rowsOf(
    db,
    `SELECT 1 FROM attachments
     WHERE id = ? AND tenant = ? AND conversation_id = ? AND state = 'ready' AND message_seq IS NULL`,
  ),
  attach: effectOf(db, 'UPDATE attachments SET message_seq = ?, staff = ?, expires_at = NULL WHERE id = ?'),
  detach: effectOf(
    db,
    "UPDATE attachments SET state = 'gone', expires_at = ? WHERE id = ? AND tenant = ? AND conversation_id = ?",
  ),
  keepSecret: effectOf(db, 'INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)'),
  secret: rowsOf(db, 'SELECT value FROM secrets WHERE name = ?'),
});

const toRow = ([record, state, expires_at, message_seq, staff]: readonly Column[]): AttachmentRow =>
  ({ record, state, expires_at, message_seq, staff }) as AttachmentRow;

type ExceededQuota = Extract<BeginOutcome, { kind: 'quota_exceeded' }>;

/** The part of a batch that is about attachments; it runs within the writer's transaction. */
export class AttachmentWriter {
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: Connection) {
    this.#sql = prepare(db);
  }

  begin([, row, quota]: BeginAttachmentWrite): Outcome {
    const { tenant, uploaderId } = row;
    const [existing] = this.#sql.byClient(tenant, row.conversationId, uploaderId, row.clientId);
    if (existing !== undefined) return { kind: 'attachment_exists', row: toRow(existing) };
    const limits: readonly (readonly [ExceededQuota['quota'], used: number, added: number])[] = [
      ['uploads', Number(this.#sql.looseCount(tenant, uploaderId)[0]?.[0]), 1],
      ['userBytes', Number(this.#sql.bytesSince(tenant, uploaderId, quota.since)[0]?.[0]), row.size],
      ['tenantBytes', Number(this.#sql.tenantBytes(tenant)[0]?.[0] ?? 0), row.size],
    ];
    for (const [name, used, added] of limits) {
      if (used + added > quota[name]) return { kind: 'quota_exceeded', quota: name, used };
    }
    this.#sql.insert(
      row.id,
      tenant,
      row.conversationId,
      uploaderId,
      row.clientId,
      row.state,
      row.size,
      row.createdAt,
      row.expiresAt,
      row.record,
    );
    this.#sql.addBytes(tenant, row.size);
    return COMMITTED;
  }

  change([, row, from]: ChangeAttachmentWrite): Outcome {
    const [size, state, seq] = this.#standing(row);
    // Of one in a message only the message's deletion makes an end.
    if (state !== from || seq !== null) return CONFLICT;
    this.#sql.change(row.state, row.size, row.expiresAt, row.record, row.id);
    this.#sql.addBytes(row.tenant, row.size - Number(size));
    return COMMITTED;
  }

  remove(tenant: string, id: string): Outcome {
    const [size, state, seq] = this.#standing({ tenant, id });
    if (size === undefined || (seq !== null && state !== 'gone')) return CONFLICT;
    this.#sql.remove(id);
    this.#sql.addBytes(tenant, -Number(size));
    return COMMITTED;
  }

  /** The first that can't be attached. */
  refusedOf(tenant: string, conversationId: string, attach: AttachWrite): string | undefined {
    return attach.ids.find((id) => this.#sql.attachable(id, tenant, conversationId).length === 0);
  }

  attach({ ids, seq, staff }: AttachWrite): void {
    for (const id of ids) this.#sql.attach(seq, staff, id);
  }

  detach(tenant: string, conversationId: string, { ids, at }: DetachWrite): void {
    for (const id of ids) this.#sql.detach(at, id, tenant, conversationId);
  }

  secret(name: string, fresh: string): Outcome {
    this.#sql.keepSecret(name, fresh);
    return { kind: 'secret', value: String(this.#sql.secret(name)[0]?.[0]) };
  }

  #standing({ id, tenant }: Pick<AttachmentColumns, 'id' | 'tenant'>): readonly (Column | undefined)[] {
    return this.#sql.standing(id, tenant)[0] ?? [];
  }
}
