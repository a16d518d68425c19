import type { Audience } from '../contract/roles.ts';
import type { Note } from './bus.ts';
import type { CursorRecord, StoredEntry } from './store.ts';

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
  readonly cursors: readonly CursorRecord[];
}

/** What follows from entries and notes besides their delivery. */
export interface FeedListener {
  /** The conversation has its first connection here: notes about it arrive from now on. */
  followed(conversationId: string): void;
  /** The last connection is gone, and notes about it do not arrive any more. */
  released(conversationId: string): void;
  /** An entry was delivered here, in the order of the log, whichever node committed it. */
  delivered(entry: StoredEntry): void;
  /** Another node says something else than entries. */
  heard(conversationId: string, note: Exclude<Note, { kind: 'entries' }>, nodeId: string): void;
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
  /** At most one listens. */
  listen(listener: FeedListener): void;
  /** Compares all feeds with the store and reads what notes have not brought. */
  reconcile(): Promise<void>;
}
