import { DeskwireError } from '../../contract/errors.ts';
import { jsonElement, numberArray, textArray, textElement } from './array-text.ts';
import type { Statement } from './connect.ts';
import { headOf, TAIL } from './floating.ts';
import type { CursorSeqs, Pending, PlainAppend } from './pending.ts';

/** A batch: plain writes of many conversations, made by one statement. */

/** Enough to share one flush of the log, few enough that nobody waits long for it. */
const MAX_BATCH = 256;

/** Appends to one conversation that follow one another. */
interface Chain {
  readonly tenant: string;
  readonly expectedSeq: number;
  readonly restsOnFacts: number | undefined;
  lastSeq: number;
  readonly clientIds: Set<string>;
  readonly appends: PlainAppend[];
  /** Of its first: what does not rest on that has no business with it. */
  readonly decided: PlainAppend['decided'];
  broken: boolean;
}

export interface Batch {
  /** How many of the gathered it is about. */
  readonly size: number;
  readonly sent: readonly Pending[];
  /** Not sent: they don't follow the others of their conversation. */
  readonly left: readonly Pending[];
  readonly chains: ReadonlyMap<string, Chain>;
}

export interface BatchResult {
  readonly made: readonly (readonly [Pending, outcome: unknown])[];
  readonly failed: readonly (readonly [Pending, DeskwireError])[];
  /** Not made: what is to be said of them has to be looked up. */
  readonly left: readonly Pending[];
}

/** The length keeps two pairs from making one text. */
const pairKey = (first: string, second: string): string => `${String(first.length)}:${first}${second}`;

/** Adds it to the chain, if it follows. */
const follows = (chain: Chain, append: PlainAppend): boolean => {
  const { tenant, expectedSeq, restsOnFacts, entries, decided } = append;
  if (
    chain.broken ||
    decided?.broken === true ||
    chain.decided !== decided ||
    chain.restsOnFacts !== restsOnFacts ||
    chain.tenant !== tenant ||
    chain.lastSeq !== expectedSeq
  )
    return false;
  for (const { authorId, clientId } of entries) {
    if (authorId === null || clientId === null) continue;
    const key = pairKey(authorId, clientId);
    if (chain.clientIds.has(key)) return false;
    chain.clientIds.add(key);
  }
  chain.lastSeq = expectedSeq + entries.length;
  return true;
};

/** Takes from the front of what is gathered. */
export const planBatch = (gathered: readonly Pending[]): Batch => {
  const sent: Pending[] = [];
  const left: Pending[] = [];
  const chains = new Map<string, Chain>();
  const moved = new Set<string>();
  let size = 0;
  for (const pending of gathered) {
    const { plain } = pending;
    if (size === MAX_BATCH || plain === undefined) break;
    if (plain.kind === 'cursor') {
      const key = pairKey(plain.conversationId, plain.userId);
      // One statement moves a cursor once: the second time waits for the next batch.
      if (moved.has(key)) break;
      moved.add(key);
      sent.push(pending);
    } else {
      let chain = chains.get(plain.conversationId);
      if (chain === undefined) {
        const { tenant, expectedSeq, restsOnFacts, decided } = plain;
        const fresh = { lastSeq: expectedSeq, clientIds: new Set<string>(), appends: [], broken: false };
        chain = { tenant, expectedSeq, restsOnFacts, decided, ...fresh };
        chains.set(plain.conversationId, chain);
      }
      if (follows(chain, plain)) {
        chain.appends.push(plain);
        sent.push(pending);
      } else {
        chain.broken = true;
        left.push(pending);
      }
    }
    size++;
  }
  for (const [id, { appends }] of chains) if (appends.length === 0) chains.delete(id);
  return { size, sent, left, chains };
};

/**
 * `locked` reads what stands in the rows it locks, also what was committed after the statement began; what others hold locked is left out,
 * so nothing here waits for a slow or frozen node. Other parts see the state from when the statement began: whoever changed a log since
 * then has moved its head, and that is seen. Client ids: were one to come between all the same, the index refuses the statement.
 */
