-- What: the log (entries), what is stored beside it (conversations, tags, cursors) and agents.
-- Breaks older versions: there are none.

CREATE TABLE conversations (
  -- Also the order of opening: lists are paged by it.
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  client_conversation_id TEXT,
  status TEXT NOT NULL,
  assignee_id TEXT,
  department TEXT,
  created_at TEXT NOT NULL,
  -- JSON of Facts. The columns above are copies of it, for the indexes.
  facts TEXT NOT NULL
);

-- Every index ends with n, the rowid, by itself: each of these gives a list in its order without a sort.
CREATE INDEX conversations_tenant ON conversations (tenant);
CREATE INDEX conversations_status ON conversations (tenant, status);
CREATE INDEX conversations_customer ON conversations (tenant, customer_id);
CREATE INDEX conversations_assignee ON conversations (tenant, assignee_id);
CREATE INDEX conversations_assignee_status ON conversations (tenant, assignee_id, status);
CREATE INDEX conversations_department ON conversations (tenant, department);
CREATE INDEX conversations_department_status ON conversations (tenant, department, status);
CREATE UNIQUE INDEX conversations_name ON conversations (tenant, customer_id, client_conversation_id)
  WHERE client_conversation_id IS NOT NULL;

-- An append costs what it dirties: n makes the table grow at its end, and there is one index. Client ids have none:
-- the one process that writes keeps them in memory (src/store/sqlite/heads.ts).
CREATE TABLE entries (
  n INTEGER PRIMARY KEY,
  -- conversations.n
  conversation INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  -- 1: visibility 'staff'
  staff INTEGER NOT NULL,
  at TEXT NOT NULL,
  author_id TEXT,
  -- Of messages; others have none.
  client_id TEXT,
  -- JSON of the StoredEntry as it reads now.
  body TEXT NOT NULL
);
CREATE UNIQUE INDEX entries_seq ON entries (conversation, seq);

CREATE TABLE conversation_tags (
  tenant TEXT NOT NULL,
  tag TEXT NOT NULL,
  conversation INTEGER NOT NULL,
  PRIMARY KEY (tenant, tag, conversation)
) WITHOUT ROWID;

CREATE TABLE cursors (
  conversation INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  delivered_seq INTEGER NOT NULL,
  read_seq INTEGER NOT NULL,
  public_delivered_seq INTEGER NOT NULL,
  public_read_seq INTEGER NOT NULL,
  PRIMARY KEY (conversation, user_id)
) WITHOUT ROWID;

CREATE TABLE agents (
  tenant TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  -- JSON of AgentRecord.
  record TEXT NOT NULL,
  PRIMARY KEY (tenant, agent_id)
) WITHOUT ROWID;
