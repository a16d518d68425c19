import { jsonArray, jsonElement, numberArray, textArray, textElement } from './array-text.ts';
import type { Batch, Chain } from './batch.ts';
import type { Statement } from './connect.ts';
import { headOf, TAIL } from './floating.ts';

/** The statement that makes a batch: columns for all its writes in, what was made out. */

/** What changes of facts add; statements without them, which are most, are spared it. */
const FACTS = {
  tables: `, fact AS MATERIALIZED (
  SELECT t.n, x.* FROM unnest($19::int[], $20::bigint[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[])
    AS x(place, facts_seq, tenant, status, assignee_id, department, facts)
  JOIN taken t ON t.place = x.place
), tag AS MATERIALIZED (
  SELECT x.n, x.tenant, g.tag FROM unnest($26::int[], $27::text[]) AS g(place, tag) JOIN fact x ON x.place = g.place
), told AS (
  UPDATE conversations c SET status = x.status, assignee_id = x.assignee_id, department = x.department, facts = x.facts
  FROM fact x WHERE c.n = x.n
), untagged AS (
  DELETE FROM conversation_tags c USING fact x
  WHERE c.conversation = x.n AND NOT EXISTS (SELECT FROM tag g WHERE g.n = c.conversation AND g.tag = c.tag)
), tagged AS (
  INSERT INTO conversation_tags (conversation, tag, tenant) SELECT g.n, g.tag, g.tenant FROM tag g
  ON CONFLICT DO NOTHING
)`,
  // By this nodes hear of it.
  desk: 'CASE WHEN EXISTS (SELECT FROM fact x WHERE x.place = t.place) THEN pg_current_xact_id() END',
  factsSeq: ', facts_seq = coalesce((SELECT x.facts_seq FROM fact x WHERE x.place = t.place), h.facts_seq)',
};

/**
 * `locked` reads what stands in the rows it locks, also what was committed after the statement began; what others hold locked is left out,
 * so nothing here waits for a slow or frozen node. Other parts see the state from when the statement began: whoever changed a log since
 * then has moved its head, and that is seen. Client ids: were one to come between all the same, the index refuses the statement.
 */
const textOf = (whoHoldsOne: 'is passed by' | 'is waited for', facts: typeof FACTS | undefined): string => `
WITH chain AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    WITH ORDINALITY AS c(id, tenant, expected_seq, entry_count, facts_seq, place)
), fresh AS MATERIALIZED (
  SELECT * FROM unnest($6::int[], $7::bigint[], $8::smallint[], $9::text[], $10::text[], $11::text[], $12::text[])
    AS f(place, nth, staff, at, author_id, client_id, body)
), locked AS MATERIALIZED (
  SELECT c.place, c.expected_seq, c.entry_count, c.facts_seq AS rests_on, h.id, h.n, h.last_seq, h.facts_seq
  FROM chain c JOIN heads h ON h.id = c.id AND h.tenant = c.tenant
  FOR NO KEY UPDATE OF h ${whoHoldsOne === 'is passed by' ? 'SKIP LOCKED' : ''}
), known AS MATERIALIZED (
  SELECT DISTINCT l.place
  FROM fresh f JOIN locked l ON l.place = f.place
  CROSS JOIN LATERAL (
    SELECT 1 FROM entries e
    WHERE e.conversation = l.n AND e.author_id = f.author_id AND e.client_id = f.client_id LIMIT 1
  ) AS found
), taken AS MATERIALIZED (
  SELECT l.place, l.id, l.n, l.last_seq, l.entry_count, l.rests_on IS NOT NULL AS floats FROM locked l
  WHERE CASE WHEN l.rests_on IS NULL THEN l.last_seq = l.expected_seq ELSE l.facts_seq = l.rests_on END
    AND l.place NOT IN (SELECT k.place FROM known k)
)${facts?.tables ?? ''}, written AS (
  INSERT INTO entries (conversation, seq, desk, staff, at, author_id, client_id, body)
  SELECT t.n, t.last_seq + f.nth, ${facts?.desk ?? 'NULL::xid8'}, f.staff, f.at, f.author_id, f.client_id,
    CASE WHEN t.floats THEN f.body || ${TAIL('t.id', '(t.last_seq + f.nth)', 'f.at')} ELSE f.body END
  FROM fresh f JOIN taken t ON t.place = f.place
), moved_heads AS (
  UPDATE heads h SET last_seq = t.last_seq + t.entry_count${facts?.factsSeq ?? ''} FROM taken t WHERE h.id = t.id
), move AS MATERIALIZED (
  SELECT m.*, h.n FROM unnest($13::text[], $14::text[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
    WITH ORDINALITY AS m(id, user_id, delivered_seq, read_seq, public_delivered_seq, public_read_seq, place)
  JOIN heads h ON h.id = m.id
), moved AS (
  INSERT INTO cursors AS c (conversation, user_id, delivered_seq, read_seq, public_delivered_seq, public_read_seq)
  SELECT m.n, m.user_id, m.delivered_seq, m.read_seq, m.public_delivered_seq, m.public_read_seq
  FROM move m ORDER BY m.n, m.user_id
  ON CONFLICT (conversation, user_id) DO UPDATE SET
    delivered_seq = greatest(c.delivered_seq, excluded.delivered_seq),
    read_seq = greatest(c.read_seq, excluded.read_seq),
    public_delivered_seq = greatest(c.public_delivered_seq, excluded.public_delivered_seq),
    public_read_seq = greatest(c.public_read_seq, excluded.public_read_seq)
  RETURNING c.*
)
SELECT string_agg(t.place || ':' || t.last_seq, ',') AS places, NULL::bigint AS cursor, NULL::bigint AS delivered_seq,
  NULL::bigint AS read_seq, NULL::bigint AS public_delivered_seq, NULL::bigint AS public_read_seq
FROM taken t
UNION ALL
SELECT NULL, m.place, c.delivered_seq, c.read_seq, c.public_delivered_seq, c.public_read_seq
FROM move m JOIN moved c ON c.conversation = m.n AND c.user_id = m.user_id`;

