import { type Connection, effectOf, rowsOf } from './driver.ts';

/** The writer's statements, prepared once: the hot ones, and those that other databases say otherwise. */
export const prepareStatements = (db: Connection) => ({
  begin: effectOf(db, 'BEGIN IMMEDIATE'),
  commit: effectOf(db, 'COMMIT'),
  rollBack: effectOf(db, 'ROLLBACK'),
  /** Writes a page and changes nothing. */
  touch: effectOf(db, 'UPDATE conversations SET status = status WHERE n = (SELECT max(n) FROM conversations)'),

  headOf: rowsOf(
    db,
    'SELECT c.n, c.tenant, (SELECT max(e.seq) FROM entries e WHERE e.conversation = c.n) FROM conversations c WHERE c.id = ?',
  ),
  keysOf: rowsOf(
    db,
    'SELECT seq, author_id, client_id FROM entries WHERE conversation = ? AND author_id IS NOT NULL AND client_id IS NOT NULL ORDER BY seq',
  ),
  unnamedOf: rowsOf(
    db,
    'SELECT id FROM conversations WHERE tenant = ? AND customer_id = ? AND client_conversation_id IS NULL ORDER BY n DESC',
  ),
  bodyOf: rowsOf(db, 'SELECT body FROM entries WHERE conversation = ? AND seq = ?'),
  insertEntry: effectOf(
    db,
    'INSERT INTO entries (conversation, seq, staff, at, author_id, client_id, body) VALUES (?, ?, ?, ?, ?, ?, ?)',
  ),
  amendEntry: effectOf(db, 'UPDATE entries SET body = ? WHERE conversation = ? AND seq = ?'),

  insertConversation: effectOf(
    db,
    `INSERT INTO conversations
       (id, tenant, customer_id, client_conversation_id, status, assignee_id, department, created_at, facts)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ),
  updateConversation: effectOf(
    db,
    'UPDATE conversations SET status = ?, assignee_id = ?, department = ?, facts = ? WHERE n = ?',
  ),
  factsOf: rowsOf(db, 'SELECT facts FROM conversations WHERE n = ?'),
  insertTag: effectOf(db, 'INSERT OR IGNORE INTO conversation_tags (tenant, tag, conversation) VALUES (?, ?, ?)'),
  deleteTag: effectOf(db, 'DELETE FROM conversation_tags WHERE tenant = ? AND tag = ? AND conversation = ?'),
  activeCount: rowsOf(
    db,
    "SELECT count(*) FROM conversations WHERE tenant = ? AND assignee_id = ? AND status = 'assigned'",
  ),

  moveCursor: rowsOf(
    db,
    `INSERT INTO cursors (conversation, user_id, delivered_seq, read_seq, public_delivered_seq, public_read_seq)
     VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET
       delivered_seq = max(delivered_seq, excluded.delivered_seq),
       read_seq = max(read_seq, excluded.read_seq),
       public_delivered_seq = max(public_delivered_seq, excluded.public_delivered_seq),
       public_read_seq = max(public_read_seq, excluded.public_read_seq)
     RETURNING delivered_seq, read_seq, public_delivered_seq, public_read_seq`,
  ),
  saveAgent: effectOf(
    db,
    `INSERT INTO agents (tenant, agent_id, record) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET record = excluded.record`,
  ),
  saveRevocation: effectOf(
    db,
    `INSERT INTO revocations (tenant, user_id, revoked_at) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET revoked_at = max(revoked_at, excluded.revoked_at)`,
  ),
});

export type Statements = ReturnType<typeof prepareStatements>;
