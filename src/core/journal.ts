import { LRUCache } from 'lru-cache';
import type { ClientKey, ConversationState, OpenOutcome, StoredEntry } from '../ports/store.ts';
import { begin, factsOf, fold } from './fold.ts';
import {
  ConversationWriter,
  published,
  type Decide,
  type WriteOptions,
  type WriteResult,
  type WriterOptions,
} from './conversation-writer.ts';
import { place, type Draft } from './draft.ts';

export interface JournalOptions extends WriterOptions {
  /**
   * Conversations kept in memory; the least recently used are forgotten and read again when needed.
   * @default 20_000
   */
  readonly cachedConversations?: number;
}

/** All changes of conversations go through here: read, decide, append, publish. */
export class Journal {
  readonly #options: JournalOptions;
  readonly #writers: LRUCache<string, ConversationWriter>;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#writers = new LRUCache({ max: options.cachedConversations ?? 20_000 });
  }

  /** The conversation as committed. @throws not_found */
  async read(tenant: string, conversationId: string): Promise<ConversationState> {
    return this.#writer(conversationId).read(tenant);
  }

  /** What another node has committed, or this one. */
  learn(entry: StoredEntry): void {
    this.#writers.peek(entry.conversationId)?.learn(entry);
  }

  /** A conversation as the store has it. */
  learnState(state: ConversationState): void {
    this.#writers.peek(state.id)?.learnState(state);
  }

  /** As read(), from memory alone. */
  peek(conversationId: string): ConversationState | undefined {
    return this.#writers.peek(conversationId)?.committed;
  }

  /**
   * Changes a conversation by what `decide` makes of its state. Writes to one conversation take effect in the order of
   * these calls; each sees the effect of those before it.
   *
   * @throws whatever `decide` throws, not_found, capacity_reached, and the store's errors
   */
  write(tenant: string, conversationId: string, decide: Decide, options?: WriteOptions): Promise<WriteResult> {
    return this.#writer(conversationId).write(tenant, decide, options);
  }

  /** Opens a conversation with its first entries. */
  async open(
    tenant: string,
    conversationId: string,
    drafts: readonly Draft[],
    clientKey: ClientKey | undefined,
  ): Promise<OpenResult> {
    const at = this.#options.clock.now();
    const entries = drafts.map((draft, index) => place(draft, conversationId, index + 1, at));
    const [first, ...rest] = entries;
    if (first === undefined) throw new Error('a conversation opens with an entry');
    const state = rest.reduce(fold, begin(tenant, first));
    const facts = factsOf(state);
    const outcome = await this.#options.store.open({ facts, entries, ...(clientKey && { clientKey }) });
    if (outcome.kind !== 'committed') return outcome;
    this.#writer(conversationId).loaded(state);
    published(this.#options, state, entries);
    return { kind: 'opened', state, entries };
  }

  #writer(conversationId: string): ConversationWriter {
    let writer = this.#writers.get(conversationId);
    if (writer === undefined) {
      writer = new ConversationWriter(conversationId, this.#options);
      this.#writers.set(conversationId, writer);
    }
    return writer;
  }
}

export type OpenResult =
  | { kind: 'opened'; state: ConversationState; entries: readonly StoredEntry[] }
  | Exclude<OpenOutcome, { kind: 'committed' }>;
