-- What: the log (entries), where it stands (heads), what is stored beside it (conversations, tags, cursors, attachments, secrets),
-- agents, and the nodes that share all this.
-- Breaks older versions: there are none.

-- Texts compare by their bytes: ids are opaque, and no locale's update may change the order of an index.

CREATE TABLE conversations (
  -- Also the order of opening: lists are paged by it.
  n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  tenant text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  client_conversation_id text COLLATE "C",
  status text COLLATE "C" NOT NULL,
  assignee_id text COLLATE "C",
  department text COLLATE "C",
  created_at text COLLATE "C" NOT NULL,
  -- JSON of Facts, as text: it may hold what jsonb refuses. The columns above are copies of it, for the indexes.
  facts text NOT NULL
) WITH (fillfactor = 80);

-- Each ends with n: it gives a list in its order without a sort.
CREATE INDEX conversations_tenant ON conversations (tenant, n);
CREATE INDEX conversations_status ON conversations (tenant, status, n);
CREATE INDEX conversations_customer ON conversations (tenant, customer_id, n);
CREATE INDEX conversations_assignee ON conversations (tenant, assignee_id, n);
CREATE INDEX conversations_assignee_status ON conversations (tenant, assignee_id, status, n);
CREATE INDEX conversations_department ON conversations (tenant, department, n);
CREATE INDEX conversations_department_status ON conversations (tenant, department, status, n);
CREATE INDEX conversations_open ON conversations (n) WHERE status != 'closed';
CREATE UNIQUE INDEX conversations_name ON conversations (tenant, customer_id, client_conversation_id)
  WHERE client_conversation_id IS NOT NULL;

-- The row that a writer locks: narrow, with room for its next version beside it, so that moving it touches no index.
CREATE TABLE heads (
  id text COLLATE "C" PRIMARY KEY,
  -- conversations.n
  n bigint NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  last_seq bigint NOT NULL,
  -- Of the last entry that changed facts.
  facts_seq bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE entries (
  -- conversations.n
  conversation bigint NOT NULL,
  seq bigint NOT NULL,
  -- The transaction that wrote it, where it came with other facts: what nodes ask each other's news by.
  desk xid8,
  -- 1: visibility 'staff'
  staff smallint NOT NULL,
  at text COLLATE "C" NOT NULL,
  author_id text COLLATE "C",
  -- Of messages. The first keeps it: a later one that was written with the same, which nobody asked to be used once, has none.
  client_id text COLLATE "C",
  -- JSON of the StoredEntry as it reads now.
  body text NOT NULL,
  PRIMARY KEY (conversation, seq)
);
CREATE UNIQUE INDEX entries_client ON entries (conversation, author_id, client_id)
  WHERE author_id IS NOT NULL AND client_id IS NOT NULL;
CREATE INDEX entries_desk ON entries (desk) WHERE desk IS NOT NULL;

CREATE TABLE conversation_tags (
  conversation bigint NOT NULL,
  tag text COLLATE "C" NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  PRIMARY KEY (conversation, tag)
);
CREATE INDEX conversation_tags_tag ON conversation_tags (tenant, tag, conversation);

CREATE TABLE cursors (
  conversation bigint NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  delivered_seq bigint NOT NULL,
  read_seq bigint NOT NULL,
  public_delivered_seq bigint NOT NULL,
  public_read_seq bigint NOT NULL,
  PRIMARY KEY (conversation, user_id)
) WITH (fillfactor = 70);

CREATE TABLE agents (
  tenant text COLLATE "C" NOT NULL,
  agent_id text COLLATE "C" NOT NULL,
  -- Its statusAt: a record with an older one does not replace it.
  status_at text COLLATE "C" NOT NULL,
  -- JSON of AgentRecord.
  record text NOT NULL,
  -- The transaction that wrote it last.
  written xid8 NOT NULL,
  PRIMARY KEY (tenant, agent_id)
) WITH (fillfactor = 70);
CREATE INDEX agents_written ON agents (written);

CREATE TABLE attachments (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  conversation_id text COLLATE "C" NOT NULL,
  uploader_id text COLLATE "C" NOT NULL,
  client_id text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  -- Bytes that count for quotas: as announced until it is finished, then as kept.
  size bigint NOT NULL,
  created_at text COLLATE "C" NOT NULL,
  -- NULL: it stands in a message.
  expires_at text COLLATE "C",
  -- The message that it stands in, or stood in; 1: that message is for staff.
  message_seq bigint,
  staff smallint,
  -- JSON of AttachmentRecord; where a column says something else, the column is right.
  record text NOT NULL
);
CREATE UNIQUE INDEX attachments_client ON attachments (tenant, conversation_id, uploader_id, client_id);
CREATE INDEX attachments_uploader ON attachments (tenant, uploader_id, created_at);
CREATE INDEX attachments_loose ON attachments (tenant, uploader_id) WHERE expires_at IS NOT NULL;
CREATE INDEX attachments_expiry ON attachments (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE attachment_usage (
  tenant text COLLATE "C" PRIMARY KEY,
  bytes bigint NOT NULL
);

CREATE TABLE secrets (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE nodes (
  id text COLLATE "C" PRIMARY KEY,
  -- JSON of NodeInfo.
  info text NOT NULL,
  -- By the clock of the database, as everything that leases are counted by.
  seen_at timestamptz NOT NULL,
  -- It said that it ends.
  has_left boolean NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE presences (
  tenant text COLLATE "C" NOT NULL,
  agent_id text COLLATE "C" NOT NULL,
  node text COLLATE "C" NOT NULL,
  -- JSON of Presence.
  presence text NOT NULL,
  -- The transaction that wrote it last.
  written xid8 NOT NULL,
  PRIMARY KEY (tenant, agent_id, node)
) WITH (fillfactor = 70);
CREATE INDEX presences_written ON presences (written);
CREATE INDEX presences_node ON presences (node);
