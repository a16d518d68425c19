import type { Payload, ReplyData, RequestName } from '../contract/contract.ts';
import type { Limits } from '../contract/limits.ts';
import type { Actor, Tokens, VerifiedToken } from '../ports/actor.ts';
import type { Clock } from '../ports/clock.ts';
import type { Feeds } from '../ports/feeds.ts';
import type { Rooms } from '../ports/rooms.ts';
import type { Store } from '../ports/store.ts';
import type { Agents } from './agents.ts';
import type { Arrivals } from './arrivals.ts';
import type { Links } from './attachments/links.ts';
import type { Uploads } from './attachments/uploads.ts';
import type { Departments } from './departments.ts';
import type { Elsewhere } from './elsewhere.ts';
import type { Journal } from './journal.ts';
import type { Leases } from './leases.ts';
import type { Peers } from './peers.ts';
import type { QueueBoard } from './queue-board.ts';
import type { Revocations } from './revocations.ts';
import type { Roster } from './roster.ts';
import type { Router } from './routing/router.ts';
import type { TypingBoard } from './typing-board.ts';

/** What the verbs work with. */
export interface Desk {
  readonly store: Store;
  readonly journal: Journal;
  readonly feeds: Feeds;
  readonly peers: Peers;
  readonly rooms: Rooms;
  readonly roster: Roster;
  readonly typing: TypingBoard;
  readonly elsewhere: Elsewhere;
  readonly arrivals: Arrivals;
  readonly router: Router;
  readonly board: QueueBoard;
  readonly agents: Agents;
  readonly leases: Leases;
  readonly departments: Departments;
  readonly uploads: Uploads;
  readonly links: Links;
  /** What a customer's message into a closed conversation does. */
  readonly closedConversations: 'reopen' | 'new';
  readonly tokens: Tokens;
  readonly revocations: Revocations;
  readonly clock: Clock;
  readonly limits: Limits;
}

/** The connection that asks. */
export interface Caller {
  readonly connectionId: string;
  readonly actor: Actor;
  /** Says that the request has its place in the log: the next pipelined one may start. */
  readonly sequenced: () => void;
  /** Goes on with a new token of the same actor. */
  readonly renew: (verified: VerifiedToken) => void;
}

/** One request's handler. What it returns is the reply; what it throws is the error. */
export type Verb<N extends RequestName> = (desk: Desk, caller: Caller, payload: Payload<N>) => Promise<ReplyData<N>>;
export type Verbs = { readonly [N in RequestName]: Verb<N> };
