import type { StoredEntry } from './store.ts';

/** Something was committed to a conversation. */
export interface Hint {
  readonly conversationId: string;
  readonly entries: readonly StoredEntry[];
}

/**
 * Hints between nodes. In the contract: after `subscribe` has resolved, a hint published by another node is usually
 * delivered. Not in the contract: that it is. A bus may lose, repeat and reorder; feeds mend it from the store. A node
 * does not get its own hints back.
 */
export interface Bus {
  publish(hint: Hint): void;
  /** Resolves once the subscription is in force. */
  subscribe(conversationId: string, listener: (hint: Hint) => void): Promise<() => void>;
  close(): Promise<void>;
}
