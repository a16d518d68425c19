import type { EventPayload } from '../contract/contract.ts';
import type { User } from '../contract/schemas.ts';
import type { Revocation, StoredEntry } from './store.ts';

/** What a node tells the others of one conversation. */
export type Note =
  /** They were committed. */
  | { readonly kind: 'entries'; readonly entries: readonly StoredEntry[] }
  /** Who is in it on the node that says so, and who types there; `ask`: the others are to say so too. */
  | {
      readonly kind: 'here';
      readonly users: readonly User[];
      readonly typists: readonly TypistNote[];
      readonly ask?: boolean;
    }
  | { readonly kind: 'typing-started'; readonly typist: TypistNote }
  | { readonly kind: 'typing-stopped'; readonly user: User; readonly reason: TypingEnd };

/** Why typing ended. */
export type TypingEnd = EventPayload<'typing:stopped'>['reason'];

/** Somebody who types, as far as others are to know. */
export interface TypistNote {
  readonly tenant: string;
  readonly user: User;
  /** Shown to staff alone: a customer does not see who only looks on. */
  readonly staffOnly: boolean;
  /** Shown to staff. */
  readonly preview?: string;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/**
 * Notes between nodes. In the contract: after `subscribe` has resolved, a note that another node publishes is usually delivered, with
 * that node's id. Not in the contract: that it is. A bus may lose, repeat and reorder; what is durable is mended from
 * the store. A node does not get its own notes back. No method throws or waits because the bus is down.
 */
export interface Bus {
  /** Whether the others can be told. */
  readonly connected: boolean;
  publish(conversationId: string, note: Note): void;
  /** Resolves once the subscription is in force; at once when the bus is down: it comes into force when the bus is back. */
  subscribe(conversationId: string, listener: (note: Note, nodeId: string) => void): Promise<() => void>;
  /** Tells all other nodes to look into the store for what has changed. */
  nudge(): void;
  onNudge(listener: () => void): void;
  /** Tells all other nodes that this one can be heard, and nothing else. */
  greet(): void;
  /** Another node greeted, or nudged. */
  onGreeting(listener: (nodeId: string) => void): void;
  /**
   * Another node has lost some of its notes, or some of those to it: what it said last is not to be relied on, and what it was told last may
   * not have reached it. Told about once a second at most.
   */
  onLoss(listener: (nodeId: string) => void): void;
  /** Tells all other nodes of one that is stored: who can't reach the store must not let in, or keep, whom others have shown out. */
  revoke(revocation: Revocation): void;
  onRevocation(listener: (revocation: Revocation) => void): void;
  /** The bus is back, with its subscriptions in force, or gone. */
  onConnected(listener: (connected: boolean) => void): void;
  close(): Promise<void>;
}
