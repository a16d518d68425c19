import type { Decision, QueuePlace } from '../../contract/schemas.ts';
import { isoTime } from '../../ports/clock.ts';
import type { ConversationState } from '../../ports/store.ts';
import type { Departments } from '../departments.ts';
import { explain } from './decision.ts';
import { HandlingTimes } from './handling-times.ts';
import { Seat, type SeatFacts } from './seat.ts';
import { Service } from './service.ts';
import { best, STRATEGIES, type StrategyName } from './strategies.ts';
import { type Group, type Turn, type Waiting, WaitingList } from './waiting-list.ts';

export interface FloorOptions {
  readonly strategy: StrategyName;
  readonly departments: Departments;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** See limits.passMs. */
  readonly passMs: number;
  /** Places in a department's queue, or what a wait there rests on, may have changed. */
  readonly onQueueChange: (department: string | null) => void;
}

/** A conversation and who is to get it. The place with him is held until `settle`. */
export interface Placement {
  readonly conversationId: string;
  readonly seat: Seat;
  readonly mode: 'assign' | 'offer';
  readonly decision: Decision;
}

/** A conversation that somebody has. */
interface Active {
  readonly seat: Seat;
  /** When he got it. */
  readonly since: number;
  readonly department: string | null;
  readonly turn: Turn;
}

interface Match {
  readonly waiting: Waiting;
  readonly seat: Seat;
  readonly candidates: readonly Seat[];
  readonly mode: Placement['mode'];
}

/**
 * Who waits and who is at work in one tenant, and who gets whom: pure bookkeeping, which is told of what was committed and says
 * what to do. It holds that, once `drain` has returned nothing, no conversation waits for which an agent who fits has room.
 */
export class Floor {
  readonly #options: FloorOptions;
  readonly #seats = new Map<string, Seat>();
  readonly #active = new Map<string, Active>();
  /** Groups of waiting conversations that each agent could serve, by departments and skills. */
  readonly #groups = new Map<Seat, Set<Group>>();
  readonly #service: Service;
  readonly #times = new HandlingTimes();
  /** Groups in which there may be a match. */
  readonly #dirty = new Set<Group>();
  readonly #list: WaitingList;
  #routedCount = 0;

  constructor(options: FloorOptions) {
    this.#options = options;
    this.#service = new Service(options.departments, options.now);
    this.#list = new WaitingList(
      (group) => {
        for (const seat of this.#seats.values()) this.#match(seat, group);
      },
      (group) => {
        for (const seat of group.seats) this.#groupsOf(seat).delete(group);
        this.#dirty.delete(group);
      },
    );
  }

  get waitingCount(): number {
    return this.#list.size;
  }

  seat(agentId: string): Seat | undefined {
    return this.#seats.get(agentId);
  }
  get seats(): IterableIterator<Seat> {
    return this.#seats.values();
  }
  waiting(conversationId: string): Waiting | undefined {
    return this.#list.get(conversationId);
  }

