import type { CompiledQuery } from 'kysely';
import type { AgentRecord } from '../../ports/store.ts';
import type { QueryBuilder } from './tables.ts';

export interface AgentRow {
  record: string;
}

export const agentOf = (row: AgentRow): AgentRecord => JSON.parse(row.record) as AgentRecord;

export const agentById = (db: QueryBuilder, tenant: string, agentId: string): CompiledQuery<AgentRow> =>
  db.selectFrom('agents').where('tenant', '=', tenant).where('agent_id', '=', agentId).select('record').compile();
