import type { CompiledQuery } from 'kysely';
import { DeskwireError } from '../../contract/errors.ts';
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
import { attachmentById, attachmentOf, expiredAttachments } from '../queries/attachments.ts';
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
  entryOf,
  entryPage,
  messageInConversation,
  messageOf,
  publicSeqAt,
} from '../queries/entries.ts';
import { attachmentColumns } from '../queries/rows.ts';
import { encoded, postgresQueries } from './compiler.ts';
import type { Statement } from './connect.ts';
import type { Database } from './database.ts';
import { appendRow, decideAppend, plainAppend } from './decide-append.ts';
import { decideBegin, decideChange, decideRemove } from './decide-attachment.ts';
import { decideOpen, openRow } from './decide-open.ts';
import type { Lanes } from './lanes.ts';
import type { CursorSeqs, PlainCursor } from './pending.ts';
import { type PageRow, headsOf, knownOf, pageOf, unnamedOf } from './reads.ts';
import { moveCursor, saveAgent, secretOf } from './single-writes.ts';

/** The store's calls: what each is as columns, which order it has among others, and how it is read. */
/** Makes a write, unless one on which it rests was not made. What is decided after it rests on it. */
const chained = async (chain: Append['chain'], decide: () => Promise<AppendOutcome>): Promise<AppendOutcome> => {
  if (chain === undefined) return decide();
  if (chain.broken) return { kind: 'conflict' };
  // Until it is known to be made.
  chain.broken = true;
  const outcome = await decide();
  chain.broken = outcome.kind !== 'committed';
  return outcome;
};

export class PostgresStore implements Store {
  readonly #database: Database;
  readonly #lanes: Lanes;
  #closing: Promise<void> | undefined;

  constructor(database: Database, lanes: Lanes) {
    this.#database = database;
    this.#lanes = lanes;
  }

  async append(write: Append): Promise<AppendOutcome> {
    this.#checkOpen();
    const row = appendRow(write);
    return this.#lanes.add(`conversation ${row.conversationId}`, plainAppend(row, write.chain), () =>
      chained(write.chain, () => this.#database.transaction((run) => decideAppend(run, row))),
    );
  }

