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
  ConversationPage,
  ConversationQuery,
  ConversationState,
  CursorMove,
  CursorRecord,
  EntryPage,
  EntryQuery,
  Open,
  OpenOutcome,
  Store,
  StoredEntry,
} from '../../ports/store.ts';
import { columnText, fromColumnText } from '../column-text.ts';
import { agentOf, allAgents } from '../queries/agents.ts';
import { attachmentById, attachmentOf, expiredAttachments, knownAttachments } from '../queries/attachments.ts';
import {
  type StateRow,
  activeCount,
  conversationById,
  conversationList,
  conversationPage,
  currentConversation,
  namedConversation,
  openConversationList,
  stateOf,
} from '../queries/conversations.ts';
import { cursorOf, cursorsOf } from '../queries/cursors.ts';
import {
  type BodyRow,
  entryAt,
  entryList,
  entryOf,
  entryPage,
  lastSeqOf,
  messageInConversation,
  messageOf,
  publicSeqAt,
} from '../queries/entries.ts';
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

class SqliteStore implements Store {
  readonly #link: WorkerLink;
  readonly #batcher: WriteBatcher;
  readonly #clock: Clock;
  #closing: Promise<void> | undefined;

  constructor(link: WorkerLink, batcher: WriteBatcher, clock: Clock) {
    this.#link = link;
    this.#batcher = batcher;
    this.#clock = clock;
  }

  async append(write: Append): Promise<AppendOutcome> {
    this.#checkOpen();
    return this.#batcher.add(appendWrite(write), appendOutcome);
  }

  async open(write: Open): Promise<OpenOutcome> {
    this.#checkOpen();
    return this.#batcher.add(openWrite(write), openOutcome);
  }

