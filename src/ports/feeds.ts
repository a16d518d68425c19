import type { Audience } from '../contract/roles.ts';
import type { StoredEntry } from './store.ts';

export interface JoinRequest {
  readonly connectionId: string;
  readonly conversationId: string;
  readonly audience: Audience;
  /** The last seq the connection has; undefined: start with the newest `limit` entries. */
  readonly afterSeq?: number;
  readonly limit: number;
  /** The page ends before it has more bytes of JSON than this, but for its first entry. */
  readonly maxBytes: number;
}

export type FollowRequest = Omit<JoinRequest, 'limit' | 'maxBytes' | 'afterSeq'> & { readonly afterSeq: number };

export interface JoinPage {
  readonly entries: StoredEntry[];
  readonly hasMore: boolean;
}

/**
 * Ordered delivery of entries to connections. In the contract: a live connection gets each entry of its audience once,
 * in seq order, starting right after the page with which it became live. Not in the contract: who may join.
 */
export interface Feeds {
  /** Reads a page; when it meets the head the connection is live as of the same tick in which this resolves. */
  join(request: JoinRequest): Promise<JoinPage>;
  /** Like join, but what follows `afterSeq` arrives as events, however much it is. */
  follow(request: FollowRequest): Promise<void>;
  leave(connectionId: string, conversationId: string): void;
  isLive(connectionId: string, conversationId: string): boolean;
  /** Entries that this process has just committed, in the order of their commits. */
  committed(conversationId: string, entries: readonly StoredEntry[]): void;
}
