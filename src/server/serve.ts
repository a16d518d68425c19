import type { AddressInfo } from 'node:net';
import { createTokens } from '../auth/tokens.ts';
import { createVisitors } from '../auth/visitors.ts';
import { createContract } from '../contract/contract.ts';
import { Downloads } from '../core/attachments/downloads.ts';
import { Links } from '../core/attachments/links.ts';
import { alone } from '../core/peers.ts';
import { Roster } from '../core/roster.ts';
import { verbs } from '../core/verbs.ts';
import { Dispatcher } from '../dispatch/dispatcher.ts';
import { FeedHub } from '../feed/feed-hub.ts';
import { systemClock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { createAdmission } from '../transport/http/admission.ts';
import { createHandshakePace } from '../transport/http/handshake-pace.ts';
import { createHttp } from '../transport/http/http.ts';
import { countAddresses } from '../transport/socketio/addresses.ts';
import { createRooms } from '../transport/socketio/rooms.ts';
import { watchSlowReaders } from '../transport/socketio/slow-readers.ts';
import { createSocketServer, serveSockets } from '../transport/socketio/socketio.ts';
import { openAttachments } from './attachments.ts';
import { openBackends } from './backends.ts';
import type { Config } from './config.ts';
import { openDesk } from './open-desk.ts';
import { documentTexts } from './document-texts.ts';
import { createDrain } from './drain.ts';
import { resolveKeys } from './keys.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { welcome } from './welcome.ts';

export interface Running {
  readonly url: string;
  /** Takes no new work, finishes and answers what is under way, then closes everything. The same promise for every call. */
  drain(): Promise<void>;
}

export interface ServeOptions {
  /** @default JSON lines on standard output, at the configured level */
  readonly log?: Log;
}

/**
 * Connections that may wait to be accepted; Node's own 511 is what a few thousand clients fill that come back at once, and who finds no place tries again
 * after seconds. The system allows no more than `net.core.somaxconn`.
 */
const BACKLOG = 4_096;

/**
 * Puts the house together and opens its door. Resolves once it listens.
 * @throws StartError, or what Node says of a port or a file, when it can't
 */
export const serve = async (config: Config, options: ServeOptions = {}): Promise<Running> => {
  const log = options.log ?? createLog({ level: config.logLevel });
  const clock = systemClock;
  const { limits } = config;
  for (const warning of config.warnings) log.warn({}, warning);
  const { keys, notice } = await resolveKeys(config);
  if (notice !== undefined) log.warn({}, notice);

  const tokens = createTokens({ keys, ...config.tokens, clock });
  const contract = createContract(limits);
  const roster = new Roster();
  const pace = createHandshakePace({ clock });
  const metrics = createMetrics({
    requestNames: Object.keys(contract.requests),
    connectionCount: () => roster.connectionCount,
    handshakesWaiting: () => pace.waitingCount,
    feedCount: () => feeds.feedCount,
    waitingCount: () => desk.router.waitingCount,
    onlineCount: () => desk.router.onlineCount,
    nodeCount: () => backends.peers.nodeCount,
    busConnected: () => backends.bus.connected && backends.peers.hearsAll,
  });
  const backends = await openBackends({ config, keys, clock, log, metrics });
  const { store, bus, peers } = backends;
  const attachments = await openAttachments({
    ...{ config, store, clock, log, metrics },
    shared: peers !== alone,
  }).catch(async (error: unknown) => {
    await backends.close();
    throw error;
  });
  const { blobs, inspector, linkSecret } = attachments;
  const links = new Links({ secret: linkSecret, publicUrl: config.publicUrl, linkMs: limits.linkMs, clock });
  const downloads = new Downloads({ store, blobs, links, clock });

  let draining = false;
  const app = createHttp({
    ...config,
    clock,
    log,
    document: documentTexts(limits),
    readiness: async () => {
      const unhealthy = await store.health();
      return [...(draining ? ['draining'] : []), ...(unhealthy === undefined ? [] : [unhealthy])];
    },
    metrics: () => metrics.page(),
    openDownload: (attachmentId, query) => downloads.open(attachmentId, query),
    issueVisitor:
      config.visitors.enabled && keys.kind === 'secret'
        ? createVisitors({ ...config.visitors, ...config.tokens, key: keys.key, clock })
        : undefined,
  });
  await app.ready();

  const io = createSocketServer({ httpServer: app.server, ...limits, allowedOrigins: config.allowedOrigins });
  const addresses = countAddresses(io, config.trustedProxyCount);
  createAdmission({
    ...{ ...config, clock, pace, isDraining: () => draining, connectionsFrom: addresses.connectionsFrom },
  }).guard(app.server);

  const rooms = createRooms(io);
  backends.attach(io);
  const feeds = new FeedHub({ store, bus, rooms, metrics, log, links });
  const desk = await openDesk({
    ...{ config, store, feeds, rooms, roster, tokens, metrics, log, clock, links, blobs, inspector, bus, peers },
  });
  const dispatcher = new Dispatcher({ contract, verbs, desk, log, metrics });
  serveSockets({ io, desk, dispatcher, log });
  const stopWatching = watchSlowReaders({ io, limits, log, metrics });

  const drain = createDrain({ io, app, dispatcher, log, limits, begin: () => (draining = true) });

  await new Promise<void>((resolve, reject) => {
    app.server.once('error', reject);
    app.server.listen(config.port, config.host, BACKLOG, resolve);
  });
  const { port } = app.server.address() as AddressInfo;
  const host = config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
  // Whoever waits for this line must get it at any level.
  (options.log ?? createLog({ level: 'info' })).info({ url, host: config.host, port }, 'listening');
  welcome(config, keys, url);

  let drained: Promise<void> | undefined;
  return {
    url,
    drain: () =>
      (drained ??= drain().then(async () => {
        stopWatching();
        // Together: a sweep may wait for a storage that does not answer.
        await Promise.all([desk.stop(), attachments.close()]);
        await desk.leave();
        await backends.close();
        log.info({}, 'stopped');
      })),
  };
};
