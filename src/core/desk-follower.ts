import { LRUCache } from 'lru-cache';
import type { User } from '../contract/schemas.ts';
import type { Log } from '../ports/log.ts';
import type { Changes } from '../ports/nodes.ts';
import type { ConversationState, StoredEntry } from '../ports/store.ts';
import { announceCommit } from './announce.ts';
import type { Desk } from './desk.ts';
import type { Inactivity } from './inactivity.ts';
import { announceOffer } from './offer.ts';
import type { Peers } from './peers.ts';

export interface DeskFollowerOptions {
  readonly inactivity: Inactivity;
  readonly peers: Peers;
  readonly log: Log;
}

/** Entries that are known to have been followed, and conversations of which it is known what was last learned. */
const REMEMBERED = 200_000;

/**
 * Follows the work of the desk: every entry that changes more than messages, whichever node has committed it, once and in its
 * conversation's order. From it each node knows who waits, who has what and what is offered, tells its own connections, and
 * could at any time do what another node does now.
 */
export class DeskFollower {
  readonly #desk: Desk;
  readonly #options: DeskFollowerOptions;
  /**
   * By conversation and seq. Not the last seq alone: this node's own entry is known before an earlier one of another node is heard of,
   * which is to be followed all the same.
   */
  readonly #followed = new LRUCache<string, true>({ max: REMEMBERED });
  /** lastSeq of the newest state that was learned. */
  readonly #learned = new LRUCache<string, number>({ max: REMEMBERED });
  /** lastSeq with which a conversation was loaded. */
  readonly #loaded = new Map<string, number>();

  constructor(desk: Desk, options: DeskFollowerOptions) {
    this.#desk = desk;
    this.#options = options;
  }

  /** A conversation as it stands when this node starts. */
  load(state: ConversationState): void {
    const { router, leases } = this.#desk;
    this.#loaded.set(state.id, state.lastSeq);
    this.#learned.set(state.id, state.lastSeq);
    router.learn(state);
    this.#options.inactivity.watch(state);
    // Time to come back, for him as for those whose status is stored.
    if (state.assignee !== null) leases.renew(state.tenant, state.assignee.id);
  }

  /** Everything is loaded: what was left undone is done, and from now on what is new elsewhere is followed. */
  start(): void {
    const { feeds, elsewhere, typing, journal } = this.#desk;
    feeds.listen({
      followed: (conversationId) => elsewhere.followed(conversationId),
      released: (conversationId) => {
        elsewhere.released(conversationId);
        this.#desk.arrivals.forget(conversationId);
      },
      heard: (conversationId, note, nodeId) => elsewhere.heard(conversationId, note, nodeId),
      delivered: (entry) => {
        journal.learn(entry);
        if (entry.type === 'message:created' && entry.author !== null)
          typing.stop(entry.conversationId, entry.author, entry.visibility === 'all' ? 'message' : 'stopped');
      },
    });
    this.#options.peers.start({
      learned: (changes, alive) => this.#learn(changes, alive),
      nodesChanged: (gone) => {
        for (const nodeId of gone) elsewhere.forgetNode(nodeId);
        this.#takeOver();
      },
      doubt: (nodeId) => elsewhere.doubt(nodeId),
      compare: () => {
        feeds.reconcile().catch((error: unknown) => {
          this.#options.log.warn({ error }, 'feeds could not be compared with the store');
        });
      },
    });
    this.#takeOver();
  }

  /** Of this node. */
  committed(state: ConversationState, entries: readonly StoredEntry[]): void {
    this.#follow(state, entries);
  }

  #learn({ agents, presences, revocations, conversations }: Changes, alive: ReadonlySet<string>): void {
    const { journal } = this.#desk;
    for (const revocation of revocations) this.#take(() => this.#desk.revocations.learn(revocation));
    for (const record of agents) this.#take(() => this.#desk.agents.learn(record));
    for (const { nodeId, presence } of presences) this.#take(() => this.#desk.agents.learnPresence(nodeId, presence));
    this.#take(() => this.#desk.agents.nodesChanged(alive));
    for (const { state, entries } of conversations) {
      this.#take(() => {
        journal.learnState(state);
        this.#follow(state, entries);
      });
    }
  }

  /** It is not told again: what one piece of news makes fail must not cost the rest. */
  #take(news: () => void): void {
    try {
      news();
    } catch (error) {
      this.#options.log.error({ error }, 'what another node did could not be taken in');
    }
  }

  #follow(state: ConversationState, entries: readonly StoredEntry[]): void {
    const loaded = this.#loaded.get(state.id) ?? 0;
    const fresh = entries.filter(({ seq }) => seq > loaded && !this.#followed.has(keyOf(state.id, seq)));
    if (fresh.length === 0) return;
    for (const { seq } of fresh) this.#followed.set(keyOf(state.id, seq), true);
    const { router, board, agents } = this.#desk;
    const offeredTo: User | undefined = router.offeredTo(state);
    if (state.lastSeq > (this.#learned.get(state.id) ?? 0)) {
      this.#learned.set(state.id, state.lastSeq);
      // Before it is announced: whoever asks for his place then must get it.
      if (state.status !== 'queued') board.left(state.id);
      this.#options.inactivity.watch(state);
      router.committed(state);
    }
    announceCommit(this.#desk, state, fresh, offeredTo);
    for (const entry of fresh) {
      if (entry.type === 'conversation:released' && entry.previousAssignee !== null)
        agents.relieved(state.tenant, entry.previousAssignee.id);
      if (entry.type === 'conversation:updated' && entry.offer?.offerId === state.offer?.offerId)
        announceOffer(this.#desk, state);
    }
  }

  /** What this node does for all of them now, and others may have left undone. */
  #takeOver(): void {
    const { router, agents } = this.#desk;
    for (const tenant of router.tenants) {
      if (!this.#options.peers.owns(tenant)) continue;
      agents.finishLeaving(tenant);
      router.takeOver(tenant);
      this.#options.inactivity.takeOver(tenant);
    }
  }
}

const keyOf = (conversationId: string, seq: number): string => `${conversationId} ${String(seq)}`;
