-- What: attachments, the bytes that each tenant keeps, and secrets that all who use the store share.
-- Breaks older versions: no.

CREATE TABLE attachments (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  uploader_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  state TEXT NOT NULL,
  -- Bytes that count for quotas: as announced until it is finished, then as kept.
  size INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  -- NULL: it stands in a message.
  expires_at TEXT,
  -- The message that it stands in, or stood in; 1: that message is for staff.
  message_seq INTEGER,
  staff INTEGER,
  -- JSON of AttachmentRecord; where a column says something else, the column is right.
  record TEXT NOT NULL
) WITHOUT ROWID;

CREATE UNIQUE INDEX attachments_client ON attachments (tenant, conversation_id, uploader_id, client_id);
CREATE INDEX attachments_uploader ON attachments (tenant, uploader_id, created_at);
CREATE INDEX attachments_loose ON attachments (tenant, uploader_id) WHERE expires_at IS NOT NULL;
CREATE INDEX attachments_expiry ON attachments (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE attachment_usage (
  tenant TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE secrets (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