  async moveCursor(move: CursorMove): Promise<CursorRecord> {
    this.#checkOpen();
    return this.#batcher.add(cursorWrite(move), (outcome): CursorRecord => {
      if (typeof outcome === 'number' || outcome.kind !== 'cursor') return unexpected(outcome);
      const [deliveredSeq, readSeq, publicDeliveredSeq, publicReadSeq] = outcome.columns;
      return { userId: move.userId, deliveredSeq, readSeq, publicDeliveredSeq, publicReadSeq };
    });
  }

  async saveAgent(agent: AgentRecord): Promise<void> {
    this.#checkOpen();
    return this.#batcher.add(agentWrite(agent), () => undefined);
  }

  async conversation(tenant: string, conversationId: string): Promise<ConversationState | null> {
    return this.#state(conversationById(sqliteQueries, tenant, conversationId));
  }

  async currentConversation(tenant: string, customerId: string): Promise<ConversationState | null> {
    return this.#state(currentConversation(sqliteQueries, tenant, customerId));
  }

  async namedConversation(
    tenant: string,
    customerId: string,
    clientConversationId: string,
  ): Promise<ConversationState | null> {
    return this.#state(namedConversation(sqliteQueries, tenant, customerId, clientConversationId));
  }

  async listConversations(query: ConversationQuery): Promise<ConversationPage> {
    return conversationPage(await this.#rows(conversationList(sqliteQueries, query)), query.limit);
  }

  async openConversations(query: { cursor?: string | undefined; limit: number }): Promise<ConversationPage> {
    return conversationPage(await this.#rows(openConversationList(sqliteQueries, query)), query.limit);
  }

  async entries(query: EntryQuery): Promise<EntryPage | null> {
    const [heads, bodies] = await this.#read(
      lastSeqOf(sqliteQueries, query.conversationId),
      entryList(sqliteQueries, query),
    );
    const head = heads[0];
    return head === undefined ? null : entryPage(bodies, query, head.last_seq ?? 0);
  }

  async entry(conversationId: string, seq: number): Promise<StoredEntry | null> {
    const [row] = await this.#rows(entryAt(sqliteQueries, conversationId, seq));
    return row === undefined ? null : entryOf(row);
  }

  async messageByClientId(query: ClientIdQuery): Promise<StoredEntry<'message:created'> | null> {
    const { tenant, conversationId } = query;
    const [row] =
      conversationId === undefined
        ? await this.#find(tenant, query)
        : await this.#rows(messageInConversation(sqliteQueries, tenant, conversationId, query));
    return row === undefined ? null : messageOf(row);
  }

  async publicSeqAt(conversationId: string, seq: number): Promise<number> {
    const [row] = await this.#rows(publicSeqAt(sqliteQueries, conversationId, seq));
    return row?.seq ?? 0;
  }

  async heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (conversationIds.length === 0) return new Map();
    const parameters = [JSON.stringify(conversationIds.map(columnText))];
    const [rows] = await this.#run([{ sql: HEADS, parameters }]);
    return new Map(
      (rows as { id: string; last_seq: number | null }[]).map((row) => [fromColumnText(row.id), row.last_seq ?? 0]),
    );
  }

  async cursors(conversationId: string): Promise<CursorRecord[]> {
    return (await this.#rows(cursorsOf(sqliteQueries, conversationId))).map(cursorOf);
  }

  async agents(): Promise<AgentRecord[]> {
    return (await this.#rows(allAgents(sqliteQueries))).map(agentOf);
  }

  async activeCount(tenant: string, agentId: string): Promise<number> {
    const [row] = await this.#rows(activeCount(sqliteQueries, tenant, agentId));
    return row?.count ?? 0;
  }

  async beginAttachment(write: BeginAttachment): Promise<BeginOutcome> {
    this.#checkOpen();
    return this.#batcher.add(beginAttachmentWrite(write), beginOutcome);
  }

  async attachment(attachmentId: string): Promise<AttachmentRecord | null> {
    const [row] = await this.#rows(attachmentById(sqliteQueries, attachmentId));
    return row === undefined ? null : attachmentOf(row);
  }

  async changeAttachment({
    record,
    from,
  }: {
    record: AttachmentRecord;
    from: AttachmentRecord['state'];
  }): Promise<boolean> {
    this.#checkOpen();
    return this.#batcher.add(changeAttachmentWrite(record, from), (outcome) => outcome === COMMITTED);
  }

  async removeAttachment({ tenant, id }: Pick<AttachmentRecord, 'tenant' | 'id'>): Promise<boolean> {
    this.#checkOpen();
    const write = [WRITE.removeAttachment, columnText(tenant), columnText(id)] as const;
    return this.#batcher.add(write, (outcome) => outcome === COMMITTED);
  }

  async expiredAttachments({ now, limit }: { now: string; limit: number }): Promise<AttachmentRecord[]> {
    return (await this.#rows(expiredAttachments(sqliteQueries, now, limit))).map(attachmentOf);
  }

  async knownAttachments(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#rows(knownAttachments(sqliteQueries, ids));
    return new Set(rows.map(({ id }) => fromColumnText(id)));
  }

  async secret(name: string, fresh: string): Promise<string> {
    this.#checkOpen();
    return this.#batcher.add([WRITE.secret, name, fresh], (outcome) =>
      typeof outcome !== 'number' && outcome.kind === 'secret' ? outcome.value : unexpected(outcome),
    );
  }

  async health(): Promise<string | undefined> {
    if (this.#closing !== undefined) return 'the store is closed';
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

  close(): Promise<void> {
    this.#closing ??= this.#batcher.idle().then(() => this.#link.close());
    return this.#closing;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new DeskwireError('unavailable', 'The store is closed; nothing was kept.');
  }

  #deadline(): Promise<undefined> {
    return new Promise((resolve) => this.#clock.after(HEALTH_TIMEOUT_MS, () => resolve(undefined)));
  }

  async #state(query: CompiledQuery<StateRow>): Promise<ConversationState | null> {
    const [row] = await this.#rows(query);
    return row === undefined ? null : stateOf(row);
  }

  async #rows<R>(query: CompiledQuery<R>): Promise<R[]> {
    const [rows] = await this.#run([encoded(query)]);
    return rows as R[];
  }

  /** Both see the same instant. */
  async #read<A, B>(first: CompiledQuery<A>, second: CompiledQuery<B>): Promise<[A[], B[]]> {
    const rows = await this.#run([encoded(first), encoded(second)]);
    return rows as unknown as [A[], B[]];
  }

  async #find(tenant: string, { authorId, clientMessageId }: ClientIdQuery): Promise<BodyRow[]> {
    this.#checkOpen();
    const customerId = columnText(authorId);
    const clientId = columnText(clientMessageId);
    const [rows] = rowsOf(await this.#link.ask({ kind: 'find', tenant: columnText(tenant), customerId, clientId }));
    return rows as BodyRow[];
  }

  async #run(queries: readonly Query[]): Promise<readonly (readonly unknown[])[]> {
    this.#checkOpen();
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
