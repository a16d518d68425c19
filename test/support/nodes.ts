import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lookIntoShared, type Look } from './look.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { startServer, type TestServer, type TestServerOptions } from './server.ts';

export interface TestNodes {
  readonly postgres: TestPostgres;
  /** undefined: they have none, and learn of each other from the store. */
  readonly redis: TestRedis | undefined;
  readonly servers: readonly TestServer[];
  /** What each is started with. */
  readonly env: Readonly<Record<string, string>>;
  /** At what they keep of attachments, unless `env` puts it elsewhere. */
  readonly look: Look;
  /** One more. */
  add(): Promise<TestServer>;
  /** Drains all, ends Postgres and Redis, and deletes what they kept. */
  stop(): Promise<void>;
}

export interface TestNodesOptions extends Pick<TestServerOptions, 'limits' | 'env'> {
  /** @default 2 */
  readonly count?: number;
  /** @default true */
  readonly redis?: boolean;
}

/** Several servers in this process, with a Postgres database, a Redis server and a folder of attachments that they share. */
export const startNodes = async ({
  count = 2,
  redis = true,
  limits,
  env,
}: TestNodesOptions = {}): Promise<TestNodes> => {
  const [postgres, bus] = await Promise.all([
    startPostgres({ fsync: false }),
    redis ? startRedis() : Promise.resolve(undefined),
  ]);
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-nodes-'));
  const databaseUrl = await postgres.newDatabase();
  const storage = join(folder, 'attachments');
  const shared = {
    DATABASE_URL: databaseUrl,
    ...(bus && { REDIS_URL: bus.url }),
    ATTACHMENTS_URL: `file:${storage}`,
    ...env,
  };
  const servers: TestServer[] = [];
  const add = async (): Promise<TestServer> => {
    const server = await startServer({ ...(limits && { limits }), env: shared });
    servers.push(server);
    return server;
  };
  try {
    // Together: that is how a company starts its nodes.
    await Promise.all(Array.from({ length: count }, add));
  } catch (error) {
    await Promise.allSettled([...servers.map((server) => server.stop()), postgres.remove(), bus?.stop()]);
    throw error;
  }
  return {
    ...{ postgres, redis: bus, servers, env: shared, add },
    look: lookIntoShared({ databaseUrl, storage, dataDirs: () => servers.map(({ dataDir }) => dataDir) }),
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
      await Promise.all([postgres.remove(), bus?.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
