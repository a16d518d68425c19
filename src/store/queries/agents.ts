import type { CompiledQuery } from 'kysely';
import type { AgentRecord } from '../../ports/store.ts';
import type { QueryBuilder } from './tables.ts';

export interface AgentRow {
  record: string;
}

export const agentOf = (row: AgentRow): AgentRecord => JSON.parse(row.record) as AgentRecord;

export const allAgents = (db: QueryBuilder): CompiledQuery<AgentRow> =>
  db.selectFrom('agents').select('record').orderBy('tenant').orderBy('agent_id').compile();