  async open(write: Open): Promise<OpenOutcome> {
    this.#checkOpen();
    const row = openRow(write);
    const { tenant, customerId } = row.conversation;
    return this.#lanes.add(`customer ${tenant} ${customerId}`, undefined, () =>
      this.#database.transaction((run) => decideOpen(run, row)),
    );
  }

  async moveCursor(move: CursorMove): Promise<CursorRecord> {
    this.#checkOpen();
    const plain: PlainCursor = {
      kind: 'cursor',
      conversationId: columnText(move.conversationId),
      userId: columnText(move.userId),
      seqs: [move.deliveredSeq, move.readSeq, move.publicDeliveredSeq, move.publicReadSeq],
      record: (seqs) => cursorOf({ ...seqs, user_id: columnText(move.userId) }),
    };
    return this.#lanes.add(`conversation ${plain.conversationId}`, plain, async () => {
      const [seqs] = await this.#database.write<CursorSeqs>(moveCursor(plain));
      if (seqs === undefined) throw new DeskwireError('not_found');
      return plain.record(seqs);
    });
  }

  async saveAgent(agent: AgentRecord): Promise<void> {
    this.#checkOpen();
    const [tenant, agentId, record] = [columnText(agent.tenant), columnText(agent.user.id), JSON.stringify(agent)];
    return this.#lanes.add(`agent ${tenant} ${agentId}`, undefined, async () => {
      await this.#database.write(saveAgent(tenant, agentId, agent.statusAt, record));
    });
  }

  async conversation(tenant: string, conversationId: string): Promise<ConversationState | null> {
    return this.#state(conversationById(postgresQueries, tenant, conversationId));
  }

  async currentConversation(tenant: string, customerId: string): Promise<ConversationState | null> {
    return this.#state(currentConversation(postgresQueries, tenant, customerId));
  }

  async namedConversation(
    tenant: string,
    customerId: string,
    clientConversationId: string,
  ): Promise<ConversationState | null> {
    return this.#state(namedConversation(postgresQueries, tenant, customerId, clientConversationId));
  }

  async listConversations(query: ConversationQuery): Promise<ConversationPage> {
    return conversationPage(await this.#rows(conversationList(postgresQueries, query)), query.limit);
  }

  async openConversations(query: { cursor?: string | undefined; limit: number }): Promise<ConversationPage> {
    return conversationPage(await this.#rows(openConversationList(postgresQueries, query)), query.limit);
  }

  async entries(query: EntryQuery): Promise<EntryPage | null> {
    const rows = await this.#read<PageRow>(pageOf(query));
    const [first] = rows;
    if (first === undefined) return null;
    const bodies = rows.flatMap(({ body }) => (body === null ? [] : [{ body }]));
    return entryPage(bodies, query, first.last_seq);
  }

  async entry(conversationId: string, seq: number): Promise<StoredEntry | null> {
    const [row] = await this.#rows(entryAt(postgresQueries, conversationId, seq));
    return row === undefined ? null : entryOf(row);
  }

  async messageByClientId(query: ClientIdQuery): Promise<StoredEntry<'message:created'> | null> {
    const { tenant, conversationId } = query;
    const [row] =
      conversationId === undefined
        ? await this.#read<BodyRow>(unnamedOf(query))
        : await this.#rows(messageInConversation(postgresQueries, tenant, conversationId, query));
    return row === undefined ? null : messageOf(row);
  }

  async publicSeqAt(conversationId: string, seq: number): Promise<number> {
    const [row] = await this.#rows(publicSeqAt(postgresQueries, conversationId, seq));
    return row?.seq ?? 0;
  }

  async heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (conversationIds.length === 0) return new Map();
    const rows = await this.#read<{ id: string; last_seq: number }>(headsOf(conversationIds));
    return new Map(rows.map((row) => [fromColumnText(row.id), row.last_seq]));
  }

  async cursors(conversationId: string): Promise<CursorRecord[]> {
    return (await this.#rows(cursorsOf(postgresQueries, conversationId))).map(cursorOf);
  }

  async agents(): Promise<AgentRecord[]> {
    return (await this.#rows(allAgents(postgresQueries))).map(agentOf);
  }

  async activeCount(tenant: string, agentId: string): Promise<number> {
    const [row] = await this.#rows(activeCount(postgresQueries, tenant, agentId));
    return row?.count ?? 0;
  }

  async beginAttachment({ record, quota }: BeginAttachment): Promise<BeginOutcome> {
    this.#checkOpen();
    const row = attachmentColumns(record);
    return this.#lanes.add(`attachments ${row.tenant}`, undefined, () =>
      this.#database.transaction((run) => decideBegin(run, row, quota)),
    );
  }

  async attachment(attachmentId: string): Promise<AttachmentRecord | null> {
    const [row] = await this.#rows(attachmentById(postgresQueries, attachmentId));
    return row === undefined ? null : attachmentOf(row);
  }

  async changeAttachment(change: { record: AttachmentRecord; from: AttachmentRecord['state'] }): Promise<boolean> {
    this.#checkOpen();
    const row = attachmentColumns(change.record);
    return this.#lanes.add(`attachments ${row.tenant}`, undefined, () =>
      this.#database.transaction((run) => decideChange(run, row, change.from)),
    );
  }

  async removeAttachment(record: Pick<AttachmentRecord, 'tenant' | 'id'>): Promise<boolean> {
    this.#checkOpen();
    const [tenant, id] = [columnText(record.tenant), columnText(record.id)];
    return this.#lanes.add(`attachments ${tenant}`, undefined, () =>
      this.#database.transaction((run) => decideRemove(run, tenant, id)),
    );
  }

  async expiredAttachments({ now, limit }: { now: string; limit: number }): Promise<AttachmentRecord[]> {
    return (await this.#rows(expiredAttachments(postgresQueries, now, limit))).map(attachmentOf);
  }

  async knownAttachments(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#read<{ id: string }>(knownOf(ids));
    return new Set(rows.map(({ id }) => fromColumnText(id)));
  }

  async secret(name: string, fresh: string): Promise<string> {
    this.#checkOpen();
    return this.#lanes.add(`secret ${name}`, undefined, async () => {
      const [row] = await this.#database.write<{ value: string }>(secretOf(name, fresh));
      if (row === undefined) throw new TypeError('expected a row');
      return row.value;
    });
  }

  async health(): Promise<string | undefined> {
    return this.#closing === undefined ? this.#database.health() : 'the store is closed';
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#lanes.idle().then(() => this.#database.close());
    }
    return this.#closing;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new DeskwireError('unavailable', 'The store is closed; nothing was kept.');
  }

  async #state(query: CompiledQuery<StateRow>): Promise<ConversationState | null> {
    const [row] = await this.#rows(query);
    return row === undefined ? null : stateOf(row);
  }

  async #rows<R>(query: CompiledQuery<R>): Promise<R[]> {
    return this.#read<R>(encoded(query));
  }

  async #read<R>(statement: Statement): Promise<R[]> {
    this.#checkOpen();
    return this.#database.read<R>(statement);
  }
}
