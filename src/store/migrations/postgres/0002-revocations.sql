-- What: whose tokens are not taken any more.
-- Breaks older versions: no, but they take such tokens.

CREATE TABLE revocations (
  tenant text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  revoked_at text COLLATE "C" NOT NULL,
  -- The transaction that wrote it last.
  written xid8 NOT NULL,
  PRIMARY KEY (tenant, user_id)
);
CREATE INDEX revocations_written ON revocations (written);
