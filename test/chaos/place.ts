import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FaultProxy } from '../support/fault-proxy.ts';
import { NodeProcess } from '../support/node-process.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { freePorts, startCluster, startRedis, startSentinels, type RedisProcess } from '../support/redis.ts';
import type { ChaosOptions, RedisKind } from './options.ts';
import type { LinkName } from './plan.ts';

export const AGENT_LEASE_MS = 3_000;
const NODE_LEASE_MS = 2_000;
const MANY = 1_000_000;

/** A node with its lines: that of its clients, and those to Postgres and, where Redis is one server, to Redis. */
export interface PlacedNode {
  readonly process: NodeProcess;
  readonly links: Readonly<Record<Exclude<LinkName, 'redis'>, FaultProxy> & Partial<Record<'redis', FaultProxy>>>;
}

/** Redis, as faults see it. */
interface PlacedRedis {
  readonly url: string;
  /** Where there is one server. */
  readonly port: number | undefined;
  /** Whom a fault strikes now. */
  victim(): Promise<RedisProcess>;
  stop(): Promise<void>;
}

export interface Place {
  readonly postgres: TestPostgres;
  readonly databaseUrl: string;
  readonly redis: PlacedRedis;
  readonly nodes: readonly PlacedNode[];
  /** Where clients reach the nodes. */
  readonly urls: readonly string[];
  /** Nodes that ended by themselves. */
  readonly crashes: readonly string[];
  stop(): Promise<void>;
}

const throughPort = (url: string, port: number): string => url.replace(/:\d+(?=\/|$)/, `:${String(port)}`);

const placeRedis = async (kind: RedisKind): Promise<PlacedRedis> => {
  switch (kind) {
    case 'single': {
      const redis = await startRedis();
      return { url: redis.url, port: redis.port, victim: () => Promise.resolve(redis), stop: () => redis.stop() };
    }
    case 'sentinel': {
      const sentinels = await startSentinels();
      const victim = async (): Promise<RedisProcess> => {
        const port = await sentinels.masterPort();
        return sentinels.servers.find((server) => server.port === port) ?? sentinels.servers[0]!;
      };
      return { url: sentinels.url, port: undefined, victim, stop: () => sentinels.stop() };
    }
    case 'cluster': {
      const cluster = await startCluster();
      const { nodes } = cluster;
      const isMaster = async (node: RedisProcess): Promise<boolean> =>
        node.command('ROLE').then(
          (role) => String(role).startsWith('master'),
          () => false,
        );
      // Of the shard that has a replica, whoever is master of it now.
      const victim = async (): Promise<RedisProcess> => ((await isMaster(nodes[0]!)) ? nodes[0]! : nodes[3]!);
      return { url: cluster.url, port: undefined, victim, stop: () => cluster.stop() };
    }
  }
};

/** Postgres, Redis and the nodes as processes, with lines that can fail between them. */
export const startPlace = async ({
  nodes: count,
  redis: kind,
}: Pick<ChaosOptions, 'nodes' | 'redis'>): Promise<Place> => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-chaos-'));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  // Also when the run is interrupted.
  process.once('exit', removeFolder);
  const closing: (() => Promise<unknown>)[] = [];
  const crashes: string[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closing.reverse()) await close();
    process.off('exit', removeFolder);
    removeFolder();
  };
  try {
    // What survives here is what survives the death of processes; that of the machine is the database's business.
    const postgres = await startPostgres({
      fsync: false,
      settings: { max_connections: '100', shared_buffers: `'128MB'`, max_wal_size: `'2GB'` },
    });
    closing.push(() => postgres.remove());
    const redis = await placeRedis(kind);
    closing.push(() => redis.stop());
    const databaseUrl = await postgres.newDatabase();
    const ports = await freePorts(count);
    const proxy = async (port: number): Promise<FaultProxy> => {
      const started = await FaultProxy.start(port);
      closing.push(() => started.close());
      return started;
    };
    const nodes: PlacedNode[] = [];
    for (const [index, port] of ports.entries()) {
      const links = {
        clients: await proxy(port),
        postgres: await proxy(postgres.port),
        ...(redis.port !== undefined && { redis: await proxy(redis.port) }),
      };
      const node = new NodeProcess({
        port,
        env: {
          DATABASE_URL: throughPort(databaseUrl, links.postgres.port),
          REDIS_URL: links.redis === undefined ? redis.url : throughPort(redis.url, links.redis.port),
          DATA_DIR: join(folder, `node-${String(index)}`),
          ATTACHMENTS_URL: `file:${join(folder, 'attachments')}`,
          LOG_LEVEL: 'warn',
          DESKWIRE_LIMITS: JSON.stringify({
            requestsPerSecond: MANY,
            handshakesPerSecond: MANY,
            connectionsPerAddress: MANY,
            agentLeaseMs: AGENT_LEASE_MS,
            nodeLeaseMs: NODE_LEASE_MS,
            passMs: 1_000,
          }),
        },
        onCrash: (what) => crashes.push(`node ${String(index)} ${what}`),
      });
      closing.push(() => node.kill());
      nodes.push({ process: node, links });
    }
    await Promise.all(nodes.map(({ process }) => process.start()));
    return {
      ...{ postgres, databaseUrl, redis, nodes, crashes, stop },
      urls: nodes.map(({ links }) => `http://127.0.0.1:${String(links.clients.port)}`),
    };
  } catch (error) {
    await stop();
    throw error;
  }
};
