import type { CompiledQuery } from 'kysely';
import type { Revocation } from '../../ports/store.ts';
import { fromColumnText } from '../column-text.ts';
import type { QueryBuilder } from './tables.ts';

export interface RevocationRow {
  tenant: string;
  user_id: string;
  revoked_at: string;
}

export const revocationOf = (row: RevocationRow): Revocation => ({
  tenant: fromColumnText(row.tenant),
  userId: fromColumnText(row.user_id),
  revokedAt: row.revoked_at,
});

export const allRevocations = (db: QueryBuilder): CompiledQuery<RevocationRow> =>
  db.selectFrom('revocations').select(['tenant', 'user_id', 'revoked_at']).compile();