  /** Learns of an agent, or what is new about him. */
  setSeat(facts: SeatFacts): Seat {
    const { id } = facts.user;
    let seat = this.#seats.get(id);
    if (seat === undefined) {
      seat = new Seat(facts, this.#options.now());
      this.#seats.set(id, seat);
    } else {
      seat.facts = facts;
    }
    for (const group of this.#list.groups) this.#match(seat, group);
    this.changed(seat);
    return seat;
  }

  /** To be called when a seat's lease or connection has changed; the floor itself calls it for all else. */
  changed(seat: Seat): void {
    if (seat.available && !seat.wasAvailable) seat.idleSince = this.#options.now();
    seat.wasAvailable = seat.available;
    const { flipped, moved } = this.#service.count(seat);
    if (seat.ready) for (const group of this.#groupsOf(seat)) this.#dirty.add(group);
    if (flipped.size > 0) {
      // Whether another department takes over hangs on it.
      for (const group of this.#list.groups) if (flipped.has(group.department)) this.#dirty.add(group);
    }
    if (moved) for (const department of this.#list.departments()) this.#options.onQueueChange(department);
  }

  /** A department has opened or closed. */
  hoursChanged(): void {
    this.#service.forgetHours();
    for (const group of this.#list.groups) this.#dirty.add(group);
    for (const department of this.#list.departments()) this.#options.onQueueChange(department);
  }

  /** Makes the floor agree with a conversation as it is committed now. */
  sync(state: ConversationState): void {
    const { id } = state;
    const before = this.#list.get(id);
    if (state.status === 'queued') {
      this.#deactivate(id);
      const offered = state.offer === null ? undefined : this.#seatOf(state.offer.agent);
      const holder = offered ?? (before?.placing === undefined ? undefined : before.holder);
      if (before?.holder !== undefined && before.holder !== holder) this.#letGo(before.holder, id);
      if (before !== undefined && before.department !== state.department)
        this.#options.onQueueChange(before.department);
      const waiting = this.#list.put(state, this.#options.passMs, holder);
      if (holder !== undefined && !holder.held.has(id)) {
        holder.held.add(id);
        this.changed(holder);
      }
      this.#dirty.add(waiting.group);
      this.#options.onQueueChange(state.department);
      return;
    }
    if (before !== undefined) {
      this.#list.remove(id);
      if (before.holder !== undefined) this.#letGo(before.holder, id);
      this.#options.onQueueChange(before.department);
    }
    if (state.status === 'assigned' && state.assignee !== null) {
      const seat = this.#seatOf(state.assignee);
      const { department } = state;
      const turn = WaitingList.turn(state);
      const since = Date.parse(state.assignedAt ?? state.openedAt);
      const same = this.#active.get(id)?.seat === seat;
      if (!same) this.#deactivate(id);
      this.#active.set(id, { seat, since, department, turn });
      if (same) return;
      seat.active.add(id);
      this.changed(seat);
      return;
    }
    this.#deactivate(id, state.closedAt);
  }

  /** An agent's conversations that he got by `untilMs`, in the order in which they are to be served if he has to give them back. */
  activeOf(seat: Seat, untilMs = Infinity): string[] {
    const turnOf = (id: string): Turn => this.#active.get(id)?.turn ?? { rank: 0, since: 0, id };
    const had = [...seat.active].filter((id) => (this.#active.get(id)?.since ?? 0) <= untilMs);
    return had.sort((a, b) => WaitingList.order(turnOf(a), turnOf(b)));
  }

  /**
   * Conversations offered to an agent who can't take them up any more: he is not there, the department is not his to serve, or what he has
   * taken meanwhile leaves no room; then the offers made last.
   */
  lapsed(seat: Seat): string[] {
    if (seat.held.size === 0) return [];
    const standing = [...seat.held].flatMap((id) => {
      const waiting = this.#list.get(id);
      return waiting?.holder === seat && waiting.placing === undefined ? [waiting] : [];
    });
    const fits = ({ group }: Waiting): boolean =>
      seat.available && this.#service.fits(seat, group) && this.#service.covers(seat, group);
    const fitting = standing.filter(fits);
    const unfit = standing.filter((waiting) => !fits(waiting));
    const excess = seat.load - unfit.length - seat.capacity;
    return [...unfit, ...(excess > 0 ? fitting.slice(-excess) : [])].map(({ id }) => id);
  }

  /** Everything that can be placed now, in the order in which it is to be placed. */
  *drain(): Generator<Placement> {
    for (;;) {
      const found = this.#next();
      if (found === undefined) return;
      const { waiting, seat, candidates, mode } = found;
      // Told before the seat is taken: it is the state on which was decided.
      const decision = explain(this.#options.strategy, waiting, candidates, seat, this.#seats.values(), (other) =>
        this.#service.covers(other, waiting.group),
      );
      const placement: Placement = { conversationId: waiting.id, seat, mode, decision };
      waiting.holder = seat;
      waiting.placing = placement;
      this.#list.place(waiting);
      seat.held.add(waiting.id);
      this.#routedCount += 1;
      seat.routedAt = this.#routedCount;
      this.changed(seat);
      yield placement;
    }
  }

  /** A placement was carried out, or failed. A failed one is not tried again before `resume`. */
  settle(placement: Placement, placed: boolean): void {
    const { conversationId, seat } = placement;
    const waiting = this.#list.get(conversationId);
    if (waiting?.placing === placement) {
      waiting.placing = undefined;
      // An offer that was made goes on holding the place.
      if (placed) return;
      waiting.holder = undefined;
      waiting.paused = true;
      this.#list.place(waiting);
    }
    if (waiting?.holder !== seat) this.#letGo(seat, conversationId);
  }

  /** Looks at a conversation again: after a failed placement, or when somebody may be asked again. */
  resume(conversationId: string): void {
    const waiting = this.#list.get(conversationId);
    if (waiting === undefined) return;
    waiting.paused = false;
    this.#list.place(waiting);
    this.#dirty.add(waiting.group);
  }

  /** Whether a department is out of its hours and nobody takes over. */
  isOutOfHours(department: string | null): boolean {
    return this.#service.of(department).kind === 'closed';
  }

  /** The conversation's place in the queue; null when it does not wait. */
  place(conversationId: string): QueuePlace | null {
    const position = this.#list.position(conversationId);
    const department = this.#list.get(conversationId)?.department;
    if (position === undefined || department === undefined) return null;
    return this.#expectation(department)(position);
  }

  /** The places of all who wait in a department, in their order. */
  *places(department: string | null): Generator<{ conversationId: string; place: QueuePlace }> {
    const expectation = this.#expectation(department);
    let position = 0;
    for (const { id } of this.#list.queue(department)) {
      position += 1;
      yield { conversationId: id, place: expectation(position) };
    }
  }

  /** What can be said at this moment to somebody at some position in the queue of a department. */
  #expectation(department: string | null): (position: number) => QueuePlace {
    const served = this.#service.of(department);
    if (served.kind === 'closed') {
      const opensAt = served.opensAt === undefined ? {} : { opensAt: isoTime(served.opensAt) };
      return (position) => ({ position, estimatedWaitMs: null, basis: 'out_of_hours', ...opensAt });
    }
    const { places } = served;
    if (places === 0) return (position) => ({ position, estimatedWaitMs: null, basis: 'nobody_online' });
    const meanMs = this.#times.mean(department);
    if (meanMs === undefined) return (position) => ({ position, estimatedWaitMs: null, basis: 'no_history' });
    return (position) => ({
      position,
      estimatedWaitMs: Math.ceil((position * meanMs) / places),
      basis: 'handling_time',
    });
  }

  #next(): Match | undefined {
    let found: Match | undefined;
    for (const group of this.#dirty) {
      const match = this.#matchIn(group);
      if (match === undefined) this.#dirty.delete(group);
      else if (found === undefined || WaitingList.order(match.waiting, found.waiting) < 0) found = match;
    }
    return found;
  }

  /** The first conversation of a group that somebody can take, and who. */
  #matchIn(group: Group): Match | undefined {
    if (group.placeable.empty()) return undefined;
    const strategy = STRATEGIES[this.#options.strategy];
    const bots: Seat[] = [];
    const people: Seat[] = [];
    for (const seat of group.seats) {
      if (!seat.ready || !this.#service.covers(seat, group)) continue;
      if (seat.isBot) bots.push(seat);
      else if (strategy.mode !== 'none') people.push(seat);
    }
    if (bots.length + people.length === 0) return undefined;
    const now = this.#options.now();
    for (const waiting of WaitingList.placeable(group)) {
      const free = (seat: Seat): boolean => (waiting.passedUntil.get(seat.id) ?? 0) <= now;
      const freeBots = bots.filter(free);
      const candidates = freeBots.length > 0 ? freeBots : people.filter(free);
      const seat = best(strategy, candidates);
      if (seat === undefined) continue;
      // A bot is not asked: it has said that it takes what comes.
      const mode = seat.isBot || strategy.mode === 'none' ? 'assign' : strategy.mode;
      return { waiting, seat, candidates, mode };
    }
    return undefined;
  }

  /** Notes whether a seat could serve a group at all. */
  #match(seat: Seat, group: Group): void {
    if (this.#service.fits(seat, group)) {
      group.seats.add(seat);
      this.#groupsOf(seat).add(group);
    } else {
      group.seats.delete(seat);
      this.#groupsOf(seat).delete(group);
    }
  }

  /** Somebody who is assigned need not have been heard of: he is known from the log alone. */
  #seatOf(user: Seat['user']): Seat {
    return (
      this.#seats.get(user.id) ?? this.setSeat({ user, status: 'offline', departments: [], skills: [], capacity: 0 })
    );
  }

  #groupsOf(seat: Seat): Set<Group> {
    const known = this.#groups.get(seat);
    if (known !== undefined) return known;
    const groups = new Set<Group>();
    this.#groups.set(seat, groups);
    return groups;
  }

  #letGo(seat: Seat, conversationId: string): void {
    if (seat.held.delete(conversationId)) this.changed(seat);
  }

  #deactivate(conversationId: string, closedAt: string | null = null): void {
    const active = this.#active.get(conversationId);
    if (active === undefined) return;
    const { seat, since, department } = active;
    this.#active.delete(conversationId);
    seat.active.delete(conversationId);
    seat.idleSince = this.#options.now();
    // What was handed on says nothing of how long it takes. As it is written: each node hears of it at another moment.
    if (closedAt !== null && !seat.isBot) {
      this.#times.add(department, Math.max(0, Date.parse(closedAt) - since));
      this.#options.onQueueChange(department);
    }
    this.changed(seat);
  }
}
