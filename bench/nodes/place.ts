import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { startPostgres, type TestPostgres } from '../../test/support/postgres.ts';
import { startRedis, type TestRedis } from '../../test/support/redis.ts';
import type { Built } from '../build.ts';
import { removeFolder, startNode, stop, temporaryFolder, type Child } from '../children.ts';
import { JOB_TIMEOUT_MS, type Kind, type NodesJob, type NodesResults, type NodesTarget } from './jobs.ts';

const secret = randomBytes(32).toString('hex');

/** What keeps single clients in bounds would keep the load generator from its work: many connections from one address. */
const LIMITS = { requestsPerSecond: 1_000_000, handshakesPerSecond: 1_000_000, connectionsPerAddress: 1_000_000 };

/** Statements are counted by the extension; all else is as Postgres has it, synced at each commit. */
const POSTGRES_SETTINGS = { shared_preload_libraries: `'pg_stat_statements'`, max_connections: '200' };

const START_TIMEOUT_MS = 60_000;

export interface Contender {
  readonly target: NodesTarget;
  stop(): Promise<void>;
}

const compiled = (built: Built, name: string): string => join(dirname(built.load), 'nodes', `${name}.js`);

/** Each line that a process says. */
const onLine = (child: Child, heard: (line: string) => void): void =>
  void createInterface({ input: child.stdout }).on('line', heard);

const listening = (kind: Kind, child: Child): Promise<string> =>
  new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`a node (${kind}) ended before it listened`)));
    setTimeout(() => reject(new Error(`a node (${kind}) did not listen`)), START_TIMEOUT_MS).unref();
    onLine(child, (line) => {
      const said = line.startsWith('{') ? (JSON.parse(line) as { msg?: string; url?: string }) : {};
      if (said.msg === 'listening' && said.url !== undefined) resolve(said.url);
    });
  });

/** One job under way, in a process of its own. */
export interface Running<J extends NodesJob> {
  /** Resolves when the process has said that line. */
  said(line: string): Promise<void>;
  /** Asks it to come to an end. */
  end(): void;
  /** @throws when something is not accounted for */
  readonly result: Promise<NodesResults[J['kind']]>;
}

export const startJob = <J extends NodesJob>(built: Built, target: NodesTarget, job: J): Running<J> => {
  const child = startNode([compiled(built, 'load'), JSON.stringify(target), JSON.stringify(job)], {
    NODE_ENV: 'production',
    DESKWIRE_JWT_SECRET: secret,
  });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  onLine(child, (line) => {
    lines.push(line);
    for (const listener of listeners) listener();
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), JOB_TIMEOUT_MS);
  // Not `exit`: what it said last would still be on its way.
  const result = once(child, 'close').then(([code]) => {
    clearTimeout(timer);
    if (code !== 0) throw new Error(`${job.kind} against ${target.kind} failed`);
    return JSON.parse(lines.at(-1) ?? '') as NodesResults[J['kind']];
  });
  // Whoever waits for a line hears of a failure from `said`.
  result.catch(() => undefined);
  return {
    result,
    end: () => void child.kill('SIGTERM'),
    said: (wanted) =>
      new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (lines.includes(wanted)) resolve();
        };
        listeners.add(look);
        look();
        result.then(() => reject(new Error(`${job.kind} never said "${wanted}"`)), reject);
      }),
  };
};

/** One Postgres and one Redis for all contenders, who take turns. */
export class Place {
  readonly #built: Built;
  readonly #postgres: TestPostgres;
  readonly #redis: TestRedis;

  private constructor(built: Built, postgres: TestPostgres, redis: TestRedis) {
    this.#built = built;
    this.#postgres = postgres;
    this.#redis = redis;
  }

  static async open(built: Built): Promise<Place> {
    const postgres = await startPostgres({ settings: POSTGRES_SETTINGS });
    try {
      await postgres.query(postgres.url, 'CREATE EXTENSION pg_stat_statements');
      return new Place(built, postgres, await startRedis());
    } catch (error) {
      await postgres.remove();
      throw error;
    }
  }

  get redisPort(): number {
    return this.#redis.port;
  }

  /** Starts nodes that know of nothing earlier (in Redis nothing is kept); `redisUrls`: by node, where it reaches Redis. */
  async start(kind: Kind, count: number, redisUrls: readonly string[] = []): Promise<Contender> {
    const folder = temporaryFolder();
    const databaseUrl = kind === 'deskwire' ? await this.#postgres.newDatabase() : null;
    const program = kind === 'peer' ? [compiled(this.#built, 'peer')] : [this.#built.deskwire, 'serve'];
    const children = Array.from({ length: count }, (_, node) =>
      startNode(program, {
        NODE_ENV: 'production',
        PORT: '0',
        HOST: '127.0.0.1',
        REDIS_URL: redisUrls[node] ?? this.#redis.url,
        DATA_DIR: join(folder, String(node)),
        ATTACHMENTS_URL: `file:${join(folder, 'attachments')}`,
        DESKWIRE_JWT_SECRET: secret,
        DESKWIRE_LIMITS: JSON.stringify(LIMITS),
        ...(databaseUrl !== null && { DATABASE_URL: databaseUrl }),
      }),
    );
    const end = async (): Promise<void> => {
      await Promise.all(children.map(stop));
      removeFolder(folder);
    };
    try {
      const urls = await Promise.all(children.map((child) => listening(kind, child)));
      const pids = children.map(({ pid = 0 }) => pid);
      const postgresUrl = databaseUrl === null ? null : this.#postgres.url;
      return { target: { kind, urls, pids, redisUrl: this.#redis.url, postgresUrl }, stop: end };
    } catch (error) {
      await end();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#postgres.remove(), this.#redis.stop()]);
  }
}
