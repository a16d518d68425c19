import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { startPostgres, type TestPostgres } from '../../../test/support/postgres.ts';
import { startRedis, type TestRedis } from '../../../test/support/redis.ts';
import type { Built } from '../../build.ts';
import { removeFolder, startNode, stop, temporaryFolder, type Child } from '../../children.ts';
import { LightClient, type Identity } from '../../client.ts';
import type { NodesTarget, Spent } from '../../nodes/jobs.ts';
import { Meters } from '../../nodes/meters.ts';
import { memoryUsage } from '../../process-usage.ts';

const secret = randomBytes(32).toString('hex');
const key: KeyObject = createSecretKey(Buffer.from(secret));

/** What keeps single clients in bounds would keep the measuring from its work. */
const LIMITS = {
  ...{ requestsPerSecond: 1_000_000, handshakesPerSecond: 1_000_000, connectionsPerAddress: 1_000_000 },
  ...{ conversationsPerConnection: 100_000, agentCapacity: 10_000 },
};

/** Statements are counted by the extension; all else is as Postgres has it, synced at each commit. */
const POSTGRES_SETTINGS = { shared_preload_libraries: `'pg_stat_statements'`, max_connections: '200' };
const IS_BEAT = `query LIKE '%INSERT INTO nodes%'`;
const AT_ONCE = 50;

interface Node {
  readonly child: Child;
  readonly url: string;
  readonly pid: number;
  readonly memoryFile: string;
}

/** What was used, and what all nodes' beats were of it. */
export interface Measured extends Spent {
  readonly beats: number;
  /** Time that Postgres has taken to run them, without their commits. */
  readonly beatMicros: number;
  readonly seconds: number;
}

const listening = async (child: Child): Promise<string> => {
  for await (const line of createInterface({ input: child.stdout })) {
    const said = line.startsWith('{') ? (JSON.parse(line) as { msg?: string; url?: string }) : {};
    if (said.msg === 'listening' && said.url !== undefined) return said.url;
  }
  throw new Error('a node ended before it listened');
};

/** Runs `task` for each, some at a time. */
export const inBatches = async <T, R>(
  items: readonly T[],
  task: (item: T, index: number) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += AT_ONCE)
    results.push(
      ...(await Promise.all(items.slice(first, first + AT_ONCE).map((item, offset) => task(item, first + offset)))),
    );
  return results;
};

/** The built program on several nodes, with a Postgres and a Redis of their own, and what they all use. */
export class MeasuredDesk {
  readonly postgres: TestPostgres;
  readonly redis: TestRedis;
  readonly databaseUrl: string;
  readonly #built: Built;
  readonly #folder = temporaryFolder();
  readonly #nodes: Node[] = [];
  readonly #admin: Client;

  private constructor(built: Built, postgres: TestPostgres, redis: TestRedis, databaseUrl: string, admin: Client) {
    this.#built = built;
    this.postgres = postgres;
    this.redis = redis;
    this.databaseUrl = databaseUrl;
    this.#admin = admin;
  }

  static async start(built: Built, nodeCount: number): Promise<MeasuredDesk> {
    const postgres = await startPostgres({ settings: POSTGRES_SETTINGS });
    await postgres.query(postgres.url, 'CREATE EXTENSION pg_stat_statements');
    const admin = new Client({ connectionString: postgres.url });
    await admin.connect();
    const desk = new MeasuredDesk(built, postgres, await startRedis(), await postgres.newDatabase(), admin);
    for (let count = 0; count < nodeCount; count += 1) await desk.addNode();
    return desk;
  }

  get target(): NodesTarget {
    return {
      kind: 'deskwire',
      urls: this.#nodes.map(({ url }) => url),
      pids: this.#nodes.map(({ pid }) => pid),
      redisUrl: this.redis.url,
      postgresUrl: this.postgres.url,
    };
  }

  get key(): KeyObject {
    return key;
  }

  async addNode(): Promise<void> {
    const memoryFile = join(this.#folder, `memory-${String(this.#nodes.length)}.json`);
    const child = startNode(['--expose-gc', '--import', this.#built.memoryHook, this.#built.deskwire, 'serve'], {
      NODE_ENV: 'production',
      PORT: '0',
      HOST: '127.0.0.1',
      DATABASE_URL: this.databaseUrl,
      REDIS_URL: this.redis.url,
      DATA_DIR: join(this.#folder, String(this.#nodes.length)),
      ATTACHMENTS_URL: `file:${join(this.#folder, 'attachments')}`,
      MEMORY_FILE: memoryFile,
      DESKWIRE_JWT_SECRET: secret,
      DESKWIRE_LIMITS: JSON.stringify(LIMITS),
    });
    const url = await listening(child);
    // Read on, or a node that logs would wait for room in the pipe.
    child.stdout.resume();
    this.#nodes.push({ child, url, pid: child.pid ?? 0, memoryFile });
  }

  async spent(task: () => Promise<unknown>): Promise<Measured> {
    const meters = await Meters.open(this.target);
    const beatsBefore = await this.#beats();
    const before = await meters.read();
    const startedAt = performance.now();
    await task();
    const seconds = (performance.now() - startedAt) / 1_000;
    const spent = await meters.spentSince(before);
    const after = await this.#beats();
    await meters.close();
    const { beats, beatMicros } = beatsBefore;
    return { ...spent, beats: after.beats - beats, beatMicros: after.beatMicros - beatMicros, seconds };
  }

  async databaseBytes(): Promise<number> {
    const { pathname } = new URL(this.databaseUrl);
    const { rows } = await this.#admin.query<{ bytes: string }>('SELECT pg_database_size($1) AS bytes', [
      pathname.slice(1),
    ]);
    return Number(rows[0]?.bytes);
  }

  /** RSS after a collection of garbage. */
  async memoryBytes(node: number): Promise<number> {
    const { pid, memoryFile } = this.#nodeAt(node);
    return (await memoryUsage(pid, memoryFile)).rss;
  }

  async channels(): Promise<string[]> {
    return (await this.redis.command('PUBSUB', 'SHARDCHANNELS', '*')) as string[];
  }

  /** Of all nodes to all channels. */
  async subscriptionCount(): Promise<number> {
    const answer = (await this.redis.command('PUBSUB', 'SHARDNUMSUB', ...(await this.channels()))) as unknown[];
    return answer.reduce<number>((sum, count) => sum + (typeof count === 'number' ? count : 0), 0);
  }

  connect(identities: readonly Identity[], node: number): Promise<LightClient[]> {
    const { url } = this.#nodeAt(node);
    return inBatches(identities, async (identity) => {
      const client = new LightClient(identity, { url, key, saysReady: true });
      await client.ready();
      return client;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map(({ child }) => stop(child)));
    await this.#admin.end();
    await Promise.all([this.postgres.remove(), this.redis.stop()]);
    removeFolder(this.#folder);
  }

  #nodeAt(index: number): Node {
    const node = this.#nodes[index];
    if (node === undefined) throw new Error(`no node ${String(index)} was started`);
    return node;
  }

  async #beats(): Promise<{ beats: number; beatMicros: number }> {
    const { rows } = await this.#admin.query<{ calls: string | null; micros: number | null }>(
      `SELECT sum(calls) AS calls, sum(total_exec_time) * 1000 AS micros FROM pg_stat_statements WHERE ${IS_BEAT}`,
    );
    return { beats: Number(rows[0]?.calls ?? 0), beatMicros: rows[0]?.micros ?? 0 };
  }
}
