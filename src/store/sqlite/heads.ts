/** Where a conversation's log stands, as its only writer knows it. */
export interface Head {
  /** conversations.n */
  readonly n: number;
  readonly tenant: string;
  lastSeq: number;
  /** Seqs of messages by `clientKey`; null until a write asks for it. */
  keys: Map<string, number> | null;
}

/** The length keeps two pairs from making one text. */
export const clientKey = (authorId: string, clientId: string): string =>
  `${String(authorId.length)}:${authorId}${clientId}`;

const weightOf = (head: Head): number => 1 + (head.keys?.size ?? 0);

/**
 * Heads of the conversations written to lately. Forgetting one is harmless: it is read from the log again.
 *
 * Two generations: when the young one is full it becomes the old one, and what was in the old one and not asked for
 * since is gone. So heads may grow while they are kept, which a cache that weighs things as they enter doesn't see.
 */
export class HeadCache {
  readonly #maxWeight: number;
  #young = new Map<string, Head>();
  #old = new Map<string, Head>();
  #youngWeight = 0;

  /** @param maxKeys conversations plus client ids kept; a hundred bytes each, roughly. */
  constructor(maxKeys: number) {
    this.#maxWeight = Math.max(1, maxKeys / 2);
  }

  get(conversationId: string): Head | undefined {
    const young = this.#young.get(conversationId);
    if (young !== undefined) return young;
    const old = this.#old.get(conversationId);
    if (old === undefined) return undefined;
    this.#old.delete(conversationId);
    this.add(conversationId, old);
    return old;
  }

  add(conversationId: string, head: Head): void {
    this.#young.set(conversationId, head);
    this.grew(weightOf(head));
  }

  /** A kept head got so many keys more. */
  grew(keyCount: number): void {
    this.#youngWeight += keyCount;
    if (this.#youngWeight <= this.#maxWeight) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngWeight = 0;
  }

  clear(): void {
    this.#young = new Map();
    this.#old = new Map();
    this.#youngWeight = 0;
  }
}
