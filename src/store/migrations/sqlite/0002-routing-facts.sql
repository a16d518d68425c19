-- What: facts that routing needs (src/ports/store.ts, Facts), for conversations opened before there was routing.
-- Breaks older versions: no.

UPDATE conversations SET facts = json_set(
  facts,
  '$.openedAt', json_extract(facts, '$.createdAt'),
  '$.assignedAt', CASE status WHEN 'assigned' THEN json_extract(facts, '$.createdAt') END,
  '$.firstResponseMs', NULL,
  '$.offer', NULL,
  '$.passedBy', json('[]'),
  '$.handedOff', json('false')
);

UPDATE agents SET record = json_set(record, '$.statusAt', strftime('%Y-%m-%dT%H:%M:%fZ'), '$.maxChats', NULL, '$.present', json('true'));

-- The router reads what is open when it starts, however much is closed.
CREATE INDEX conversations_open ON conversations (n) WHERE status != 'closed';
