import type { Identity } from '../support/server.ts';
import type { AcknowledgedChange } from './history.ts';

/** What the run and its client processes say to each other. */

export interface Setup {
  readonly seed: number;
  /** Number of this process, from 0; its names begin with it. */
  readonly index: number;
  readonly tenant: string;
  /** One address for each node. */
  readonly urls: readonly string[];
  readonly conversations: number;
  readonly agents: number;
  readonly supervisors: number;
  /** Messages a second, and altogether, of this process. */
  readonly rate: number;
  readonly messages: number;
  /** Claims, releases, transfers and assignments a second. */
  readonly changesPerSecond: number;
  readonly agentLeaseMs: number;
}

export type ToClients =
  | { readonly kind: 'setup'; readonly setup: Setup }
  | { readonly kind: 'go' }
  /** How many faults are under way. */
  | { readonly kind: 'faults'; readonly count: number }
  /** Nothing is issued any more. */
  | { readonly kind: 'enough' }
  /** No more changes, and nobody stays away. */
  | { readonly kind: 'calm' }
  /** Says `arrived` when every member has come to the end of each of his conversations. */
  | { readonly kind: 'arrive'; readonly heads: Readonly<Record<string, Head>>; readonly withinMs: number }
  | { readonly kind: 'dump' };

/** Last seqs of a conversation: of all entries, and of those that customers see. */
export interface Head {
  readonly last: number;
  readonly lastPublic: number;
}

export type FromClients =
  | { readonly kind: 'ready'; readonly conversationIds: readonly string[] }
  | ({ readonly kind: 'progress' } & Progress)
  | { readonly kind: 'arrived'; readonly problems: readonly string[] }
  | { readonly kind: 'seat'; readonly seat: SeatDump }
  | { readonly kind: 'dumped'; readonly totals: ClientTotals };

export interface Progress {
  readonly issued: number;
  readonly acknowledged: number;
  /** All are issued and acknowledged. */
  readonly done: boolean;
}

/** A member's part in one conversation; columns of equal length belong together. */
export interface SeatDump {
  readonly conversationId: string;
  readonly member: string;
  readonly role: Identity['role'];
  readonly sent: number;
  readonly acks: {
    readonly numbers: Int32Array;
    readonly seqs: Int32Array;
    readonly digests: Int32Array;
    readonly connections: Int32Array;
    readonly places: Int32Array;
    readonly duplicates: Int32Array;
  };
  /** Incarnation `i` began at index `starts[i]` of `seqs` and `digests`. */
  readonly stream: {
    readonly starts: Int32Array;
    readonly afterSeqs: Int32Array;
    readonly seqs: Int32Array;
    readonly digests: Int32Array;
  };
  readonly changes: readonly AcknowledgedChange[];
}

export interface ClientTotals {
  readonly emissions: number;
  readonly connections: number;
  readonly heldBackMs: number;
  /** Answers that were no success, by request and code. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Refusals for good of what must not be refused. */
  readonly wrong: readonly string[];
  readonly ackMsOutside: Int32Array;
  readonly ackMsInside: Int32Array;
  /** Longest time in which nobody of this process got an acknowledgement although one was due. */
  readonly longestSilenceMs: number;
}
