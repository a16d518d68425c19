import { Agents } from '../core/agents.ts';
import { announceChecked } from '../core/attachments/announce-checked.ts';
import { announceCommit } from '../core/announce.ts';
import { Sweeper } from '../core/attachments/sweeper.ts';
import { Uploads } from '../core/attachments/uploads.ts';
import { Departments } from '../core/departments.ts';
import type { Desk } from '../core/desk.ts';
import { changesFacts } from '../core/fold.ts';
import { Inactivity } from '../core/inactivity.ts';
import { Journal } from '../core/journal.ts';
import { Leases } from '../core/leases.ts';
import { measure } from '../core/measures.ts';
import { announceOffer } from '../core/offer.ts';
import { QueueBoard } from '../core/queue-board.ts';
import { Router } from '../core/routing/router.ts';
import { TypingBoard } from '../core/typing-board.ts';
import type { User } from '../contract/schemas.ts';
import type { Blobs } from '../ports/blobs.ts';
import type { Inspector } from '../ports/inspector.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { ConversationState } from '../ports/store.ts';
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
}

export interface OpenDesk extends Desk {
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
  const { limits } = config;
  const departments = new Departments(config.departments);
  const board = new QueueBoard({ clock, rooms, roster, floor: (tenant) => router.floor(tenant), ...limits });
  const router: Router = new Router({
    journal: () => journal,
    clock,
    log,
    limits,
    strategy: config.routing,
    departments,
    onOffer: (state) => announceOffer(desk, state),
    onQueueChange: (tenant, department) => board.changed(tenant, department),
  });
  const inactivity = new Inactivity({
    journal: () => journal,
    store,
    clock,
    log,
    limits,
    message: config.inactivityMessage,
    isTyping: (conversationId, user) => typing.types(conversationId, user),
  });
  const agents: Agents = new Agents({ store, router, leases: () => leases, rooms, roster, limits, clock, log });
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
    onCommit: (state, entries) => {
      feeds.committed(state.id, entries);
      let offeredTo: User | undefined;
      if (entries.some(changesFacts)) {
        offeredTo = router.offeredTo(state);
        // Before it is announced: whoever asks for his place then must get it.
        if (state.status !== 'queued') board.left(state.id);
        inactivity.watch(state);
        router.committed(state);
        measure(metrics, state.openedAt, entries);
      }
      announceCommit(desk, state, entries, offeredTo);
      // The files of what was deleted have no links any more; now they go too.
      if (entries.some(({ type }) => type === 'message:deleted')) sweeper.soon();
      for (const entry of entries) {
        if (entry.type === 'conversation:released' && entry.previousAssignee !== null)
          agents.relieved(state.tenant, entry.previousAssignee.id);
      }
    },
  });
  const uploads = new Uploads({
    ...{ store, blobs, inspector, clock, limits, metrics },
    onChecked: (record, attachment, error) => announceChecked(rooms, record, attachment, error),
  });
  const sweeper = new Sweeper({ store, blobs, clock, limits, log });
  const typing = new TypingBoard({ rooms, clock, ...limits });
  const { closedConversations } = config;
  const desk: Desk = {
    ...{ store, journal, feeds, rooms, roster, typing, tokens, clock, limits },
    ...{ router, board, agents, leases, departments, closedConversations, uploads, links },
  };

  const learn = (state: ConversationState): void => {
    router.learn(state);
    inactivity.watch(state);
    // Time to come back, for him as for those whose status is stored.
    if (state.assignee !== null) leases.renew(state.tenant, state.assignee.id);
  };
  agents.load(await store.agents());
  let cursor: string | undefined;
  do {
    const page = await store.openConversations({ cursor, limit: LOADED_TOGETHER });
    page.conversations.forEach(learn);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  agents.finishLeaving();
  sweeper.start();
  return {
    ...desk,
    stop: async () => {
      leases.stop();
      router.stop();
      inactivity.stop();
      await sweeper.stop();
    },
  };
};