const TEXT = `
WITH chain AS MATERIALIZED (
  SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $18::bigint[])
    WITH ORDINALITY AS c(id, tenant, expected_seq, entry_count, facts_seq, place)
), fresh AS MATERIALIZED (
  SELECT * FROM unnest($5::int[], $6::bigint[], $7::smallint[], $8::text[], $9::text[], $10::text[], $11::text[])
    AS f(place, nth, staff, at, author_id, client_id, body)
), locked AS MATERIALIZED (
  SELECT c.place, c.expected_seq, c.entry_count, c.facts_seq AS rests_on, h.id, h.n, h.last_seq, h.facts_seq
  FROM chain c JOIN heads h ON h.id = c.id AND h.tenant = c.tenant
  FOR NO KEY UPDATE OF h SKIP LOCKED
), known AS MATERIALIZED (
  SELECT DISTINCT l.place
  FROM fresh f JOIN locked l ON l.place = f.place
  CROSS JOIN LATERAL (
    SELECT 1 FROM entries e
    WHERE e.conversation = l.n AND e.author_id = f.author_id AND e.client_id = f.client_id LIMIT 1
  ) AS found
), taken AS MATERIALIZED (
  SELECT l.place, l.id, l.n, l.last_seq, l.entry_count, l.rests_on IS NOT NULL AS floats FROM locked l
  WHERE CASE WHEN l.rests_on IS NULL THEN l.last_seq = l.expected_seq ELSE l.facts_seq = l.rests_on END AND l.place NOT IN (SELECT k.place FROM known k)
), written AS (
  INSERT INTO entries (conversation, seq, staff, at, author_id, client_id, body)
  SELECT t.n, t.last_seq + f.nth, f.staff, f.at, f.author_id, f.client_id,
    CASE WHEN t.floats THEN f.body || ${TAIL('t.id', '(t.last_seq + f.nth)', 'f.at')} ELSE f.body END
  FROM fresh f JOIN taken t ON t.place = f.place
), moved_heads AS (
  UPDATE heads h SET last_seq = t.last_seq + t.entry_count FROM taken t WHERE h.id = t.id
), move AS MATERIALIZED (
  SELECT m.*, h.n FROM unnest($12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[])
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

const TEXT_WAITING = TEXT.replace(' SKIP LOCKED', '');

export interface BatchRow extends CursorSeqs {
  /** Of the chains that were appended, from 1, each with the last seq before it: in one row, as a row costs more than its text. */
  readonly places: string | null;
  /** Of a cursor that was moved, from 1. */
  readonly cursor: number | null;
}

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

/** @param waits for who holds a head locked, instead of leaving its conversation out: of one conversation alone, or nodes could lock each other out */
export const batchStatement = (batch: Batch, waits: boolean): Statement => {
  const chains = [...batch.chains.values()];
  return {
    name: waits ? 'batch-waiting' : 'batch',
    text: waits ? TEXT_WAITING : TEXT,
    values: [
      textArray([...batch.chains.keys()]),
      textArray(chains.map(({ tenant }) => tenant)),
      numberArray(chains.map(({ expectedSeq }) => expectedSeq)),
      numberArray(chains.map(({ expectedSeq, lastSeq }) => lastSeq - expectedSeq)),
      ...entryColumns(batch),
      ...cursorColumns(batch),
      `{${chains.map(({ restsOnFacts }) => restsOnFacts ?? 'NULL').join(',')}}`,
    ],
  };
};

const COMMITTED = { kind: 'committed' };

/** The last seq before each chain that was appended, by conversation. */
const takenOf = (batch: Batch, rows: readonly BatchRow[]): Map<string, number> => {
  const ids = [...batch.chains.keys()];
  return new Map(
    rows.flatMap(({ places }) =>
      (places ?? '')
        .split(',')
        .filter((place) => place !== '')
        .map((place): [string, number] => {
          const [at, lastSeq] = place.split(':').map(Number);
          return [ids[(at ?? 0) - 1] ?? '', lastSeq ?? 0];
        }),
    ),
  );
};

export const batchResult = (batch: Batch, rows: readonly BatchRow[]): BatchResult => {
  const taken = takenOf(batch, rows);
  const moved = new Map(rows.map((row) => [row.cursor, row]));
  const made: [Pending, unknown][] = [];
  const failed: [Pending, DeskwireError][] = [];
  const left: Pending[] = [];
  let cursor = 0;
  for (const pending of batch.sent) {
    const { plain } = pending;
    if (plain?.kind !== 'cursor') {
      const lastSeq = taken.get(plain?.conversationId ?? '');
      if (plain === undefined || lastSeq === undefined) {
        left.push(pending);
        continue;
      }
      made.push([pending, plain.restsOnFacts === undefined ? COMMITTED : { ...COMMITTED, firstSeq: lastSeq + 1 }]);
      taken.set(plain.conversationId, lastSeq + plain.entries.length);
    } else {
      const row = moved.get(++cursor);
      if (row === undefined) failed.push([pending, new DeskwireError('not_found')]);
      else made.push([pending, plain.record(row)]);
    }
  }
  return { made, failed, left };
};
