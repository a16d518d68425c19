import { join } from 'node:path';
import { createMemoryBus } from '../src/cluster/memory-bus.ts';
import type { EventName, EventPayload } from '../src/contract/contract.ts';
import { DEFAULT_LIMITS } from '../src/contract/limits.ts';
import { connect, disconnect, startWork } from '../src/core/connect.ts';
import type { Caller } from '../src/core/desk.ts';
import { Roster } from '../src/core/roster.ts';
import { verbs } from '../src/core/verbs.ts';
import { Links } from '../src/core/attachments/links.ts';
import { openAttachments } from '../src/server/attachments.ts';
import { FeedHub } from '../src/feed/feed-hub.ts';
import type { Actor } from '../src/ports/actor.ts';
import { systemClock } from '../src/ports/clock.ts';
import type { Log } from '../src/ports/log.ts';
import { noMetrics } from '../src/ports/metrics.ts';
import type { Rooms, Target } from '../src/ports/rooms.ts';
import { type OpenDesk, openDesk } from '../src/server/open-desk.ts';
import { openSqliteStore } from '../src/store/sqlite/store.ts';
import { CAPACITY, type Asked, type Worker } from './workforce.ts';

export interface DeskEvents {
  readonly onOpened: (customerId: string, conversationId: string) => void;
  /** It is committed, and the agent is told. */
  readonly onAssigned: (conversationId: string, agentId: string) => void;
  /** Something that must not happen did. */
  readonly onTrouble: (trouble: unknown) => void;
}

/** The whole program but for its connections, which answer heartbeats and throw away what they get. */
export class BenchDesk {
  readonly #desk: OpenDesk;
  readonly #actors = new Map<string, Actor>();

  private constructor(desk: OpenDesk) {
    this.#desk = desk;
  }

  static async open(folder: string, events: DeskEvents): Promise<BenchDesk> {
    const bad = (fields: object, message: string): void => events.onTrouble({ message, ...fields });
    const log: Log = { debug: () => undefined, info: () => undefined, warn: bad, error: bad };
    const common = { log, metrics: noMetrics };
    const clock = systemClock;
    const store = await openSqliteStore({ path: join(folder, 'deskwire.db'), ...common });
    const rooms = edge(events, (connectionId) => desk.leases.heard(connectionId));
    const attachments = await openAttachments({
      config: {
        ...{ attachments: { kind: 'disk', folder: join(folder, 'attachments') }, attachmentTypes: [] },
        ...{ scanner: undefined, limits: DEFAULT_LIMITS, dataDir: folder },
      },
      ...{ store, clock, ...common },
    });
    const links = new Links({ secret: attachments.linkSecret, publicUrl: '', linkMs: DEFAULT_LIMITS.linkMs, clock });
    const feeds = new FeedHub({ store, bus: createMemoryBus(), rooms, links, ...common });
    const desk: OpenDesk = await openDesk({
      config: {
        ...{ limits: DEFAULT_LIMITS, departments: {}, routing: 'least-busy' },
        ...{ closedConversations: 'new', inactivityMessage: '' },
      },
      ...{ store, feeds, rooms, roster: new Roster(), clock, links, ...attachments, ...common },
      tokens: { verify: () => Promise.reject(new Error('nobody signs in here')) },
    });
    return new BenchDesk(desk);
  }

  get waitingCount(): number {
    return this.#desk.router.waitingCount;
  }

  /** An agent connects and comes online. */
  async hire({ id, departments, skills }: Worker): Promise<void> {
    const user = { id, name: id, role: 'agent' } as const;
    this.#connect({
      ...{ tenant: 'default', user, role: 'agent', audience: 'staff', departments, skills },
      ...{ maxChats: CAPACITY, issuedAt: undefined },
    });
    await verbs['agent:status'](this.#desk, this.#caller(id), { status: 'online' });
  }

  /** A customer connects and opens a conversation, which the connection then follows. */
  async open(customerId: string, { department, skills, priority }: Asked): Promise<void> {
    const user = { id: customerId, name: customerId, role: 'customer' } as const;
    this.#connect({
      ...{ tenant: 'default', user, role: 'customer', audience: 'public' },
      ...{ departments: [], skills: [], maxChats: undefined, issuedAt: undefined },
    });
    await verbs['conversation:open'](this.#desk, this.#caller(customerId), {
      ...(department !== null && { department }),
      skills,
      priority,
    });
  }

  /** The agent closes a conversation, and its customer goes. */
  async close(agentId: string, conversationId: string, customerId: string): Promise<void> {
    await verbs['conversation:close'](this.#desk, this.#caller(agentId), { conversationId });
    disconnect(this.#desk, customerId);
    this.#actors.delete(customerId);
  }

  async stop(): Promise<void> {
    await this.#desk.stop();
    await this.#desk.store.close();
  }

  /** A connection has its user's name: everybody has one. */
  #connect(actor: Actor): void {
    const { id } = actor.user;
    this.#actors.set(id, actor);
    connect(this.#desk, id, actor);
    startWork(this.#desk, id, actor);
  }

  #caller(id: string): Caller {
    const actor = this.#actors.get(id);
    if (actor === undefined) throw new Error(`${id} is not connected`);
    return { connectionId: id, actor, sequenced: () => undefined, renew: () => undefined };
  }
}

const edge = ({ onOpened, onAssigned }: DeskEvents, probe: (connectionId: string) => void): Rooms => ({
  enter: () => true,
  exit: () => undefined,
  emit: () => undefined,
  emitTo: () => undefined,
  endRevoked: () => undefined,
  probe,
  emitHere: <N extends EventName>({ except }: Target, event: N, payload: EventPayload<N>): void => {
    // To members it comes from their feed.
    if (except === undefined) return;
    if (event === 'conversation:opened') {
      const { customer, conversationId } = payload as EventPayload<'conversation:opened'>;
      onOpened(customer.id, conversationId);
    } else if (event === 'conversation:assigned') {
      const { assignee, conversationId } = payload as EventPayload<'conversation:assigned'>;
      if (assignee !== null) onAssigned(conversationId, assignee.id);
    }
  },
});