const TEXTS = {
  batch: textOf('is passed by', undefined),
  'batch-waiting': textOf('is waited for', undefined),
  'batch-facts': textOf('is passed by', FACTS),
  'batch-facts-waiting': textOf('is waited for', FACTS),
};

/** Columns, as arrays are written: built in one go, as this is what an append costs here. */
const entryColumns = (batch: Batch): Statement['values'] => {
  let [places, seqs, staff, times, authors, clients, bodies] = ['', '', '', '', '', '', ''];
  let place = 0;
  let comma = '';
  for (const [id, { appends, restsOnFacts }] of batch.chains) {
    place++;
    let nth = 0;
    for (const { entries } of appends) {
      for (const entry of entries) {
        nth++;
        places += comma + String(place);
        seqs += comma + String(nth);
        staff += comma + String(entry.staff);
        times += comma + textElement(entry.at);
        authors += comma + textElement(entry.authorId);
        clients += comma + textElement(entry.clientId);
        bodies += comma + jsonElement(restsOnFacts === undefined ? entry.body : headOf(entry, id));
        comma = ',';
      }
    }
  }
  return [places, seqs, staff, times, authors, clients, bodies].map((elements) => `{${elements}}`);
};

const cursorColumns = (batch: Batch): Statement['values'] => {
  const cursors = batch.sent.flatMap(({ plain }) => (plain?.kind === 'cursor' ? [plain] : []));
  const seqs = (at: 0 | 1 | 2 | 3): string => numberArray(cursors.map((cursor) => cursor.seqs[at]));
  return [
    textArray(cursors.map(({ conversationId }) => conversationId)),
    textArray(cursors.map(({ userId }) => userId)),
    seqs(0),
    seqs(1),
    seqs(2),
    seqs(3),
  ];
};

const factsColumns = (chains: readonly Chain[]): Statement['values'] => {
  const changes = chains.flatMap(({ facts }, index) => (facts === null ? [] : [{ place: index + 1, facts }]));
  const tags = changes.flatMap(({ place, facts }) => facts.tags.map((tag) => ({ place, tag })));
  return [
    numberArray(changes.map(({ place }) => place)),
    numberArray(changes.map(({ facts }) => facts.factsSeq)),
    textArray(changes.map(({ facts }) => facts.tenant)),
    textArray(changes.map(({ facts }) => facts.status)),
    textArray(changes.map(({ facts }) => facts.assigneeId)),
    textArray(changes.map(({ facts }) => facts.department)),
    jsonArray(changes.map(({ facts }) => facts.facts)),
    numberArray(tags.map(({ place }) => place)),
    textArray(tags.map(({ tag }) => tag)),
  ];
};

/** @param waits for who holds a head locked, instead of leaving its conversation out: of one conversation alone, or nodes could lock each other out */
export const batchStatement = (batch: Batch, waits: boolean): Statement => {
  const chains = [...batch.chains.values()];
  const changesFacts = chains.some(({ facts }) => facts !== null);
  const name = `batch${changesFacts ? '-facts' : ''}${waits ? '-waiting' : ''}` as const;
  return {
    name,
    text: TEXTS[name],
    values: [
      textArray([...batch.chains.keys()]),
      textArray(chains.map(({ tenant }) => tenant)),
      numberArray(chains.map(({ expectedSeq }) => expectedSeq)),
      numberArray(chains.map(({ expectedSeq, lastSeq }) => lastSeq - expectedSeq)),
      `{${chains.map(({ restsOnFacts }) => restsOnFacts ?? 'NULL').join(',')}}`,
      ...entryColumns(batch),
      ...cursorColumns(batch),
      ...(changesFacts ? factsColumns(chains) : []),
    ],
  };
};
