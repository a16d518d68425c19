import type { CompiledQuery } from 'kysely';
import { DeskwireError } from '../../contract/errors.ts';
import { isoTime } from '../../ports/clock.ts';
import type {
  AgentRecord,
  Append,
  AppendOutcome,
  AttachmentRecord,
  BeginAttachment,
  BeginOutcome,
  ClientIdQuery,
  ConversationState,
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
import { cursorOf } from '../queries/cursors.ts';
import type { BodyRow } from '../queries/entries.ts';
import { attachmentColumns } from '../queries/rows.ts';
import { SqlStore } from '../sql-store.ts';
import { encoded, postgresQueries } from './compiler.ts';
import type { Statement } from './connect.ts';
import type { Database } from './database.ts';
import { appendRow, decideAppend, plainAppend } from './decide-append.ts';
import { decideBegin, decideChange, decideRemove } from './decide-attachment.ts';
import { decideOpen, openRow } from './decide-open.ts';
import { gatheredReads } from './gathered-reads.ts';
import type { Lanes } from './lanes.ts';
import type { CursorSeqs, PlainCursor } from './pending.ts';
import {
  type PageKind,
  type PageRow,
  type PlacedStateRow,
  type StateQuery,
  headsOf,
  knownOf,
  pageKindOf,
  pagesFrom,
  pagesOf,
  statesFrom,
  statesOf,
  unnamedOf,
} from './reads.ts';
import { moveCursor, saveAgent, saveRevocation, sayStatus, secretOf, statusAtOf } from './single-writes.ts';

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

/** The store's calls: what each is as columns, which order it has among others, and how it is read. */
export class PostgresStore extends SqlStore implements Store {
  readonly #database: Database;
  readonly #lanes: Lanes;
  readonly #states = gatheredReads(async (queries: readonly StateQuery[]) =>
    statesFrom(queries, await this.#read<PlacedStateRow>(statesOf(queries))),
  );
  readonly #pages: Readonly<Record<PageKind, (query: EntryQuery) => Promise<EntryPage | null>>> = {
    'staff newest first': this.#pagesOf('staff newest first'),
    'staff oldest first': this.#pagesOf('staff oldest first'),
    'public newest first': this.#pagesOf('public newest first'),
    'public oldest first': this.#pagesOf('public oldest first'),
  };

  constructor(database: Database, lanes: Lanes) {
    super(postgresQueries);
    this.#database = database;
    this.#lanes = lanes;
  }

  async append(write: Append): Promise<AppendOutcome> {
    this.checkOpen();
    const row = appendRow(write);
    return this.#lanes.add(`conversation ${row.conversationId}`, plainAppend(row, write.chain), () =>
      chained(write.chain, () => this.#database.transaction((run) => decideAppend(run, row))),
    );
  }

  async open(write: Open): Promise<OpenOutcome> {
    this.checkOpen();
    const row = openRow(write);
    const { tenant, customerId } = row.conversation;
    return this.#lanes.add(`customer ${tenant} ${customerId}`, undefined, () =>
      this.#database.transaction((run) => decideOpen(run, row)),
    );
  }

  async moveCursor(move: CursorMove): Promise<CursorRecord> {
    this.checkOpen();
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
    this.checkOpen();
    const [tenant, agentId, record] = [columnText(agent.tenant), columnText(agent.user.id), JSON.stringify(agent)];
    return this.#lanes.add(`agent ${tenant} ${agentId}`, undefined, async () => {
      await this.#database.write(saveAgent(tenant, agentId, agent.statusAt, record));
    });
  }

  async sayStatus(agent: AgentRecord): Promise<AgentRecord> {
    this.checkOpen();
    const [tenant, agentId] = [columnText(agent.tenant), columnText(agent.user.id)];
    return this.#lanes.add(`agent ${tenant} ${agentId}`, undefined, async () => {
      for (let said = agent; ;) {
        const [written] = await this.#database.write(sayStatus(tenant, agentId, said.statusAt, JSON.stringify(said)));
        if (written !== undefined) return said;
        const [known] = await this.#database.read<{ status_at: string }>(statusAtOf(tenant, agentId));
        if (known !== undefined) said = { ...said, statusAt: isoTime(Date.parse(known.status_at) + 1) };
      }
    });
  }

  async saveRevocation({ tenant, userId, revokedAt }: Revocation): Promise<void> {
    this.checkOpen();
    const [company, user] = [columnText(tenant), columnText(userId)];
    return this.#lanes.add(`revocation ${company} ${user}`, undefined, async () => {
      await this.#database.write(saveRevocation(company, user, revokedAt));
    });
  }

  override conversation(tenant: string, conversationId: string): Promise<ConversationState | null> {
    return this.#states({ tenant, conversationId });
  }

  entries(query: EntryQuery): Promise<EntryPage | null> {
    return this.#pages[pageKindOf(query)](query);
  }

  async heads(conversationIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (conversationIds.length === 0) return new Map();
    const rows = await this.#read<{ id: string; last_seq: number }>(headsOf(conversationIds));
    return new Map(rows.map((row) => [fromColumnText(row.id), row.last_seq]));
  }

  async beginAttachment({ record, quota }: BeginAttachment): Promise<BeginOutcome> {
    this.checkOpen();
    const row = attachmentColumns(record);
    return this.#lanes.add(`attachments ${row.tenant}`, undefined, () =>
      this.#database.transaction((run) => decideBegin(run, row, quota)),
    );
  }

  async changeAttachment(change: { record: AttachmentRecord; from: AttachmentRecord['state'] }): Promise<boolean> {
    this.checkOpen();
    const row = attachmentColumns(change.record);
    return this.#lanes.add(`attachments ${row.tenant}`, undefined, () =>
      this.#database.transaction((run) => decideChange(run, row, change.from)),
    );
  }

  async removeAttachment(record: Pick<AttachmentRecord, 'tenant' | 'id'>): Promise<boolean> {
    this.checkOpen();
    const [tenant, id] = [columnText(record.tenant), columnText(record.id)];
    return this.#lanes.add(`attachments ${tenant}`, undefined, () =>
      this.#database.transaction((run) => decideRemove(run, tenant, id)),
    );
  }

  async knownAttachments(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.#read<{ id: string }>(knownOf(ids));
    return new Set(rows.map(({ id }) => fromColumnText(id)));
  }

  async secret(name: string, fresh: string): Promise<string> {
    this.checkOpen();
    return this.#lanes.add(`secret ${name}`, undefined, async () => {
      const [row] = await this.#database.write<{ value: string }>(secretOf(name, fresh));
      if (row === undefined) throw new TypeError('expected a row');
      return row.value;
    });
  }

  async health(): Promise<string | undefined> {
    return this.closed ? 'the store is closed' : this.#database.health();
  }

  protected rows<R>(query: CompiledQuery<R>): Promise<R[]> {
    return this.#read<R>(encoded(query));
  }

  protected unnamedMessage(query: ClientIdQuery): Promise<BodyRow[]> {
    return this.#read<BodyRow>(unnamedOf(query));
  }

  protected async shutDown(): Promise<void> {
    await this.#lanes.idle();
    await this.#database.close();
  }

  #pagesOf(kind: PageKind): (query: EntryQuery) => Promise<EntryPage | null> {
    return gatheredReads(async (queries: readonly EntryQuery[]) =>
      pagesFrom(queries, await this.#read<PageRow>(pagesOf(kind, queries))),
    );
  }

  async #read<R>(statement: Statement): Promise<R[]> {
    this.checkOpen();
    return this.#database.read<R>(statement);
  }
}
