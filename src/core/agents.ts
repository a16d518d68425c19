import type { Limits } from '../contract/limits.ts';
import type { Agent, User } from '../contract/schemas.ts';
import type { Actor } from '../ports/actor.ts';
import { isoTime, type Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { deskRoom, queueRoom, type Rooms } from '../ports/rooms.ts';
import type { Presence } from '../ports/nodes.ts';
import type { AgentRecord, Store } from '../ports/store.ts';
import type { Leases } from './leases.ts';
import type { Peers } from './peers.ts';
import { PresencesElsewhere } from './presences-elsewhere.ts';
import type { Roster } from './roster.ts';
import type { Router } from './routing/router.ts';
import { agentView, type Seat } from './routing/seat.ts';

export interface AgentsOptions {
  readonly store: Store;
  readonly router: Router;
  /** Asked for when it is first needed: leases tell of their ends, and each needs the other. */
  readonly leases: () => Leases;
  readonly rooms: Rooms;
  readonly peers: Peers;
  readonly roster: Roster;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
}

const WORKERS: ReadonlySet<string> = new Set<Actor['role']>(['agent', 'supervisor', 'bot']);

/** Whether conversations can be assigned to this role. */
export const isWorker = ({ role }: Pick<Actor, 'role'>): boolean => WORKERS.has(role);

/** Those who answer: what they said of themselves, whether they are here, and what follows when that changes. */
export class Agents {
  readonly #options: AgentsOptions;
  readonly #records = new Map<string, Map<string, AgentRecord>>();
  /** What others were last told of each seat, as JSON. */
  readonly #told = new WeakMap<Seat, string>();
  /** What other nodes were last told of each agent who has been here, as JSON. */
  readonly #presented = new Map<string, string>();
  readonly #elsewhere = new PresencesElsewhere();

  constructor(options: AgentsOptions) {
    this.#options = options;
  }

  /** After a start: everybody who may have been here gets a lease to come back in. */
  load(records: readonly AgentRecord[]): void {
    for (const record of records) {
      this.#recordsOf(record.tenant).set(record.user.id, record);
      this.#seatFor(record);
      if (record.present && record.status !== 'offline') this.#options.leases().renew(record.tenant, record.user.id);
    }
  }

  /**
   * What a crash, or another node, has left half done: who went offline gives back what he had then. After all conversations
   * are known.
   */
  finishLeaving(tenant: string): void {
    for (const record of this.#recordsOf(tenant).values()) this.#finishLeavingOf(record);
  }

  #finishLeavingOf({ tenant, user, status, statusAt }: AgentRecord): void {
    const seat = this.#options.router.floor(tenant).seat(user.id);
    if (status !== 'offline' || seat === undefined || !this.#options.peers.owns(tenant)) return;
    this.#options.router.vacate(tenant, seat, 'agent_offline', Date.parse(statusAt));
  }

  /** What was stored of somebody, by another node: the newer of two wins. */
  learn(record: AgentRecord): void {
    const { tenant, user, statusAt } = record;
    const known = this.#recordsOf(tenant).get(user.id);
    if (known !== undefined && (known.statusAt > statusAt || JSON.stringify(known) === JSON.stringify(record))) return;
    this.#recordsOf(tenant).set(user.id, record);
    const actors = this.#actorsOf(tenant, user);
    const seat = this.#seatFor(actors.length === 0 ? record : { ...record, ...this.#tokensOf(actors) });
    for (const actor of actors.slice(0, 1)) this.#takeWork(actor, record.status === 'online');
    this.#finishLeavingOf(record);
    this.#changed(tenant, seat);
  }

  /** Another node sees somebody otherwise than before. */
  learnPresence(nodeId: string, presence: Presence): void {
    if (this.#elsewhere.set(nodeId, presence)) this.#learnElsewhere(presence);
  }

  /**
   * The other nodes that are alive. Who was on one that is gone has the time of a lease to come back.
   */
  nodesChanged(alive: ReadonlySet<string>): void {
    for (const { presence, gone } of this.#elsewhere.setAlive(alive)) {
      if (gone && presence.live) this.#options.leases().renew(presence.tenant, presence.user.id);
      this.#learnElsewhere(presence);
    }
  }

  isConnectedElsewhere(tenant: string, user: User): boolean {
    return user.role !== 'customer' && this.#elsewhere.of(tenant, user.id).some(({ connected }) => connected);
  }

  #learnElsewhere({ tenant, user, maxChats, departments, skills }: Presence): void {
    const known = this.#recordsOf(tenant).get(user.id);
    const said = known ?? { status: 'offline' as const, statusAt: isoTime(this.#options.clock.now()) };
    const actors = this.#actorsOf(tenant, user);
    const tokens = actors.length > 0 ? this.#tokensOf(actors) : { user, maxChats, departments, skills };
    const seat = this.#seatFor({ tenant, ...said, ...tokens, present: true, capacity: known?.capacity ?? null });
    this.#seen(tenant, seat);
    this.#changed(tenant, seat);
  }

  /** A connection of somebody who answers is here. */
  connect(connectionId: string, actor: Actor): void {
    const { leases, rooms } = this.#options;
    const { tenant, user } = actor;
    rooms.enter(connectionId, deskRoom(tenant));
    const seat = this.#meet(actor);
    leases().watch(connectionId, tenant, user.id);
    this.#seen(tenant, seat);
    if (seat.facts.status === 'online') this.#takeWork(actor, true);
    this.#changed(tenant, seat);
    this.#present(tenant, user);
  }

  /** One of his connections goes on with a new token. */
  renew(connectionId: string, before: Actor, actor: Actor): void {
    for (const room of workRooms(before)) this.#options.rooms.exit(connectionId, room);
    const seat = this.#meet(actor);
    if (seat.facts.status === 'online') this.#takeWork(actor, true);
    this.#changed(actor.tenant, seat);
    this.#present(actor.tenant, actor.user);
  }

  /** One of his connections is gone. He keeps his conversations until the lease ends. */
  disconnect(connectionId: string, actor: Actor): void {
    const { leases, roster } = this.#options;
    const { tenant, user } = actor;
    leases().unwatch(connectionId);
    // What only the token of that connection said is true no more.
    if (roster.isOnline(tenant, user)) this.#changed(tenant, this.#meet(actor));
    else this.#seen(tenant, this.seatOf(actor));
    this.#present(tenant, user);
  }

  /** What he says of himself, once it is stored. */
  async setStatus(actor: Actor, status: Agent['status'], capacity: number | undefined): Promise<Seat> {
    const { store, router, clock } = this.#options;
    const { tenant, user } = actor;
    const known = this.#recordsOf(tenant).get(user.id);
    // What is said later has the later time, also where the clock of the node that was told before runs ahead.
    const afterMs = known === undefined ? 0 : Date.parse(known.statusAt) + 1;
    const said = { status, statusAt: isoTime(Math.max(clock.now(), afterMs)) };
    const record = { ...this.#recordOf(actor, said), capacity: capacity ?? known?.capacity ?? null };
    const records = this.#recordsOf(tenant);
    // At once, so that another device's request builds on it.
    records.set(user.id, record);
    // Less room counts at once too: what is decided from now on is committed after this, and its answer counts what was before.
    const floor = router.floor(tenant);
    const before = this.seatOf(actor).facts;
    floor.setSeat({ ...before, capacity: Math.min(before.capacity, this.#capacityOf(record)) });
    let stored: AgentRecord;
    try {
      stored = await store.sayStatus(record);
    } catch (error) {
      if (records.get(user.id) === record) {
        if (known === undefined) records.delete(user.id);
        else records.set(user.id, known);
      }
      this.#changed(tenant, floor.setSeat({ ...this.seatOf(actor).facts, capacity: before.capacity }));
      throw error;
    }
    const newest = records.get(user.id);
    // Another device, here or on another node, has said something since: that counts.
    if (newest === undefined || newest.statusAt <= stored.statusAt) this.#say(actor, stored);
    // Once it is answered, other nodes that look find him.
    await this.#options.peers.refresh();
    return this.seatOf(actor);
  }

  /** What follows from what he said, as it is stored. */
  #say(actor: Actor, stored: AgentRecord): void {
    const { tenant, user } = actor;
    const { status, statusAt } = stored;
    // What his tokens say may be newer than what was stored with the status.
    const record = { ...stored, ...this.#recordOf(actor, { status, statusAt }) };
    this.#recordsOf(tenant).set(user.id, record);
    const seat = this.#seatFor(record);
    this.#takeWork(actor, status === 'online');
    if (status === 'offline') this.#options.router.vacate(tenant, seat, 'agent_offline');
    this.#changed(tenant, seat);
  }

  /** The seat of somebody who is connected. */
  seatOf({ tenant, user }: Actor): Seat {
    const seat = this.#options.router.floor(tenant).seat(user.id);
    if (seat === undefined) throw new Error(`nobody has seen ${user.id} connect`);
    return seat;
  }

  /** Everybody who is connected or ever said a status, by name; or those of one department. */
  list(tenant: string, department: string | undefined): Agent[] {
    return [...this.#options.router.floor(tenant).seats]
      .filter(({ facts }) => department === undefined || facts.departments.includes(department))
      .map(agentView)
      .sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
  }

  /** A conversation was taken from somebody; who has left is shown as such once he has none. */
  relieved(tenant: string, agentId: string): void {
    const seat = this.#options.router.floor(tenant).seat(agentId);
    if (seat === undefined || seat.available || seat.active.size > 0) return;
    const target = { rooms: [deskRoom(tenant)] };
    this.#options.rooms.emitHere(target, 'agent:presence', { agent: agentView(seat) }, { ephemeral: true });
  }

  leaseStarted(tenant: string, agentId: string): void {
    const seat = this.#options.router.floor(tenant).seat(agentId);
    if (seat === undefined) return;
    this.#seen(tenant, seat);
    this.#changed(tenant, seat);
    this.#present(tenant, seat.user);
  }

  leaseEnded(tenant: string, agentId: string): void {
    const { router, log } = this.#options;
    const seat = router.floor(tenant).seat(agentId);
    if (seat === undefined) return;
    log.info({ tenant, agentId, conversations: seat.active.size }, "an agent's lease has ended on this node");
    this.#seen(tenant, seat);
    this.#changed(tenant, seat);
    this.#present(tenant, seat.user);
  }

  /** Whether he is there, on any node; who is no more gives back what he has. */
  #seen(tenant: string, seat: Seat): void {
    const { router, roster, leases, peers } = this.#options;
    const elsewhere = this.#elsewhere.of(tenant, seat.id);
    const was = seat.leased;
    seat.connected = roster.isOnline(tenant, seat.user) || elsewhere.some(({ connected }) => connected);
    seat.leased = leases().isLive(tenant, seat.id) || elsewhere.some(({ live }) => live);
    router.floor(tenant).changed(seat);
    if (was === seat.leased) return;
    if (!peers.owns(tenant)) return;
    this.#noteLease(tenant, seat.id, seat.leased);
    if (!seat.leased) router.vacate(tenant, seat, 'agent_disconnected');
  }

  /** Tells the other nodes what is to be seen of him here. */
  #present(tenant: string, user: User): void {
    const { leases, peers, roster } = this.#options;
    const actors = this.#actorsOf(tenant, user);
    const known = this.#recordsOf(tenant).get(user.id);
    const tokens = actors.length > 0 ? this.#tokensOf(actors, false) : undefined;
    const presence: Presence = {
      tenant,
      ...(tokens ?? { user, maxChats: known?.maxChats ?? null, departments: [], skills: [] }),
      connected: roster.isOnline(tenant, user),
      live: leases().isLive(tenant, user.id),
    };
    const key = `${tenant}\u0000${user.id}`;
    // Who has only time to come back was never here.
    if (actors.length === 0 && !this.#presented.has(key)) return;
    const text = JSON.stringify(presence);
    if (this.#presented.get(key) === text) return;
    this.#presented.set(key, text);
    peers.present(presence);
  }

  #recordsOf(tenant: string): Map<string, AgentRecord> {
    const known = this.#records.get(tenant);
    if (known !== undefined) return known;
    const records = new Map<string, AgentRecord>();
    this.#records.set(tenant, records);
    return records;
  }

  /** Learns what his tokens say now. */
  #meet(actor: Actor): Seat {
    const { tenant, user } = actor;
    const { clock } = this.#options;
    const known = this.#recordsOf(tenant).get(user.id);
    const said = known ?? { status: 'offline', statusAt: isoTime(clock.now()) };
    const record = { ...this.#recordOf(actor, said), capacity: known?.capacity ?? null };
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(record)) this.#store(record);
    return this.#seatFor(record);
  }

  #store(record: AgentRecord): void {
    const { tenant, user } = record;
    this.#recordsOf(tenant).set(user.id, record);
    const { store, log, peers } = this.#options;
    store.saveAgent(record).then(
      () => peers.changed(),
      (error: unknown) => log.warn({ error, tenant, agentId: user.id }, "an agent's record could not be stored"),
    );
  }

  #noteLease(tenant: string, agentId: string, present: boolean): void {
    const known = this.#recordsOf(tenant).get(agentId);
    if (known !== undefined && known.present !== present) this.#store({ ...known, present });
  }

  /** What is stored of somebody who is connected here. */
  #recordOf(
    actor: Actor,
    { status, statusAt }: Pick<AgentRecord, 'status' | 'statusAt'>,
  ): Omit<AgentRecord, 'capacity'> {
    const actors = this.#actorsOf(actor.tenant, actor.user);
    return {
      tenant: actor.tenant,
      status,
      statusAt,
      present: true,
      ...this.#tokensOf(actors.length > 0 ? actors : [actor]),
    };
  }

  #actorsOf(tenant: string, user: User): Actor[] {
    const { roster } = this.#options;
    return roster.connectionsOf(tenant, user).flatMap((id) => roster.connection(id)?.actor ?? []);
  }

  /**
   * Departments and skills of all his connections together; the rest from the token that came last.
   *
   * @param everywhere those on other nodes too
   */
  #tokensOf(
    actors: readonly Actor[],
    everywhere = true,
  ): Pick<AgentRecord, 'user' | 'maxChats' | 'departments' | 'skills'> {
    // A person and a bot with one `sub` are one, and that one is a person while the person is here.
    const last = actors.findLast(({ role }) => role !== 'bot') ?? actors.at(-1);
    if (last === undefined) throw new Error('expected an actor');
    const { tenant, user, maxChats } = last;
    const others = everywhere ? this.#elsewhere.of(tenant, user.id).filter(({ connected }) => connected) : [];
    const together = (name: 'departments' | 'skills'): string[] => [
      ...new Set([...actors, ...others].flatMap((one) => one[name])),
    ];
    return { user, maxChats: maxChats ?? null, departments: together('departments'), skills: together('skills') };
  }

  #capacityOf({ capacity, maxChats }: AgentRecord): number {
    return capacity ?? maxChats ?? this.#options.limits.agentCapacity;
  }

  #seatFor(record: AgentRecord): Seat {
    const { user, status, departments, skills } = record;
    const capacity = this.#capacityOf(record);
    return this.#options.router.floor(record.tenant).setSeat({ user, status, departments, skills, capacity });
  }

  /** What follows from a change: whose place is empty gets no offers, others are told, and what can be placed is. */
  #changed(tenant: string, seat: Seat): void {
    const { router, rooms } = this.#options;
    router.withdraw(tenant, seat);
    const agent = agentView(seat);
    const news = JSON.stringify({ ...agent, activeCount: 0 });
    const told = this.#told.get(seat);
    this.#told.set(seat, news);
    // That somebody exists who is not here is no news.
    if (told !== news && (told !== undefined || seat.status !== 'offline')) {
      rooms.emitHere({ rooms: [deskRoom(tenant)] }, 'agent:presence', { agent }, { ephemeral: true });
    }
    router.pump(tenant);
  }

  /** Puts all connections of an agent in, or out of, the rooms where new work is announced. */
  #takeWork(actor: Actor, online: boolean): void {
    const { roster, rooms } = this.#options;
    for (const connectionId of roster.connectionsOf(actor.tenant, actor.user)) {
      const connected = roster.connection(connectionId)?.actor ?? actor;
      for (const room of workRooms(connected)) {
        if (online) rooms.enter(connectionId, room);
        else rooms.exit(connectionId, room);
      }
    }
  }
}

/** Where new work is announced to an agent. */
const workRooms = ({ audience, tenant, departments }: Actor): string[] =>
  [null, ...departments].map((department) => queueRoom(audience, tenant, department));
