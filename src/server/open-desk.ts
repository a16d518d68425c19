import { Agents } from '../core/agents.ts';
import { announceChecked } from '../core/attachments/announce-checked.ts';
import { Arrivals } from '../core/arrivals.ts';
import { announceCommit } from '../core/announce.ts';
import { DeskFollower } from '../core/desk-follower.ts';
import { Sweeper } from '../core/attachments/sweeper.ts';
import { Uploads } from '../core/attachments/uploads.ts';
import { Departments } from '../core/departments.ts';
import type { Desk } from '../core/desk.ts';
import { changesFacts } from '../core/fold.ts';
import { Elsewhere } from '../core/elsewhere.ts';
import { Inactivity } from '../core/inactivity.ts';
import { Journal } from '../core/journal.ts';
import { Leases } from '../core/leases.ts';
import { measure } from '../core/measures.ts';
import { changedElsewhere } from '../core/participants.ts';
import { alone, type Peers } from '../core/peers.ts';
import { Revocations } from '../core/revocations.ts';
import { QueueBoard } from '../core/queue-board.ts';
import { Router } from '../core/routing/router.ts';
import { TypingBoard } from '../core/typing-board.ts';
import type { Bus } from '../ports/bus.ts';
import { createMemoryBus } from '../cluster/memory-bus.ts';
import type { Blobs } from '../ports/blobs.ts';
import type { Inspector } from '../ports/inspector.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Config } from './config.ts';

export interface OpenDeskOptions extends Pick<
  Desk,
  'store' | 'feeds' | 'rooms' | 'roster' | 'tokens' | 'clock' | 'links'
> {
  readonly blobs: Blobs;
  readonly inspector: Inspector;
  readonly config: Pick<Config, 'limits' | 'departments' | 'routing' | 'closedConversations' | 'inactivityMessage'>;
  readonly metrics: Metrics;
  readonly log: Log;
  /** @default a node that is alone */
  readonly bus?: Bus;
  /** Other nodes that use the same store. @default none */
  readonly peers?: Peers;
}

export interface OpenDesk extends Desk {
  /** From now on other nodes do what is done once for all of them. */
  leave(): Promise<void>;
  /** Ends everything that the desk does by itself. */
  stop(): Promise<void>;
}

/** Open conversations read at once at the start. */
const LOADED_TOGETHER = 500;

/**
 * Puts the core together, and brings it to where the log says that the desk was: who waits, who has what, what is offered, and
 * which times run.
 */
export const openDesk = async (options: OpenDeskOptions): Promise<OpenDesk> => {
  const { config, store, feeds, rooms, roster, tokens, metrics, log, clock, links, blobs, inspector } = options;
  const { bus = createMemoryBus(), peers = alone } = options;
  const { limits } = config;
  const owns = (name: string): boolean => peers.owns(name);
  const departments = new Departments(config.departments);
  const board = new QueueBoard({ clock, rooms, roster, floor: (tenant) => router.floor(tenant), ...limits });
  const router: Router = new Router({
    journal: () => journal,
    clock,
    log,
    limits,
    strategy: config.routing,
    departments,
    owns,
    ...(peers !== alone && { refresh: () => peers.refresh() }),
    onQueueChange: (tenant, department) => board.changed(tenant, department),
  });
  const typing = new TypingBoard({ rooms, bus, clock, ...limits });
  const inactivity = new Inactivity({
    journal: () => journal,
    store,
    clock,
    log,
    limits,
    message: config.inactivityMessage,
    owns,
    isTyping: (conversationId, user) => typing.types(conversationId, user),
  });
  const agents: Agents = new Agents({ store, router, leases: () => leases, rooms, peers, roster, limits, clock, log });
  const leases = new Leases({
    clock,
    leaseMs: limits.agentLeaseMs,
    probe: (connectionId) => rooms.probe(connectionId),
    onStart: (tenant, agentId) => agents.leaseStarted(tenant, agentId),
    onEnd: (tenant, agentId) => agents.leaseEnded(tenant, agentId),
  });
  const journal = new Journal({
    store,
    clock,
    log,
    ...(peers !== alone && { shared: peers }),
    onCommit: (state, entries) => {
      feeds.committed(state.id, entries);
      // The files of what was deleted have no links any more; now they go too.
      if (entries.some(({ type }) => type === 'message:deleted')) sweeper.soon();
      if (!entries.some(changesFacts)) {
        announceCommit(desk, state, entries, undefined);
        return;
      }
      peers.changed();
      measure(metrics, state.openedAt, entries);
      follower.committed(state, entries);
    },
  });
  const uploads = new Uploads({
    ...{ store, blobs, inspector, clock, limits, metrics },
    onChecked: (record, attachment, error) => announceChecked(rooms, record, attachment, error),
  });
  const sweeper = new Sweeper({ store, blobs, clock, limits, log });
  const elsewhere = new Elsewhere({
    ...{ bus, roster, typing, clock },
    onChange: (conversationId, came, went) => changedElsewhere(desk, conversationId, came, went),
  });
  const revocations = new Revocations({ store, bus, roster, rooms, clock });
  const { closedConversations } = config;
  const desk: Desk = {
    ...{
      store,
      journal,
      feeds,
      peers,
      rooms,
      roster,
      typing,
      elsewhere,
      arrivals: new Arrivals(),
      tokens,
      revocations,
      clock,
      limits,
    },
    ...{ router, board, agents, leases, departments, closedConversations, uploads, links },
  };
  const follower = new DeskFollower(desk, { inactivity, peers, log });

  await peers.join();
  for (const revocation of await store.revocations()) revocations.learn(revocation);
  agents.load(await store.agents());
  let cursor: string | undefined;
  do {
    const page = await store.openConversations({ cursor, limit: LOADED_TOGETHER });
    for (const state of page.conversations) follower.load(state);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  follower.start();
  sweeper.start();
  return {
    ...desk,
    leave: () => peers.leave(),
    stop: async () => {
      leases.stop();
      router.stop();
      inactivity.stop();
      elsewhere.stop();
      await sweeper.stop();
    },
  };
};
