import type { User } from '../contract/schemas.ts';
import type { AgentRecord, ConversationState, Revocation, StoredEntry } from './store.ts';

/** What a node says of itself; nodes of one desk should agree on all but the first two. */
export interface NodeInfo {
  readonly version: string;
  readonly startedAt: string;
  /** Of the keys that tokens are checked with, and of the settings that all nodes must share. No secret can be found from them. */
  readonly fingerprints: Readonly<Record<string, string>>;
}

/** Somebody who answers, as one node sees him: what the tokens of his connections there say, and whether he is there. */
export interface Presence extends Pick<AgentRecord, 'tenant' | 'maxChats' | 'departments' | 'skills'> {
  readonly user: User;
  /** A connection of his is open there. */
  readonly connected: boolean;
  /** He was heard of there within limits.agentLeaseMs. */
  readonly live: boolean;
}

export interface Beat {
  readonly nodeId: string;
  readonly info: NodeInfo;
  /** Those of this node's that have changed since the last beat. */
  readonly presences: readonly Presence[];
  /** From the last beat's answer; null: the first, which gives a mark and all presences, but nothing of what the store can be asked for. */
  readonly mark: string | null;
  /** A node that has not been heard of for so long counts as dead; by the clock of the database. */
  readonly nodeLeaseMs: number;
}

/** What is new since a mark. Everything is told at least once, in each conversation in the order of its log; some of it again. */
export interface Changes {
  readonly mark: string;
  /** Nodes that are alive, this one too. */
  readonly nodes: readonly { readonly id: string; readonly info: NodeInfo }[];
  /** Of other nodes, alive or dead. */
  readonly presences: readonly { readonly nodeId: string; readonly presence: Presence }[];
  readonly agents: readonly AgentRecord[];
  readonly revocations: readonly Revocation[];
  /** Where more than messages was added: those entries, and the state as it is now. */
  readonly conversations: readonly { readonly state: ConversationState; readonly entries: readonly StoredEntry[] }[];
}

/**
 * The nodes that share a store, and what each should know of the others. In the contract: a change that was committed before `beat` was
 * called is in its answer or was in an earlier one. Not in the contract: when others call it.
 */
export interface Nodes {
  /** Renews this node's lease, tells what is new here, and asks what is new elsewhere. @throws DeskwireError unavailable, timeout */
  beat(beat: Beat): Promise<Changes>;
  /** This node ends: it counts as dead at once. */
  leave(nodeId: string): Promise<void>;
}
