import { numberArray } from './array-text.ts';
import type { Statement } from './connect.ts';
import type { PlainCursor } from './pending.ts';

/** Writes that are one statement each. */

/** No row: no such conversation. */
export const moveCursor = ({ conversationId, userId, seqs }: PlainCursor): Statement => ({
  name: 'move-cursor',
  text: `
    INSERT INTO cursors AS c (conversation, user_id, delivered_seq, read_seq, public_delivered_seq, public_read_seq)
    SELECT h.n, $2, s[1], s[2], s[3], s[4] FROM heads h CROSS JOIN (SELECT $3::bigint[] AS s) AS seqs WHERE h.id = $1
    ON CONFLICT (conversation, user_id) DO UPDATE SET
      delivered_seq = greatest(c.delivered_seq, excluded.delivered_seq),
      read_seq = greatest(c.read_seq, excluded.read_seq),
      public_delivered_seq = greatest(c.public_delivered_seq, excluded.public_delivered_seq),
      public_read_seq = greatest(c.public_read_seq, excluded.public_read_seq)
    RETURNING c.delivered_seq, c.read_seq, c.public_delivered_seq, c.public_read_seq`,
  values: [conversationId, userId, numberArray(seqs)],
});

/** What one node learns from a token must not undo what somebody has said of himself on another meanwhile. */
export const saveAgent = (tenant: string, agentId: string, statusAt: string, record: string): Statement => ({
  name: 'save-agent',
  text: `
    INSERT INTO agents AS a (tenant, agent_id, status_at, record, written) VALUES ($1, $2, $3, $4, pg_current_xact_id())
    ON CONFLICT (tenant, agent_id) DO UPDATE
    SET status_at = excluded.status_at, record = excluded.record, written = excluded.written
    WHERE a.status_at <= excluded.status_at`,
  values: [tenant, agentId, statusAt, record],
});

/** No row: what somebody said has a time that is not before this one's. */
export const sayStatus = (tenant: string, agentId: string, statusAt: string, record: string): Statement => ({
  name: 'say-status',
  text: `
    INSERT INTO agents AS a (tenant, agent_id, status_at, record, written) VALUES ($1, $2, $3, $4, pg_current_xact_id())
    ON CONFLICT (tenant, agent_id) DO UPDATE
    SET status_at = excluded.status_at, record = excluded.record, written = excluded.written
    WHERE a.status_at < excluded.status_at
    RETURNING a.status_at`,
  values: [tenant, agentId, statusAt, record],
});

export const statusAtOf = (tenant: string, agentId: string): Statement => ({
  name: 'status-at',
  text: 'SELECT status_at FROM agents WHERE tenant = $1 AND agent_id = $2',
  values: [tenant, agentId],
});

export const saveRevocation = (tenant: string, userId: string, revokedAt: string): Statement => ({
  name: 'save-revocation',
  text: `
    INSERT INTO revocations AS r (tenant, user_id, revoked_at, written) VALUES ($1, $2, $3, pg_current_xact_id())
    ON CONFLICT (tenant, user_id) DO UPDATE
    SET revoked_at = greatest(r.revoked_at, excluded.revoked_at), written = excluded.written`,
  values: [tenant, userId, revokedAt],
});

/** The value that stands, which is `fresh` if there was none. Of two that come at once the second waits for the first. */
export const secretOf = (name: string, fresh: string): Statement => ({
  name: 'secret',
  text: `
    INSERT INTO secrets AS s (name, value) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET value = s.value RETURNING s.value`,
  values: [name, fresh],
});
