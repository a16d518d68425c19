import { readFileSync, readdirSync } from 'node:fs';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { NodesTarget, Spent } from './jobs.ts';
import { cpuMicros } from '../process-usage.ts';

/** Since their start; `Spent` is the difference of two. */
export interface Reading extends Omit<Spent, 'postgresCpuMicros'> {
  /** By process: they come and go. */
  readonly postgresCpuMicros: ReadonlyMap<number, number>;
}

interface PostgresRow {
  readonly backend: number;
  readonly wal: string;
  readonly next_transaction: string;
  readonly statements: string;
}

/** One statement, of which none is counted: it is told by the names in it. */
const POSTGRES_READING = `
  SELECT pg_backend_pid() AS backend, (pg_current_wal_lsn() - '0/0'::pg_lsn)::text AS wal,
    pg_snapshot_xmax(pg_current_snapshot())::text AS next_transaction,
    (SELECT coalesce(sum(calls), 0)::text FROM pg_stat_statements
      WHERE dbid <> (SELECT oid FROM pg_database WHERE datname = current_database())) AS statements`;

const parentOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
};

/** CPU of a server's processes: who listens, and whom it started, but for the one that answers here. */
const familyCpu = (backend: number): ReadonlyMap<number, number> => {
  const server = parentOf(backend);
  const cpu = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === backend) continue;
    try {
      if (pid === server || parentOf(pid) === server) cpu.set(pid, cpuMicros(pid));
    } catch {
      // It went since it was listed.
    }
  }
  return cpu;
};

const fieldOf = (info: string, name: string): number =>
  Number(new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1] ?? NaN);

/** Calls by command; reading the meters is none. */
const commandsOf = (info: string): Record<string, number> =>
  Object.fromEntries(
    [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
      .map(([, name = '', calls]) => [name, Number(calls)] as const)
      .filter(([name]) => name !== 'info'),
  );

const microsOf = (seconds: number): number => Math.round(seconds * 1e6);

/** What nodes, Redis and Postgres have used so far, by their own count and the system's. */
export class Meters {
  readonly #target: NodesTarget;
  readonly #redis: Redis;
  readonly #postgres: Client | undefined;

  private constructor(target: NodesTarget, redis: Redis, postgres: Client | undefined) {
    this.#target = target;
    this.#redis = redis;
    this.#postgres = postgres;
  }

  static async open(target: NodesTarget): Promise<Meters> {
    const postgres = target.postgresUrl === null ? undefined : new Client({ connectionString: target.postgresUrl });
    await postgres?.connect();
    return new Meters(target, new Redis(target.redisUrl), postgres);
  }

  async read(): Promise<Reading> {
    const info = await this.#redis.info('everything');
    const row = (await this.#postgres?.query<PostgresRow>(POSTGRES_READING))?.rows[0];
    return {
      nodeCpuMicros: this.#target.pids.map(cpuMicros),
      loadCpuMicros: cpuMicros(process.pid),
      redisCpuMicros: microsOf(fieldOf(info, 'used_cpu_user') + fieldOf(info, 'used_cpu_sys')),
      postgresCpuMicros: row === undefined ? new Map<number, number>() : familyCpu(row.backend),
      walBytes: Number(row?.wal ?? 0),
      statements: Number(row?.statements ?? 0),
      transactions: Number(row?.next_transaction ?? 0),
      redisInBytes: fieldOf(info, 'total_net_input_bytes'),
      redisOutBytes: fieldOf(info, 'total_net_output_bytes'),
      redisCommands: commandsOf(info),
    };
  }

  async spentSince(before: Reading): Promise<Spent> {
    const after = await this.read();
    const difference = (of: (reading: Reading) => number): number => of(after) - of(before);
    return {
      nodeCpuMicros: after.nodeCpuMicros.map((micros, node) => micros - (before.nodeCpuMicros[node] ?? 0)),
      loadCpuMicros: difference((reading) => reading.loadCpuMicros),
      redisCpuMicros: difference((reading) => reading.redisCpuMicros),
      postgresCpuMicros: [...after.postgresCpuMicros].reduce(
        (sum, [pid, micros]) => sum + micros - (before.postgresCpuMicros.get(pid) ?? 0),
        0,
      ),
      walBytes: difference((reading) => reading.walBytes),
      statements: difference((reading) => reading.statements),
      transactions: difference((reading) => reading.transactions),
      redisInBytes: difference((reading) => reading.redisInBytes),
      redisOutBytes: difference((reading) => reading.redisOutBytes),
      redisCommands: Object.fromEntries(
        Object.entries(after.redisCommands)
          .map(([name, calls]) => [name, calls - (before.redisCommands[name] ?? 0)] as const)
          .filter(([, calls]) => calls > 0),
      ),
    };
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
    await this.#postgres?.end();
  }
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Calls of some commands, or of all. */
export const commandCount = ({ redisCommands }: Spent, ...names: readonly string[]): number =>
  Object.entries(redisCommands).reduce(
    (sum, [name, calls]) => (names.length === 0 || names.includes(name) ? sum + calls : sum),
    0,
  );
