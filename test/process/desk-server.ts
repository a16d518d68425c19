import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { secretKey } from '../../src/auth/keys.ts';
import { createTokens } from '../../src/auth/tokens.ts';
import { createMemoryBus } from '../../src/cluster/memory-bus.ts';
import { createContract } from '../../src/contract/contract.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/contract/limits.ts';
import type { Verbs } from '../../src/core/desk.ts';
import { Roster } from '../../src/core/roster.ts';
import type { StrategyName } from '../../src/core/routing/strategies.ts';
import { verbs } from '../../src/core/verbs.ts';
import { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { FeedHub } from '../../src/feed/feed-hub.ts';
import { systemClock } from '../../src/ports/clock.ts';
import type { Log } from '../../src/ports/log.ts';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { Store } from '../../src/ports/store.ts';
import { openDesk } from '../../src/server/open-desk.ts';
import { createRooms, type DeskwireServer } from '../../src/transport/socketio/rooms.ts';
import { createSocketServer, serveSockets } from '../../src/transport/socketio/socketio.ts';
import { temporaryAttachments } from '../support/attachments.ts';
import { SECRET } from '../support/server.ts';
import { temporaryStore } from '../support/store.ts';

export interface DeskServer {
  readonly url: string;
  /** The real one, behind what the test put before it. */
  readonly store: Store;
  readonly io: DeskwireServer;
  readonly dispatcher: Dispatcher;
  readonly logged: readonly { level: string; fields: object; message: string }[];
}

export interface DeskServerOptions {
  readonly limits?: Partial<Limits>;
  /** What the server gets for a store. @default the real one */
  readonly wrap?: (store: Store) => Store;
  /** @default 'manual' */
  readonly routing?: StrategyName;
  /** Handlers to put in the place of the real ones. */
  readonly verbs?: Partial<Verbs>;
}

/** The server's inner rooms, put together so that a test can replace one; closed when the test ends. */
export const startDesk = async (options: DeskServerOptions = {}): Promise<DeskServer> => {
  const { store, remove } = await temporaryStore();
  const wrapped = options.wrap?.(store) ?? store;
  const logged: DeskServer['logged'][number][] = [];
  const logAs = (level: string) => (fields: object, message: string) => {
    logged.push({ level, fields, message });
  };
  const log: Log = { debug: logAs('debug'), info: logAs('info'), warn: logAs('warn'), error: logAs('error') };
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const clock = systemClock;

  const { parts, remove: removeAttachments } = await temporaryAttachments(store, { limits, clock, log });
  const httpServer = createServer();
  const io = createSocketServer({ httpServer, ...limits, allowedOrigins: [] });
  const rooms = createRooms(io);
  const feeds = new FeedHub({ store: wrapped, bus: createMemoryBus(), rooms, metrics: noMetrics, log, ...parts });
  const tokens = createTokens({
    keys: { kind: 'secret', key: secretKey(SECRET) },
    issuer: undefined,
    audience: undefined,
    clockSkewSeconds: 0,
    clock,
  });
  const desk = await openDesk({
    config: {
      limits,
      departments: {},
      routing: options.routing ?? 'manual',
      closedConversations: 'reopen',
      inactivityMessage: '',
    },
    ...{ store: wrapped, feeds, rooms, roster: new Roster(), tokens, metrics: noMetrics, log, clock, ...parts },
  });
  const dispatcher = new Dispatcher({
    contract: createContract(limits),
    verbs: { ...verbs, ...options.verbs },
    desk,
    log,
    metrics: noMetrics,
  });
  serveSockets({ io, desk, dispatcher, log });
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    await io.close();
    await desk.stop();
    await removeAttachments();
    await remove();
  });
  return {
    url: `http://127.0.0.1:${String((httpServer.address() as AddressInfo).port)}`,
    store,
    io,
    dispatcher,
    logged,
  };
};
