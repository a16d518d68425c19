import type { CompiledQuery } from 'kysely';
import { DeskwireError } from '../../contract/errors.ts';
import { type Clock, systemClock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type {
  AgentRecord,
  Append,
  AppendOutcome,
  AttachmentRecord,
  BeginAttachment,
  BeginOutcome,
  ClientIdQuery,
  CursorMove,
  CursorRecord,
  EntryPage,
  EntryQuery,
  Open,
  OpenOutcome,
  Revocation,
  Store,
} from '../../ports/store.ts';
import { columnText, fromColumnText } from '../column-text.ts';
import { attachmentOf, knownAttachments } from '../queries/attachments.ts';
import { type CursorRow, cursorsOf } from '../queries/cursors.ts';
import { stateOf } from '../queries/conversations.ts';
import { type BodyRow, entryList, entryPage, lastSeqOf, messageOf } from '../queries/entries.ts';
import { SqlStore } from '../sql-store.ts';
import { WriteBatcher } from './batcher.ts';
import { encoded, sqliteQueries } from './compiler.ts';
import { DEFAULT_CHECKPOINT_PAGES } from './database.ts';
import {
  agentWrite,
  appendWrite,
  beginAttachmentWrite,
  changeAttachmentWrite,
  cursorWrite,
  openWrite,
  revocationWrite,
} from './encode.ts';
import { type Answer, COMMITTED, CONFLICT, type Failure, type Outcome, type Query, WRITE } from './messages.ts';
import { WorkerLink } from './worker-link.ts';

export interface SqliteStoreOptions {
  /** The database's file; it and its folder are made if missing. `:memory:` is not supported: nothing would be kept. */
  readonly path: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** @default systemClock */
  readonly clock?: Clock;
  /**
   * Conversations and client ids of messages that the writer keeps in memory, some hundred bytes each. Beyond it those
   * not written to lately are read from the log again when they are.
   * @default 500_000
   */
  readonly cachedKeys?: number;
  /**
   * Pages of 4 KiB in the write-ahead log at which a commit also moves them into the database. Fewer: shorter pauses,
   * more pages written twice.
   * @default 1_000
   */
  readonly checkpointPages?: number;
}

const DEFAULT_CACHED_KEYS = 500_000;
/** A store that has not answered in this time counts as out of reach: more than any commit takes on a working disk. */
const HEALTH_TIMEOUT_MS = 2_000;

/** Divergent: SQLite takes a list as one parameter, so that its length does not make another statement. */
const HEADS = `SELECT c.id, (SELECT max(e.seq) FROM entries e WHERE e.conversation = c.n) AS last_seq
  FROM json_each(?) AS wanted JOIN conversations c ON c.id = wanted.value`;

const unexpected = (outcome: Exclude<Outcome, Failure>): never => {
  throw new DeskwireError('internal', undefined, { cause: `unexpected outcome ${JSON.stringify(outcome)}` });
};

const appendOutcome = (outcome: Exclude<Outcome, Failure>): AppendOutcome => {
  if (outcome === COMMITTED) return { kind: 'committed' };
  if (outcome === CONFLICT) return { kind: 'conflict' };
  if (outcome.kind === 'duplicate') return { kind: 'duplicate', entry: messageOf(outcome) };
  if (outcome.kind === 'not_attachable')
    return { kind: 'not_attachable', attachmentId: fromColumnText(outcome.attachmentId) };
  return outcome.kind === 'capacity_reached' ? outcome : unexpected(outcome);
};

const beginOutcome = (outcome: Exclude<Outcome, Failure>): BeginOutcome => {
  if (outcome === COMMITTED) return { kind: 'begun' };
  if (outcome === CONFLICT) return unexpected(outcome);
  if (outcome.kind === 'attachment_exists') return { kind: 'exists', record: attachmentOf(outcome.row) };
  return outcome.kind === 'quota_exceeded' ? outcome : unexpected(outcome);
};

const openOutcome = (outcome: Exclude<Outcome, Failure>): OpenOutcome => {
  if (outcome === COMMITTED) return { kind: 'committed' };
  if (outcome === CONFLICT) return unexpected(outcome);
  if (outcome.kind === 'duplicate') return { kind: 'duplicate', entry: messageOf(outcome) };
  return outcome.kind === 'exists' ? { kind: 'exists', state: stateOf(outcome.state) } : unexpected(outcome);
};

const rowsOf = (answer: Exclude<Answer, { kind: 'outcomes' }>): readonly (readonly unknown[])[] => {
  if (answer.kind === 'rows') return answer.rows;
  throw new DeskwireError('unavailable', 'The store could not be read; try again later.', {
    cause: answer.kind === 'failed' ? answer.cause : undefined,
  });
};

class SqliteStore extends SqlStore implements Store {
  readonly #link: WorkerLink;
  readonly #batcher: WriteBatcher;
  readonly #clock: Clock;

  constructor(link: WorkerLink, batcher: WriteBatcher, clock: Clock) {
    super(sqliteQueries);
    this.#link = link;
    this.#batcher = batcher;
    this.#clock = clock;
  }

  async append(write: Append): Promise<AppendOutcome> {
    this.checkOpen();
    return this.#batcher.add(appendWrite(write), appendOutcome);
  }

  async open(write: Open): Promise<OpenOutcome> {
    this.checkOpen();
    return this.#batcher.add(openWrite(write), openOutcome);
  }

  async moveCursor(move: CursorMove): Promise<CursorRecord> {
    this.checkOpen();
    return this.#batcher.add(cursorWrite(move), (outcome): CursorRecord => {
      if (typeof outcome === 'number' || outcome.kind !== 'cursor') return unexpected(outcome);
      const [deliveredSeq, readSeq, publicDeliveredSeq, publicReadSeq] = outcome.columns;
      return { userId: move.userId, deliveredSeq, readSeq, publicDeliveredSeq, publicReadSeq };
    });
  }

  async saveAgent(agent: AgentRecord): Promise<void> {
    this.checkOpen();
    return this.#batcher.add(agentWrite(agent), () => undefined);
  }

  async sayStatus(agent: AgentRecord): Promise<AgentRecord> {
    // Nobody else writes here: what comes later is later.
    await this.saveAgent(agent);
    return agent;
  }

  async entries(query: EntryQuery): Promise<EntryPage | null> {
    // All see the same instant.
    const [heads, bodies, cursors] = await this.#run([
      encoded(lastSeqOf(sqliteQueries, query.conversationId)),
      encoded(entryList(sqliteQueries, query)),
      ...(query.withCursors === true ? [encoded(cursorsOf(sqliteQueries, query.conversationId))] : []),
    ]);
    const [head] = heads as { last_seq: number | null }[];
    if (head === undefined) return null;
    return entryPage(bodies as BodyRow[], query, head.last_seq ?? 0, (cursors ?? []) as CursorRow[]);
  }

  async heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (conversationIds.length === 0) return new Map();
    const parameters = [JSON.stringify(conversationIds.map(columnText))];
    const [rows] = await this.#run([{ sql: HEADS, parameters }]);
    return new Map(
      (rows as { id: string; last_seq: number | null }[]).map((row) => [fromColumnText(row.id), row.last_seq ?? 0]),
    );
  }

  async saveRevocation(revocation: Revocation): Promise<void> {
    this.checkOpen();
    return this.#batcher.add(revocationWrite(revocation), () => undefined);
  }

  async beginAttachment(write: BeginAttachment): Promise<BeginOutcome> {
    this.checkOpen();
    return this.#batcher.add(beginAttachmentWrite(write), beginOutcome);
  }

  async changeAttachment({
    record,
    from,
  }: {
    record: AttachmentRecord;
    from: AttachmentRecord['state'];
  }): Promise<boolean> {
    this.checkOpen();
    return this.#batcher.add(changeAttachmentWrite(record, from), (outcome) => outcome === COMMITTED);
  }

  async removeAttachment({ tenant, id }: Pick<AttachmentRecord, 'tenant' | 'id'>): Promise<boolean> {
    this.checkOpen();
    const write = [WRITE.removeAttachment, columnText(tenant), columnText(id)] as const;
    return this.#batcher.add(write, (outcome) => outcome === COMMITTED);
  }

  async knownAttachments(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.rows(knownAttachments(sqliteQueries, ids));
    return new Set(rows.map(({ id }) => fromColumnText(id)));
  }

  async secret(name: string, fresh: string): Promise<string> {
    this.checkOpen();
    return this.#batcher.add([WRITE.secret, name, fresh], (outcome) =>
      typeof outcome !== 'number' && outcome.kind === 'secret' ? outcome.value : unexpected(outcome),
    );
  }

  async health(): Promise<string | undefined> {
    if (this.closed) return 'the store is closed';
    if (this.#link.ended !== undefined) return this.#link.ended;
    const { failing } = this.#batcher;
    // After a failure only a write tells whether the disk takes writes again; nobody else may come to try.
    const asked =
      failing === undefined ? this.#link.ask({ kind: 'read', queries: [] }) : this.#link.ask({ kind: 'probe' });
    const answer = await Promise.race([asked, this.#deadline()]);
    if (answer === undefined) return `the store has not answered within ${String(HEALTH_TIMEOUT_MS)} ms`;
    if (answer.kind === 'failed') return `the store can't write: ${answer.cause}`;
    if (failing !== undefined) this.#batcher.recovered();
    return undefined;
  }

  #deadline(): Promise<undefined> {
    return new Promise((resolve) => this.#clock.after(HEALTH_TIMEOUT_MS, () => resolve(undefined)));
  }

  protected async rows<R>(query: CompiledQuery<R>): Promise<R[]> {
    const [rows] = await this.#run([encoded(query)]);
    return rows as R[];
  }

  protected async unnamedMessage({ tenant, authorId, clientMessageId }: ClientIdQuery): Promise<BodyRow[]> {
    this.checkOpen();
    const customerId = columnText(authorId);
    const clientId = columnText(clientMessageId);
    const [rows] = rowsOf(await this.#link.ask({ kind: 'find', tenant: columnText(tenant), customerId, clientId }));
    return rows as BodyRow[];
  }

  protected async shutDown(): Promise<void> {
    await this.#batcher.idle();
    await this.#link.close();
  }

  async #run(queries: readonly Query[]): Promise<readonly (readonly unknown[])[]> {
    this.checkOpen();
    return rowsOf(await this.#link.ask({ kind: 'read', queries }));
  }
}

/**
 * The store on one machine: SQLite in a file, in a thread of its own.
 *
 * One process at a time has the file open. It can be copied while it is: `sqlite3 FILE ".backup COPY"`.
 *
 * @throws StoreStartError when the file can't be used, is in use, or was written by a newer version
 */
export const openSqliteStore = async (options: SqliteStoreOptions): Promise<Store> => {
  const { path, log, metrics, clock = systemClock } = options;
  const { link, migrated } = await WorkerLink.start(
    {
      path,
      cachedKeys: options.cachedKeys ?? DEFAULT_CACHED_KEYS,
      checkpointPages: options.checkpointPages ?? DEFAULT_CHECKPOINT_PAGES,
    },
    (reason) => log.error({ reason }, 'the store is gone'),
  );
  if (migrated.from !== migrated.to) log.info(migrated, 'the store was migrated');
  return new SqliteStore(link, new WriteBatcher(link, log, metrics), clock);
};
