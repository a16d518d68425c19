import { DeskwireError } from '../../contract/errors.ts';
import type { EntryOf, Offer, User } from '../../contract/schemas.ts';
import type { Limits } from '../../contract/limits.ts';
import { isoTime, type Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { ConversationState } from '../../ports/store.ts';
import type { Departments } from '../departments.ts';
import { assignedDraft } from '../draft.ts';
import { newOfferId } from '../ids.ts';
import type { WriteResult } from '../conversation-writer.ts';
import type { Journal } from '../journal.ts';
import { Alarms } from './alarms.ts';
import { Floor, type Placement } from './floor.ts';
import type { Seat } from './seat.ts';
import type { StrategyName } from './strategies.ts';

export interface RouterOptions {
  /** Asked for when it is first needed: the journal tells the router of its commits, and each needs the other. */
  readonly journal: () => Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Limits;
  readonly strategy: StrategyName;
  readonly departments: Departments;
  /** Whether this node routes for a tenant. Every node knows all that is needed for it; one acts. */
  readonly owns: (tenant: string) => boolean;
  /** Given when other nodes change what is decided on: brings what is known here to where the store is. */
  readonly refresh?: () => Promise<void>;
  /** Places in a queue may have changed. */
  readonly onQueueChange: (tenant: string, department: string | null) => void;
}

/** The first try after a failed one comes at once; then the pauses double, up to this. */
const MAX_RETRY_MS = 5_000;
const FIRST_RETRY_MS = 50;
const LOOK_AGAIN_MS = 86_400_000;
/** How soon what is another node's to do is looked at again, should it have become this one's. */
const NOT_OURS_MS = 2_000;

/**
 * Carries out what the floors decide, as entries, and keeps the times that hang on them: offers that expire, agents who may be
 * asked again, departments that open. All of it is made again from the log when the process starts.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #floors = new Map<string, Floor>();
  readonly #failures = new Map<string, number>();
  /** Tenants that are drained once what is known is brought up to date. */
  readonly #pumping = new Set<string>();
  /** Offers whose end is being written. */
  readonly #ending = new Set<string>();
  readonly #offers: Alarms;
  readonly #passes: Alarms;
  readonly #retries: Alarms;
  readonly #hours: Alarms;

  constructor(options: RouterOptions) {
    this.#options = options;
    const { clock } = options;
    this.#offers = new Alarms(clock);
    this.#passes = new Alarms(clock);
    this.#retries = new Alarms(clock);
    this.#hours = new Alarms(clock);
    this.#awaitHours();
  }

  /** Decides nothing by itself any more: what is left is done after the next start. */
  stop(): void {
    for (const alarms of [this.#offers, this.#passes, this.#retries, this.#hours]) alarms.stop();
  }

  floor(tenant: string): Floor {
    let floor = this.#floors.get(tenant);
    if (floor === undefined) {
      const { strategy, departments, clock, limits, onQueueChange } = this.#options;
      floor = new Floor({
        strategy,
        departments,
        now: () => clock.now(),
        passMs: limits.passMs,
        onQueueChange: (department) => onQueueChange(tenant, department),
      });
      this.#floors.set(tenant, floor);
    }
    return floor;
  }

  get waitingCount(): number {
    return [...this.#floors.values()].reduce((sum, floor) => sum + floor.waitingCount, 0);
  }

  /** People who are online, of all tenants. */
  get onlineCount(): number {
    let count = 0;
    for (const floor of this.#floors.values()) {
      for (const seat of floor.seats) if (seat.available && !seat.isBot) count += 1;
    }
    return count;
  }

  /** To whom a conversation is offered, as far as the router has heard. */
  offeredTo({ tenant, id }: ConversationState): User | undefined {
    const waiting = this.floor(tenant).waiting(id);
    return waiting?.placing === undefined ? waiting?.holder?.user : undefined;
  }

  /** Learns of a conversation as it is committed, without acting on it yet. */
  learn(state: ConversationState): void {
    this.floor(state.tenant).sync(state);
    const { id, tenant, offer } = state;
    if (offer === null) this.#offers.cancel(id);
    else this.#awaitExpiry(tenant, id, offer, Date.parse(offer.expiresAt));
    if (state.status === 'queued') {
      this.#awaitPass(tenant, id);
      return;
    }
    this.#failures.delete(id);
    this.#passes.cancel(id);
    this.#retries.cancel(id);
  }

  /** A conversation changed: whoever can be placed now is. */
  committed(state: ConversationState): void {
    this.learn(state);
    const { tenant, id, status, assignee, offer } = state;
    if (!this.#options.owns(tenant)) return;
    const user = status === 'assigned' ? assignee : offer?.agent;
    const seat = user && this.floor(tenant).seat(user.id);
    // His lease ended while this was being written.
    if (status === 'assigned' && seat?.leased === false) void this.#giveBack(tenant, id, seat, 'agent_disconnected');
    // What he has taken may leave no room for what is offered to him, and he may have left while it was offered.
    if (seat) this.withdraw(tenant, seat);
    this.pump(state.tenant);
  }

  /** This node routes for a tenant from now on: what others have left undone is done. */
  takeOver(tenant: string): void {
    for (const seat of this.floor(tenant).seats) {
      if (seat.leased) this.withdraw(tenant, seat);
      else this.vacate(tenant, seat, 'agent_disconnected');
    }
    this.pump(tenant);
  }

  /** Tenants that anything is known of. */
  get tenants(): string[] {
    return [...this.#floors.keys()];
  }

  /** Places what can be placed. */
  pump(tenant: string): void {
    const { owns, refresh } = this.#options;
    if (!owns(tenant)) return;
    if (refresh === undefined) {
      this.#drain(tenant);
      return;
    }
    // Whoever has been told that he is away now gets nothing that comes after it, whichever node told him.
    if (this.#pumping.has(tenant)) return;
    this.#pumping.add(tenant);
    void refresh().then(() => {
      this.#pumping.delete(tenant);
      if (owns(tenant)) this.#drain(tenant);
    });
  }

  /** An agent's conversations, those that he got by `untilMs`, go back to the queue, and his offers to others. */
  vacate(tenant: string, seat: Seat, reason: 'agent_disconnected' | 'agent_offline', untilMs = Infinity): void {
    this.withdraw(tenant, seat);
    const given = this.floor(tenant).activeOf(seat, untilMs);
    // The first to be given back is the first to be placed again: a store of many nodes writes to several conversations at once.
    if (this.#options.refresh === undefined)
      for (const conversationId of given) void this.#giveBack(tenant, conversationId, seat, reason);
    else void this.#giveBackInTurn(tenant, given, seat, reason);
  }

  /** Offers that an agent can't take up any more are not waited for. */
  withdraw(tenant: string, seat: Seat): void {
    if (!this.#options.owns(tenant)) return;
    const floor = this.floor(tenant);
    for (const conversationId of floor.lapsed(seat)) {
      this.#endOffer(tenant, conversationId, 'withdrawn', ({ agent }) => {
        return agent.id === seat.id && floor.lapsed(seat).includes(conversationId);
      });
    }
  }

  #drain(tenant: string): void {
    for (const placement of this.floor(tenant).drain()) this.#carryOut(tenant, placement);
  }

  #carryOut(tenant: string, placement: Placement): void {
    const { conversationId, seat, mode, decision } = placement;
    const { clock, limits, log } = this.#options;
    const written = this.#options.journal().write(tenant, conversationId, (state) => {
      if (state.status !== 'queued' || state.offer !== null || !seat.available) return undefined;
      if (mode === 'offer') {
        const expiresAt = isoTime(clock.now() + limits.offerMs);
        const offer = { offerId: newOfferId(), agent: seat.user, expiresAt, decision };
        return { entries: [{ type: 'conversation:updated', author: null, visibility: 'staff', offer }] };
      }
      return {
        entries: [assignedDraft(state, { author: null, assignee: seat.user, reason: 'routed', decision })],
        capacityGuard: { agentId: seat.id, capacity: seat.capacity },
      };
    });
    written.then(
      (result) => {
        const placed = result.kind === 'committed';
        this.floor(tenant).settle(placement, placed);
        if (placed) return;
        // An earlier write may have been kept although it seemed to fail: then this state is news.
        this.learn(result.state);
        this.#tryAgain(tenant, conversationId);
      },
      (error: unknown) => {
        // Somebody else has given him the last place: nothing is wrong.
        const full = error instanceof DeskwireError && error.code === 'capacity_reached';
        const context = { error, conversationId, agentId: seat.id };
        if (full) log.debug(context, 'an agent was filled by others first');
        else log.warn(context, 'a conversation could not be routed');
        this.floor(tenant).settle(placement, false);
        this.#tryAgain(tenant, conversationId);
      },
    );
  }

  #tryAgain(tenant: string, conversationId: string): void {
    if (this.floor(tenant).waiting(conversationId) === undefined) return;
    const failures = this.#failures.get(conversationId) ?? 0;
    this.#failures.set(conversationId, failures + 1);
    const pauseMs = failures === 0 ? 0 : Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
    this.#retries.set(conversationId, this.#options.clock.now() + pauseMs, () => {
      this.floor(tenant).resume(conversationId);
      this.pump(tenant);
    });
  }

  #awaitExpiry(tenant: string, conversationId: string, offer: Offer, atMs: number): void {
    this.#offers.set(conversationId, atMs, () => {
      const { owns, clock } = this.#options;
      if (owns(tenant)) this.#endOffer(tenant, conversationId, 'expired', ({ offerId }) => offerId === offer.offerId);
      else this.#awaitExpiry(tenant, conversationId, offer, clock.now() + NOT_OURS_MS);
    });
  }

  /** Ends the standing offer of a conversation, if there is one and it is `due` when that is written. */
  #endOffer(
    tenant: string,
    conversationId: string,
    offerOutcome: NonNullable<EntryOf<'conversation:updated'>['offerOutcome']>,
    due: (offer: Offer) => boolean,
  ): void {
    const key = `offer:${conversationId}`;
    if (this.#ending.has(key)) return;
    this.#ending.add(key);
    const end = (): Promise<WriteResult> =>
      this.#options.journal().write(tenant, conversationId, ({ offer }) => {
        if (offer === null || !due(offer)) return undefined;
        return {
          entries: [{ type: 'conversation:updated', author: null, visibility: 'staff', offer: null, offerOutcome }],
        };
      });
    void this.#persist(end, key);
  }

  async #giveBackInTurn(
    tenant: string,
    conversationIds: readonly string[],
    seat: Seat,
    reason: 'agent_disconnected' | 'agent_offline',
  ): Promise<void> {
    for (const conversationId of conversationIds) await this.#giveBack(tenant, conversationId, seat, reason);
  }

  /** Resolves after the first try. */
  #giveBack(
    tenant: string,
    conversationId: string,
    seat: Seat,
    reason: 'agent_disconnected' | 'agent_offline',
  ): Promise<void> {
    const release = (): Promise<WriteResult> =>
      this.#options.journal().write(tenant, conversationId, (state) => {
        if (state.status !== 'assigned' || state.assignee?.id !== seat.id) return undefined;
        // He is back before it was written.
        if (reason === 'agent_disconnected' ? seat.leased : seat.status !== 'offline') return undefined;
        return {
          entries: [
            {
              type: 'conversation:released',
              author: null,
              visibility: 'all',
              assignee: null,
              previousAssignee: state.assignee,
              fence: state.fence + 1,
              reason,
            },
          ],
        };
      });
    return this.#persist(release, `back:${conversationId}`);
  }

  /** Nobody waits for an answer here who would try again: it is tried until the store takes it. */
  #persist(write: () => Promise<WriteResult>, key: string, failures = 0): Promise<void> {
    const { log, clock } = this.#options;
    return write().then(
      (result) => {
        this.#ending.delete(key);
        if (result.kind === 'unchanged') this.learn(result.state);
      },
      (error: unknown) => {
        log.warn({ error, key }, 'routing could not write; it tries again');
        const pauseMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
        this.#retries.set(key, clock.now() + pauseMs, () => void this.#persist(write, key, failures + 1));
      },
    );
  }

  /** At the earliest instant at which somebody may be asked again, it is looked at again. */
  #awaitPass(tenant: string, conversationId: string): void {
    const now = this.#options.clock.now();
    const passes = this.floor(tenant).waiting(conversationId)?.passedUntil.values() ?? [];
    const next = Math.min(...[...passes].filter((until) => until > now));
    if (next === Infinity) {
      this.#passes.cancel(conversationId);
      return;
    }
    this.#passes.set(conversationId, next, () => {
      this.floor(tenant).resume(conversationId);
      this.#awaitPass(tenant, conversationId);
      this.pump(tenant);
    });
  }

  #awaitHours(): void {
    const { departments, clock } = this.#options;
    // None within a year: it is asked again, because years pass.
    const next = departments.nextChange(clock.now()) ?? clock.now() + LOOK_AGAIN_MS;
    this.#hours.set('next', next, () => {
      for (const [tenant, floor] of this.#floors) {
        floor.hoursChanged();
        for (const seat of floor.seats) this.withdraw(tenant, seat);
        this.pump(tenant);
      }
      this.#awaitHours();
    });
  }
}
