import type { CompiledQuery } from 'kysely';
import { DeskwireError } from '../contract/errors.ts';
import type {
  AgentRecord,
  AttachmentRecord,
  ClientIdQuery,
  ConversationPage,
  ConversationQuery,
  ConversationState,
  CursorRecord,
  Revocation,
  StoredEntry,
} from '../ports/store.ts';
import { agentOf, allAgents } from './queries/agents.ts';
import { attachmentById, attachmentOf, expiredAttachments } from './queries/attachments.ts';
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
} from './queries/conversations.ts';
import { cursorOf, cursorsOf } from './queries/cursors.ts';
import { type BodyRow, entryAt, entryOf, messageInConversation, messageOf, publicSeqAt } from './queries/entries.ts';
import { allRevocations, revocationOf } from './queries/revocations.ts';
import type { QueryBuilder } from './queries/tables.ts';

/** What stores on SQL databases have in common: the reads that are the same queries for all of them, and their end. */
export abstract class SqlStore {
  readonly #queries: QueryBuilder;
  #closing: Promise<void> | undefined;

  constructor(queries: QueryBuilder) {
    this.#queries = queries;
  }

  /** @throws DeskwireError `unavailable` also once the store is closed, as the next one does */
  protected abstract rows<R>(query: CompiledQuery<R>): Promise<R[]>;
  /** The message of a client id, in any conversation of the customer that has no name. */
  protected abstract unnamedMessage(query: ClientIdQuery): Promise<BodyRow[]>;
  /** Called once, by the first `close`. */
  protected abstract shutDown(): Promise<void>;

  async conversation(tenant: string, conversationId: string): Promise<ConversationState | null> {
    return this.#state(conversationById(this.#queries, tenant, conversationId));
  }

  async currentConversation(tenant: string, customerId: string): Promise<ConversationState | null> {
    return this.#state(currentConversation(this.#queries, tenant, customerId));
  }

  async namedConversation(
    tenant: string,
    customerId: string,
    clientConversationId: string,
  ): Promise<ConversationState | null> {
    return this.#state(namedConversation(this.#queries, tenant, customerId, clientConversationId));
  }

  async listConversations(query: ConversationQuery): Promise<ConversationPage> {
    return conversationPage(await this.rows(conversationList(this.#queries, query)), query.limit);
  }

  async openConversations(query: { cursor?: string | undefined; limit: number }): Promise<ConversationPage> {
    return conversationPage(await this.rows(openConversationList(this.#queries, query)), query.limit);
  }

  async entry(conversationId: string, seq: number): Promise<StoredEntry | null> {
    const [row] = await this.rows(entryAt(this.#queries, conversationId, seq));
    return row === undefined ? null : entryOf(row);
  }

  async messageByClientId(query: ClientIdQuery): Promise<StoredEntry<'message:created'> | null> {
    const { tenant, conversationId } = query;
    const [row] =
      conversationId === undefined
        ? await this.unnamedMessage(query)
        : await this.rows(messageInConversation(this.#queries, tenant, conversationId, query));
    return row === undefined ? null : messageOf(row);
  }

  async publicSeqAt(conversationId: string, seq: number): Promise<number> {
    const [row] = await this.rows(publicSeqAt(this.#queries, conversationId, seq));
    return row?.seq ?? 0;
  }

  async cursors(conversationId: string): Promise<CursorRecord[]> {
    return (await this.rows(cursorsOf(this.#queries, conversationId))).map(cursorOf);
  }

  async agents(): Promise<AgentRecord[]> {
    return (await this.rows(allAgents(this.#queries))).map(agentOf);
  }

  async revocations(): Promise<Revocation[]> {
    return (await this.rows(allRevocations(this.#queries))).map(revocationOf);
  }

  async activeCount(tenant: string, agentId: string): Promise<number> {
    const [row] = await this.rows(activeCount(this.#queries, tenant, agentId));
    return row?.count ?? 0;
  }

  async attachment(attachmentId: string): Promise<AttachmentRecord | null> {
    const [row] = await this.rows(attachmentById(this.#queries, attachmentId));
    return row === undefined ? null : attachmentOf(row);
  }

  async expiredAttachments({ now, limit }: { now: string; limit: number }): Promise<AttachmentRecord[]> {
    return (await this.rows(expiredAttachments(this.#queries, now, limit))).map(attachmentOf);
  }

  close(): Promise<void> {
    this.#closing ??= this.shutDown();
    return this.#closing;
  }

  protected get closed(): boolean {
    return this.#closing !== undefined;
  }

  protected checkOpen(): void {
    if (this.closed) throw new DeskwireError('unavailable', 'The store is closed; nothing was kept.');
  }

  async #state(query: CompiledQuery<StateRow>): Promise<ConversationState | null> {
    const [row] = await this.rows(query);
    return row === undefined ? null : stateOf(row);
  }
}
