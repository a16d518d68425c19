-- What: whose tokens are not taken any more.
-- Breaks older versions: no, but they take such tokens.

CREATE TABLE revocations (
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  revoked_at TEXT NOT NULL,
  PRIMARY KEY (tenant, user_id)
) WITHOUT ROWID;
