import { OrderedMap } from '@js-sdsl/ordered-map';
import { PRIORITIES } from '../../contract/schemas.ts';
import type { ConversationState } from '../../ports/store.ts';
import type { Seat } from './seat.ts';

/** A place in the order of service: the higher priority first, then the longer wait, then who was opened first. */
export interface Turn {
  readonly rank: number;
  readonly since: number;
  /** Ids sort as they were made, and alike on all nodes. */
  readonly id: string;
}

/** A conversation that waits for an assignee. */
export interface Waiting extends Turn {
  readonly department: string | null;
  readonly group: Group;
  /** Until when (milliseconds since 1970) whom it is not to be routed to. */
  readonly passedUntil: ReadonlyMap<string, number>;
  /** Who holds a place for it: an offer stands, or a placement is under way. */
  holder: Seat | undefined;
  /** The placement under way. */
  placing: object | undefined;
  /** Set after a placement failed: not to be placed before the router says so. */
  paused: boolean;
}

/** Waiting conversations that the same agents can serve. */
export interface Group {
  readonly department: string | null;
  readonly skills: readonly string[];
  readonly handedOff: boolean;
  /** Those that nobody holds a place for. */
  readonly placeable: OrderedMap<Waiting, Waiting>;
  /** Whose departments and skills fit, whether they are there or not. */
  readonly seats: Set<Seat>;
}

const order = (a: Turn, b: Turn): number =>
  a.rank - b.rank || a.since - b.since || (a.id < b.id ? -1 : a.id === b.id ? 0 : 1);

/** Who passes again and again is asked ever more rarely: the log must not grow with somebody's silence. */
const MAX_DOUBLINGS = 5;

/** Empty groups kept for the next conversation of their kind; beyond it they are forgotten. */
const MAX_EMPTY_GROUPS = 1_000;

const groupKey = (department: string | null, skills: readonly string[], handedOff: boolean): string =>
  JSON.stringify([department, skills, handedOff]);

/**
 * The queue of a tenant, in two orders: by department, for the places that customers are told, and by group, for matching.
 * Every step costs the logarithm of its length.
 */
export class WaitingList {
  readonly #waiting = new Map<string, Waiting>();
  readonly #departments = new Map<string | null, OrderedMap<Waiting, Waiting>>();
  readonly #groups = new Map<string, Group>();
  readonly #onNewGroup: (group: Group) => void;
  readonly #onLostGroup: (group: Group) => void;
  #emptyGroups = 0;

  constructor(onNewGroup: (group: Group) => void, onLostGroup: (group: Group) => void) {
    this.#onNewGroup = onNewGroup;
    this.#onLostGroup = onLostGroup;
  }

  get size(): number {
    return this.#waiting.size;
  }
  get groups(): IterableIterator<Group> {
    return this.#groups.values();
  }

  get(conversationId: string): Waiting | undefined {
    return this.#waiting.get(conversationId);
  }

  /** Puts it in its place, or into another if what its place hangs on has changed. */
  put(state: ConversationState, passMs: number, holder: Seat | undefined): Waiting {
    const known = this.#waiting.get(state.id);
    if (known !== undefined) this.#unlink(known);
    const { department, handedOff } = state;
    const waiting: Waiting = {
      department,
      ...WaitingList.turn(state),
      group: this.#group(department, [...new Set(state.skills)].sort(), handedOff),
      passedUntil: new Map(
        state.passedBy.map(({ agentId, at, count }) => [
          agentId,
          Date.parse(at) + passMs * 2 ** Math.min(count - 1, MAX_DOUBLINGS),
        ]),
      ),
      holder,
      // Once an offer stands it is the offer that holds the place, until it ends.
      placing: state.offer === null ? known?.placing : undefined,
      paused: known?.paused ?? false,
    };
    this.#waiting.set(state.id, waiting);
    let queue = this.#departments.get(department);
    if (queue === undefined) {
      queue = new OrderedMap<Waiting, Waiting>([], order, true);
      this.#departments.set(department, queue);
    }
    queue.setElement(waiting, waiting);
    this.place(waiting);
    return waiting;
  }

  remove(conversationId: string): Waiting | undefined {
    const waiting = this.#waiting.get(conversationId);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(conversationId);
    this.#unlink(waiting);
    return waiting;
  }

  /** To be called when `holder` or `paused` has changed. */
  place(waiting: Waiting): void {
    const { placeable } = waiting.group;
    const before = placeable.size();
    if (waiting.holder === undefined && !waiting.paused) placeable.setElement(waiting, waiting);
    else placeable.eraseElementByKey(waiting);
    this.#resized(waiting.group, before);
  }

  /** 1 is next; undefined when it does not wait. */
  position(conversationId: string): number | undefined {
    const waiting = this.#waiting.get(conversationId);
    if (waiting === undefined) return undefined;
    const queue = this.#departments.get(waiting.department);
    return queue === undefined ? undefined : queue.find(waiting).index + 1;
  }

  /** The conversations of a department in their order. */
  *queue(department: string | null): Generator<Waiting> {
    for (const [waiting] of this.#departments.get(department) ?? []) yield waiting;
  }

  departments(): (string | null)[] {
    return [...this.#departments.keys()];
  }

  /** Those of a group that nobody holds a place for, in their order. */
  static *placeable({ placeable }: Group): Generator<Waiting> {
    // The map's own iteration lists all its elements before it gives the first.
    for (const at = placeable.begin(); at.isAccessible(); at.next()) yield at.pointer[0];
  }

  /** Negative: `a` is to be served before `b`. */
  static readonly order = order;

  /** Where a conversation stands, or would stand if it waited. */
  static turn({ id, priority, openedAt }: ConversationState): Turn {
    return { rank: -PRIORITIES.indexOf(priority), since: Date.parse(openedAt), id };
  }

  #unlink(waiting: Waiting): void {
    const { department, group } = waiting;
    const queue = this.#departments.get(department);
    queue?.eraseElementByKey(waiting);
    if (queue?.empty() === true) this.#departments.delete(department);
    const before = group.placeable.size();
    group.placeable.eraseElementByKey(waiting);
    this.#resized(group, before);
  }

  #group(department: string | null, skills: readonly string[], handedOff: boolean): Group {
    const key = groupKey(department, skills, handedOff);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group = {
      department,
      skills,
      handedOff,
      placeable: new OrderedMap<Waiting, Waiting>([], order),
      seats: new Set(),
    };
    this.#groups.set(key, group);
    this.#emptyGroups += 1;
    this.#onNewGroup(group);
    return group;
  }

  #resized(group: Group, before: number): void {
    const after = group.placeable.size();
    if (before === 0 && after > 0) this.#emptyGroups -= 1;
    if (before > 0 && after === 0) this.#emptyGroups += 1;
    if (this.#emptyGroups <= MAX_EMPTY_GROUPS) return;
    const used = new Set([...this.#waiting.values()].map((waiting) => waiting.group));
    for (const [key, candidate] of this.#groups) {
      if (used.has(candidate)) continue;
      this.#groups.delete(key);
      this.#onLostGroup(candidate);
    }
    this.#emptyGroups = [...this.#groups.values()].filter(({ placeable }) => placeable.empty()).length;
  }
}
