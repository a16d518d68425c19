import type { Beat, Changes, NodeInfo, Nodes, Presence } from '../../ports/nodes.ts';
import type { AgentRecord, ConversationState, StoredEntry } from '../../ports/store.ts';
import { columnText, fromColumnText } from '../column-text.ts';
import { type StateRow, stateOf } from '../queries/conversations.ts';
import { revocationOf } from '../queries/revocations.ts';
import { jsonArray, textArray } from './array-text.ts';
import type { Statement } from './connect.ts';
import type { Database } from './database.ts';
import { writeError } from './failures.ts';

/** How long a dead node's row and presences stay. */
const KEPT_MS = 600_000;
/** How often a node looks for such rows. */
const SWEEP_MS = 60_000;
/** How far back a node looks whose mark is of a database that was since put back. */
const LOOK_BACK = 10_000;

/**
 * A mark is a snapshot of the database: what it shows was told, all else that is committed is new. So what commits late, after others that
 * began later, is not missed, and a transaction that stays open somewhere makes nothing be told twice. A transaction at or after a
 * snapshot's end is none of this database's past: such rows came with a copy from another.
 */
const TEXT = `
WITH mark AS MATERIALIZED (
  SELECT $4::pg_snapshot AS told, pg_current_snapshot() AS here
), span AS MATERIALIZED (
  SELECT told, pg_snapshot_xmax(here) AS before, here,
    CASE WHEN pg_snapshot_xmax(told) > pg_snapshot_xmax(here)
      THEN greatest(pg_snapshot_xmin(here)::text::bigint - ${String(LOOK_BACK)}, 1)::text::xid8
      ELSE pg_snapshot_xmin(told) END AS since
  FROM mark
), seen AS (
  INSERT INTO nodes (id, info, seen_at, has_left) VALUES ($1, $2, clock_timestamp(), false)
  ON CONFLICT (id) DO UPDATE SET info = excluded.info, seen_at = excluded.seen_at, has_left = false
  RETURNING xmax = 0 AS made
), said AS (
  INSERT INTO presences (tenant, agent_id, node, presence, written)
  SELECT p.tenant, p.agent_id, $1, p.presence, pg_current_xact_id()
  FROM unnest($5::text[], $6::text[], $7::text[]) AS p(tenant, agent_id, presence)
  ORDER BY p.tenant, p.agent_id
  ON CONFLICT (tenant, agent_id, node) DO UPDATE SET presence = excluded.presence, written = excluded.written
), fresh AS MATERIALIZED (
  SELECT e.conversation, e.seq, e.body FROM entries e
  WHERE e.desk >= (SELECT since FROM span) AND e.desk < (SELECT before FROM span)
    AND (SELECT NOT pg_visible_in_snapshot(e.desk, told) OR pg_snapshot_xmax(told) > before FROM span)
)
SELECT 'mark' AS kind, here::text AS id, NULL::text AS body, NULL::bigint AS n, NULL::bigint AS last_seq, NULL::text AS last_at,
  NULL::bigint AS public_seq, NULL::text AS public_at, (SELECT made FROM seen) AS made
FROM span
UNION ALL
SELECT 'node', n.id, n.info, NULL, NULL, NULL, NULL, NULL, NULL FROM nodes n
WHERE n.id <> $1 AND NOT n.has_left AND n.seen_at > clock_timestamp() - $3 * interval '1 ms'
UNION ALL
SELECT 'presence', p.node, p.presence, NULL, NULL, NULL, NULL, NULL, NULL FROM presences p, span s
WHERE p.node <> $1 AND (
  s.told IS NULL
  OR p.written >= s.since AND p.written < s.before
    AND (NOT pg_visible_in_snapshot(p.written, s.told) OR pg_snapshot_xmax(s.told) > s.before)
)
UNION ALL
SELECT 'agent', NULL, a.record, NULL, NULL, NULL, NULL, NULL, NULL FROM agents a
WHERE a.written >= (SELECT since FROM span) AND a.written < (SELECT before FROM span)
  AND (SELECT NOT pg_visible_in_snapshot(a.written, told) OR pg_snapshot_xmax(told) > before FROM span)
UNION ALL
SELECT 'revocation', r.tenant, r.user_id, NULL, NULL, r.revoked_at, NULL, NULL, NULL FROM revocations r
WHERE r.written >= (SELECT since FROM span) AND r.written < (SELECT before FROM span)
  AND (SELECT NOT pg_visible_in_snapshot(r.written, told) OR pg_snapshot_xmax(told) > before FROM span)
UNION ALL
SELECT 'state', c.id, c.facts, c.n, tail.seq, tail.at, shown.seq, shown.at, NULL
FROM (SELECT DISTINCT f.conversation FROM fresh f) AS changed
JOIN conversations c ON c.n = changed.conversation
CROSS JOIN LATERAL (
  SELECT e.seq, e.at FROM entries e WHERE e.conversation = c.n ORDER BY e.seq DESC LIMIT 1
) AS tail
LEFT JOIN LATERAL (
  SELECT e.seq, e.at FROM entries e WHERE e.conversation = c.n AND e.staff = 0 ORDER BY e.seq DESC LIMIT 1
) AS shown ON true
UNION ALL
SELECT 'entry', NULL, f.body, f.conversation, f.seq, NULL, NULL, NULL, NULL FROM fresh f`;

