import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { KeySource } from '../auth/keys.ts';
import { createMemoryBus } from '../cluster/memory-bus.ts';
import { alone, NodePeers, type Peers } from '../core/peers.ts';
import { newDeskId, newNodeId } from '../core/ids.ts';
import type { Bus } from '../ports/bus.ts';
import { isoTime, type Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Nodes } from '../ports/nodes.ts';
import type { Store } from '../ports/store.ts';
import { openSqliteStore } from '../store/sqlite/store.ts';
import type { DeskwireServer } from '../transport/socketio/rooms.ts';
import type { Config } from './config.ts';
import { fingerprints } from './fingerprints.ts';
import { programVersion } from './version.ts';

/** What the server keeps its data in, and what it shares with others. */
export interface Backends {
  readonly store: Store;
  readonly bus: Bus;
  readonly peers: Peers;
  /** Takes ephemeral events to other nodes. */
  attach(io: DeskwireServer): void;
  close(): Promise<void>;
}

export interface OpenBackendsOptions {
  readonly config: Config;
  readonly keys: KeySource;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const SALT_BYTES = 32;

const openRedis = async ({ config, log, clock }: OpenBackendsOptions, store: Store, nodeId: string) => {
  const { redis: place } = config;
  if (place === undefined) return { bus: createMemoryBus(), attach: () => undefined, close: () => Promise.resolve() };
  // Loaded when it is wanted: most servers are alone.
  const { attachAdapter, connectRedis, createRedisBus } = await import('../cluster/redis.ts');
  const desk = await store.secret('desk', newDeskId());
  const connections = await connectRedis({ place, desk, log, clock });
  const bus = createRedisBus({ connections, nodeId, log });
  return {
    bus,
    attach: (io: DeskwireServer) => attachAdapter(io, connections),
    close: async () => {
      await bus.close();
      await connections.close();
    },
  };
};

const joinOthers = async (
  { config, keys, clock, log }: OpenBackendsOptions,
  { store, nodes, bus, nodeId }: { store: Store; nodes: Nodes; bus: Bus; nodeId: string },
): Promise<Peers> => {
  const salt = await store.secret('fingerprints', randomBytes(SALT_BYTES).toString('base64url'));
  const info = {
    version: programVersion(),
    startedAt: isoTime(clock.now()),
    fingerprints: fingerprints(config, keys, salt),
  };
  return new NodePeers({ nodeId, info, nodes, bus, clock, log, nodeLeaseMs: config.limits.nodeLeaseMs });
};

/** @throws StoreStartError, RedisStartError */
export const openBackends = async (options: OpenBackendsOptions): Promise<Backends> => {
  const { config, log, metrics, clock } = options;
  const { database } = config;
  if (database.kind === 'sqlite') {
    const store = await openSqliteStore({ path: database.path, log, metrics });
    return { store, bus: createMemoryBus(), peers: alone, attach: () => undefined, close: () => store.close() };
  }
  const { openPostgresStore } = await import('../store/postgres/store.ts');
  const { store, nodes } = await openPostgresStore({ url: database.url, log, metrics, clock });
  try {
    const nodeId = newNodeId(hostname());
    const redis = await openRedis(options, store, nodeId);
    const peers = await joinOthers(options, { store, nodes, bus: redis.bus, nodeId });
    return {
      ...{ store, bus: redis.bus, peers, attach: redis.attach },
      close: async () => {
        await redis.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
};
