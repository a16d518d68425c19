import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PASSWORD, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { ServerProcess } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { freePorts, startRedis, type TestRedis } from '../support/redis.ts';
import { SECRET } from '../support/server.ts';
import { until } from '../support/until.ts';
import { ROOT } from '../gates/project-files.ts';
import { environmentOf } from './compose-file.ts';

const REDIS_PASSWORD = 'a-password-for-tests';

/** Settings of deploy/redis.conf, without the port and without comments. */
const redisSettings = (): string[] =>
  readFileSync(join(ROOT, 'deploy/redis.conf'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('port '));

/** One node of docker-compose.yml as a process, on a port that it keeps. */
export class Node {
  readonly name: string;
  readonly address: string;
  readonly #env: Record<string, string>;
  #process: ServerProcess | undefined;

  constructor(name: string, port: number, env: Record<string, string>) {
    this.name = name;
    this.address = `127.0.0.1:${String(port)}`;
    this.#env = { ...env, PORT: String(port) };
  }

  get url(): string {
    return `http://${this.address}`;
  }

  get output(): string {
    return `${this.#process?.stdout ?? ''}${this.#process?.stderr ?? ''}`;
  }

  /** Resolves once it is ready, as its health check would say. */
  async start(): Promise<void> {
    this.#process = new ServerProcess(this.#env);
    await this.#process.url();
    if ((await fetch(`${this.url}/readyz`)).status !== 200) throw new Error(`${this.name} is not ready`);
  }

  /** Its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    return (await this.#process?.end(signal)) ?? null;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.child.kill(signal);
  }
}

export interface Deployment {
  readonly postgres: TestPostgres;
  /** Of the nodes' database. */
  readonly databaseUrl: string;
  readonly redis: TestRedis;
  readonly nodes: readonly [Node, Node, Node];
  readonly proxy: TestProxy;
  readonly attachmentsFolder: string;
  /** One node after the other: ends it in order, and starts it again. Gives their exit codes. */
  restartAll(between?: (node: Node) => Promise<void>): Promise<(number | null)[]>;
  /** The name of the node that answered a request of the proxy's log. */
  nodeAt(address: string | undefined): string | undefined;
  stop(): Promise<void>;
}

/**
 * What docker-compose.yml starts, as processes of this machine: the same proxy configuration, environment and commands, at other
 * addresses and folders. `variables` are those of an .env file.
 */
export const startDeployment = async (variables: Readonly<Record<string, string>> = {}): Promise<Deployment> => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-deployment-'));
  const [postgres, redis, ports] = await Promise.all([
    startPostgres({ fsync: false }),
    startRedis({ password: REDIS_PASSWORD, config: redisSettings() }),
    freePorts(3),
  ]);
  await postgres.query(postgres.url, 'CREATE DATABASE deskwire');
  const attachmentsFolder = join(folder, 'attachments');
  const elsewhere = (text: string): string =>
    text
      .replace('@postgres:5432/', `@127.0.0.1:${String(postgres.port)}/`)
      .replace('@redis:6379', `@127.0.0.1:${String(redis.port)}`)
      .replace(/^file:\/attachments$/, `file:${attachmentsFolder}`);
  const env = {
    POSTGRES_PASSWORD: encodeURIComponent(PASSWORD),
    REDIS_PASSWORD,
    DESKWIRE_JWT_SECRET: SECRET,
    ...variables,
  };
  const nodeOf = (name: string, index: number): Node => {
    const settings = Object.entries(environmentOf(name, env)).map(([key, value]) => [key, elsewhere(value)]);
    return new Node(name, ports[index] ?? 0, {
      ...(Object.fromEntries(settings) as Record<string, string>),
      DATA_DIR: join(folder, name),
    });
  };
  const nodes = [nodeOf('node1', 0), nodeOf('node2', 1), nodeOf('node3', 2)] as const;
  const stopAll = async (proxy?: TestProxy): Promise<void> => {
    await proxy?.stop();
    await Promise.all(nodes.map((node) => node.end('SIGKILL')));
    await Promise.all([postgres.remove(), redis.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const proxy = await startProxy([nodes[0].address, nodes[1].address, nodes[2].address]);
    return {
      ...{ postgres, redis, nodes, proxy, attachmentsFolder },
      databaseUrl: postgres.urlOf('deskwire'),
      restartAll: async (between) => {
        const codes: (number | null)[] = [];
        for (const node of nodes) {
          codes.push(await node.end('SIGTERM'));
          await node.start();
          await between?.(node);
        }
        return codes;
      },
      nodeAt: (address) => nodes.find((node) => node.address === address)?.name,
      stop: () => stopAll(proxy),
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
};

/** Waits until the nodes know of each other. */
export const awaitNodes = async ({ nodes }: Pick<Deployment, 'nodes'>, count: number): Promise<void> => {
  for (const node of nodes) {
    let seen = '';
    const look = async (): Promise<void> => {
      const page = await fetch(`${node.url}/metrics`).then((answer) => answer.text());
      seen = /^deskwire_nodes (\d+)$/m.exec(page)?.[1] ?? '';
    };
    await until(`${node.name} to see ${String(count)} nodes`, () => {
      // A kept connection may be one to the process that was there before.
      look().catch(() => undefined);
      return seen === String(count);
    });
  }
};
