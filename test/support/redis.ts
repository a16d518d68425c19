/** Real Redis: one server, one with sentinels, a cluster; each on free ports of this machine, with a folder of its own. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';

const running = new Set<ChildProcess>();
const folders = new Set<string>();
// A test that fails half-way leaves nothing behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Ports that nobody listens on now. */
export const freePorts = async (count: number): Promise<number[]> => {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
};

/** Asks until `look` gives something; what it throws counts as nothing. */
const eventually = async <T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> => {
  const deadline = Date.now() + timeoutMs;
  let failure: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      failure = error;
    }
    if (Date.now() > deadline) throw new Error(`waited ${String(timeoutMs)} ms for ${what}`, { cause: failure });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** Runs one task on a connection of its own. */
const ask = async <T>(options: RedisOptions, task: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 500,
    commandTimeout: 2000,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await task(redis);
  } finally {
    redis.disconnect();
  }
};

export interface RedisProcess {
  readonly port: number;
  /** Dies at once, and forgets all. */
  kill(): Promise<void>;
  /** Comes back on the same port. */
  restart(): Promise<void>;
  /** Frozen: connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** On a connection of its own. */
  command(...command: [string, ...(string | number)[]]): Promise<unknown>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

export interface TestRedis extends RedisProcess {
  /** As REDIS_URL says it. */
  readonly url: string;
}

export interface StartRedisOptions {
  readonly password?: string;
  readonly tls?: boolean;
  /** More lines of its configuration. */
  readonly config?: readonly string[];
}

const BASE_CONFIG = ['bind 127.0.0.1', 'save ""', 'appendonly no', 'loglevel warning', 'repl-diskless-sync-delay 0'];

interface ProcessOptions {
  readonly port: number;
  readonly folder: string;
  readonly lines: readonly string[];
  readonly connect: RedisOptions;
  readonly sentinel?: boolean;
}

const startProcess = async ({ port, folder, lines, connect, sentinel }: ProcessOptions): Promise<RedisProcess> => {
  const file = join(folder, `${String(port)}.conf`);
  // Sentinels write what they learn into it; it is theirs from then on.
  writeFileSync(file, [...lines, `dir ${folder}`, ''].join('\n'));
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const started = spawn('redis-server', [file, ...(sentinel === true ? ['--sentinel'] : [])], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    started.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
    started.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
    child = started;
    running.add(started);
    started.once('exit', () => running.delete(started));
    await eventually(`Redis on ${String(port)}`, async () => {
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${String(started.exitCode)}: ${said}`);
      await ask(connect, (redis) => redis.ping());
      return true;
    });
  };
  const kill = async (): Promise<void> => {
    const killed = child;
    child = undefined;
    if (killed?.exitCode !== null || killed.signalCode !== null) return;
    const ended = once(killed, 'exit');
    killed.kill('SIGKILL');
    await ended;
  };
  await start();
  return {
    port,
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    command: (...[name, ...args]) => ask(connect, (redis) => redis.call(name, ...args)),
    stop: kill,
  };
};

/** A certificate for 127.0.0.1 that signs itself. */
const certificate = (folder: string): { cert: string; key: string } => {
  const cert = join(folder, 'cert.pem');
  const key = join(folder, 'key.pem');
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...made, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert, key };
};

const testFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-redis-'));
  folders.add(folder);
  return folder;
};
const remove = (folder: string): void => {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
};

/** One server. */
export const startRedis = async ({ password, tls, config = [] }: StartRedisOptions = {}): Promise<TestRedis> => {
  const folder = testFolder();
  const [port = 0] = await freePorts(1);
  const files = tls === true ? certificate(folder) : undefined;
  const listen =
    files === undefined
      ? [`port ${String(port)}`]
      : [
          'port 0',
          `tls-port ${String(port)}`,
          `tls-cert-file ${files.cert}`,
          `tls-key-file ${files.key}`,
          `tls-ca-cert-file ${files.cert}`,
          'tls-auth-clients no',
        ];
  const started = await startProcess({
    port,
    folder,
    lines: [...BASE_CONFIG, ...listen, ...(password === undefined ? [] : [`requirepass ${password}`]), ...config],
    connect: {
      port,
      ...(password === undefined ? {} : { password }),
      ...(files === undefined ? {} : { tls: { rejectUnauthorized: false } }),
    },
  });
  const user = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  const address = `${user}127.0.0.1:${String(port)}`;
  return {
    ...started,
    url: files === undefined ? `redis://${address}` : `rediss://${address}?ca=${encodeURIComponent(files.cert)}`,
    stop: async () => {
      await started.stop();
      remove(folder);
    },
  };
};

export interface TestSentinels {
  readonly url: string;
  readonly sentinels: readonly RedisProcess[];
  /** The first one was the master at the beginning. */
  readonly servers: readonly RedisProcess[];
  /** Port of the master that the sentinels name now. */
  masterPort(): Promise<number>;
  stop(): Promise<void>;
}

export const MASTER_NAME = 'deskwire-test';

/** A master, a replica and sentinels that replace a dead master after about a second. */
export const startSentinels = async ({ count = 3 }: { readonly count?: number } = {}): Promise<TestSentinels> => {
  const folder = testFolder();
  const [master = 0, replica = 0, ...sentinelPorts] = await freePorts(2 + count);
  const server = (port: number, ...more: string[]) =>
    startProcess({ port, folder, lines: [...BASE_CONFIG, `port ${String(port)}`, ...more], connect: { port } });
  const servers = [await server(master), await server(replica, `replicaof 127.0.0.1 ${String(master)}`)];
  await eventually('the replica', async () =>
    String(await servers[0]?.command('INFO', 'replication')).includes('state=online'),
  );
  const sentinels = await Promise.all(
    sentinelPorts.map((port) =>
      startProcess({
        port,
        folder,
        sentinel: true,
        connect: { port },
        lines: [
          'bind 127.0.0.1',
          `port ${String(port)}`,
          `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${String(master)} ${String(Math.floor(count / 2) + 1)}`,
          `sentinel down-after-milliseconds ${MASTER_NAME} 800`,
          `sentinel failover-timeout ${MASTER_NAME} 3000`,
        ],
      }),
    ),
  );
  const [first] = sentinels;
  if (first === undefined) throw new Error('expected at least one sentinel');
  // Before they know each other and the replica, they would not fail over.
  await Promise.all(
    sentinels.map((sentinel) =>
      eventually('the sentinels to meet', async () => {
        const fields = (await sentinel.command('SENTINEL', 'MASTER', MASTER_NAME)) as string[];
        const value = (name: string): number => Number(fields[fields.indexOf(name) + 1]);
        return value('num-other-sentinels') === count - 1 && value('num-slaves') === 1;
      }),
    ),
  );
  return {
    url: `redis+sentinel://${sentinelPorts.map((port) => `127.0.0.1:${String(port)}`).join(',')}/${MASTER_NAME}`,
    sentinels,
    servers,
    masterPort: async () => {
      const address = (await first.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[];
      return Number(address[1]);
    },
    stop: async () => {
      await Promise.all([...sentinels, ...servers].map((process) => process.stop()));
      remove(folder);
    },
  };
};

export interface TestCluster {
  readonly url: string;
  /** Three masters with a third of the slots each, then a replica of the first. */
  readonly nodes: readonly RedisProcess[];
  /** Id of a node in the cluster. */
  idOf(index: number): Promise<string>;
  /** Moves a slot, as operators do it, while all are up. */
  moveSlot(slot: number, from: number, to: number): Promise<void>;
  stop(): Promise<void>;
}

const SLOT_RANGES = ['0 5460', '5461 10922', '10923 16383'];

/** Three masters, and a replica of the first that takes over about a second after its death. */
export const startCluster = async (): Promise<TestCluster> => {
  const folder = testFolder();
  const ports = await freePorts(8);
  const nodes = await Promise.all(
    ports.slice(0, 4).map((port, index) =>
      startProcess({
        port,
        folder,
        connect: { port },
        lines: [
          ...BASE_CONFIG,
          `port ${String(port)}`,
          `cluster-port ${String(ports[index + 4])}`,
          'cluster-enabled yes',
          `cluster-config-file nodes-${String(port)}.conf`,
          'cluster-node-timeout 1000',
          'cluster-require-full-coverage no',
        ],
      }),
    ),
  );
  const idOf = async (index: number): Promise<string> => String(await nodes[index]?.command('CLUSTER', 'MYID'));
  for (const [index, range] of SLOT_RANGES.entries())
    await nodes[index]?.command('CLUSTER', 'ADDSLOTSRANGE', ...range.split(' '));
  for (const [index, node] of nodes.entries()) {
    if (index > 0) await nodes[0]?.command('CLUSTER', 'MEET', '127.0.0.1', node.port, ports[index + 4] ?? 0);
  }
  const ready = (count: number) => (node: RedisProcess) =>
    eventually('the cluster', async () => {
      const info = String(await node.command('CLUSTER', 'INFO'));
      return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${String(count)}`);
    });
  await Promise.all(nodes.map(ready(4)));
  const firstId = await idOf(0);
  await eventually('the replica', async () => (await nodes[3]?.command('CLUSTER', 'REPLICATE', firstId)) === 'OK');
  await eventually('the replica to be in sync', async () =>
    String(await nodes[0]?.command('INFO', 'replication')).includes('state=online'),
  );
  // Each must know of the replica, or its votes come to nothing.
  await Promise.all(
    nodes.map((node) =>
      eventually('all to know the replica', async () =>
        String(await node.command('CLUSTER', 'NODES')).includes(`slave ${firstId}`),
      ),
    ),
  );
  return {
    url: `redis+cluster://${ports
      .slice(0, 3)
      .map((port) => `127.0.0.1:${String(port)}`)
      .join(',')}`,
    nodes,
    idOf,
    moveSlot: async (slot, from, to) => {
      const owner = await idOf(to);
      await nodes[to]?.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from));
      await nodes[from]?.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', owner);
      // Whoever takes it is told first: it must not turn away what the others send to it already.
      for (const index of [to, from, ...[0, 1, 2].filter((other) => other !== from && other !== to)])
        await nodes[index]?.command('CLUSTER', 'SETSLOT', slot, 'NODE', owner);
    },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      remove(folder);
    },
  };
};