interface BeatRow {
  readonly kind: 'mark' | 'node' | 'presence' | 'agent' | 'revocation' | 'state' | 'entry';
  readonly id: string;
  readonly body: string;
  readonly n: number;
  /** Of an entry: its own. */
  readonly last_seq: number;
  readonly last_at: string;
  readonly public_seq: number | null;
  readonly public_at: string | null;
  readonly made: boolean | null;
}

const presenceKey = ({ tenant, user }: Presence): string => JSON.stringify([tenant, user.id]);

const beatStatement = ({ nodeId, info, presences, mark, nodeLeaseMs }: Beat): Statement => {
  // Of one person the last counts: one statement writes a row once.
  const said = [...new Map(presences.map((presence) => [presenceKey(presence), presence])).values()];
  return {
    name: 'beat',
    text: TEXT,
    values: [
      columnText(nodeId),
      JSON.stringify(info),
      nodeLeaseMs,
      mark,
      textArray(said.map(({ tenant }) => columnText(tenant))),
      textArray(said.map(({ user }) => columnText(user.id))),
      jsonArray(said.map((presence) => JSON.stringify(presence))),
    ],
  };
};

/** Two nodes may sweep at once: those whose row one deletes the other skips. */
const sweepStatement = (nodeLeaseMs: number): Statement => ({
  name: 'sweep-nodes',
  text: `
    WITH dead AS (
      DELETE FROM nodes WHERE id IN (
        SELECT id FROM nodes WHERE seen_at < clock_timestamp() - $1 * interval '1 ms' ORDER BY id FOR UPDATE SKIP LOCKED
      ) RETURNING id
    )
    DELETE FROM presences WHERE node IN (SELECT id FROM dead)`,
  values: [nodeLeaseMs + KEPT_MS],
});

const leaveStatement = (nodeId: string): Statement => ({
  name: 'leave',
  text: 'UPDATE nodes SET has_left = true WHERE id = $1',
  values: [columnText(nodeId)],
});

const stateRow = (row: BeatRow): StateRow => ({ ...row, facts: row.body });

const changesOf = (rows: readonly BeatRow[], { nodeId, info }: Beat): Changes => {
  const of = (kind: BeatRow['kind']): BeatRow[] => rows.filter((row) => row.kind === kind);
  const entries = new Map<number, BeatRow[]>();
  for (const row of of('entry')) {
    const rowsOfOne = entries.get(row.n);
    if (rowsOfOne === undefined) entries.set(row.n, [row]);
    else rowsOfOne.push(row);
  }
  const conversations = of('state')
    .map((row): { state: ConversationState; entries: StoredEntry[] } => ({
      state: stateOf(stateRow(row)),
      entries: (entries.get(row.n) ?? [])
        .sort((a, b) => a.last_seq - b.last_seq)
        .map(({ body }) => JSON.parse(body) as StoredEntry),
    }))
    // About as they came: of two offers made one after the other the first is told first.
    .sort((a, b) => (a.entries[0]?.at ?? '').localeCompare(b.entries[0]?.at ?? ''));
  return {
    mark: of('mark')[0]?.id ?? '',
    nodes: [
      { id: nodeId, info },
      ...of('node').map(({ id, body }) => ({ id: fromColumnText(id), info: JSON.parse(body) as NodeInfo })),
    ],
    presences: of('presence').map(({ id, body }) => ({
      nodeId: fromColumnText(id),
      presence: JSON.parse(body) as Presence,
    })),
    agents: of('agent').map(({ body }) => JSON.parse(body) as AgentRecord),
    revocations: of('revocation').map(({ id, body, last_at }) =>
      revocationOf({ tenant: id, user_id: body, revoked_at: last_at }),
    ),
    conversations,
  };
};

/** Nodes that share this database. A beat is one statement. */
export class PostgresNodes implements Nodes {
  readonly #database: Database;
  /** What this node told of its own, to be told again when others had to take it for dead for long. */
  readonly #told = new Map<string, Presence>();
  #sweptAt = -Infinity;

  constructor(database: Database) {
    this.#database = database;
  }

  async beat(beat: Beat): Promise<Changes> {
    try {
      const rows = await this.#database.write<BeatRow>(beatStatement(beat));
      // The first beat has them all.
      if (beat.mark === null) this.#told.clear();
      for (const presence of beat.presences) {
        this.#told.set(presenceKey(presence), presence);
      }
      const forgotten = rows.some(({ kind, made }) => kind === 'mark' && made === true);
      if (forgotten && this.#told.size > beat.presences.length) {
        await this.#database.write(beatStatement({ ...beat, presences: [...this.#told.values()] }));
      }
      await this.#sweep(beat.nodeLeaseMs);
      return changesOf(rows, beat);
    } catch (error) {
      throw writeError(error);
    }
  }

  async leave(nodeId: string): Promise<void> {
    try {
      await this.#database.write(leaveStatement(nodeId));
    } catch (error) {
      throw writeError(error);
    }
  }

  async #sweep(nodeLeaseMs: number): Promise<void> {
    const now = performance.now();
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    await this.#database.write(sweepStatement(nodeLeaseMs));
  }
}
