import type { CompiledQuery } from 'kysely';
import type { CursorRecord } from '../../ports/store.ts';
import { fromColumnText } from '../column-text.ts';
import type { QueryBuilder } from './tables.ts';

export interface CursorRow {
  user_id: string;
  delivered_seq: number;
  read_seq: number;
  public_delivered_seq: number;
  public_read_seq: number;
}

export const cursorOf = (row: CursorRow): CursorRecord => ({
  userId: fromColumnText(row.user_id),
  deliveredSeq: row.delivered_seq,
  readSeq: row.read_seq,
  publicDeliveredSeq: row.public_delivered_seq,
  publicReadSeq: row.public_read_seq,
});

export const cursorsOf = (db: QueryBuilder, conversationId: string): CompiledQuery<CursorRow> =>
  db
    .selectFrom('cursors')
    .where('conversation', '=', (eb) => eb.selectFrom('conversations').select('n').where('id', '=', conversationId))
    .select(['user_id', 'delivered_seq', 'read_seq', 'public_delivered_seq', 'public_read_seq'])
    .orderBy('user_id')
    .compile();
