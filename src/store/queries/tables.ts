import type { Generated, Kysely } from 'kysely';

/** The tables as queries see them: only what every SQL database has. Meanings stand in the migrations. */
export interface StoreTables {
  conversations: {
    n: Generated<number>;
    id: string;
    tenant: string;
    customer_id: string;
    client_conversation_id: string | null;
    status: string;
    assignee_id: string | null;
    department: string | null;
    created_at: string;
    facts: string;
  };
  entries: {
    n: Generated<number>;
    conversation: number;
    seq: number;
    staff: number;
    at: string;
    author_id: string | null;
    client_id: string | null;
    body: string;
  };
  conversation_tags: { tenant: string; tag: string; conversation: number };
  cursors: {
    conversation: number;
    user_id: string;
    delivered_seq: number;
    read_seq: number;
    public_delivered_seq: number;
    public_read_seq: number;
  };
  agents: { tenant: string; agent_id: string; record: string };
  revocations: { tenant: string; user_id: string; revoked_at: string };
  attachments: {
    id: string;
    tenant: string;
    state: string;
    expires_at: string | null;
    message_seq: number | null;
    staff: number | null;
    record: string;
  };
}

/** Builds queries; whether it also runs them is the store's business. */
export type QueryBuilder = Kysely<StoreTables>;
