import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';

const run = promisify(execFile);

export const SUPERUSER = 'deskwire';
export const PASSWORD = 'no secret: p@ss/word';

export interface PostgresOptions {
  /** Off where a crash of the machine is not the point: commits are then several times as quick. @default true */
  readonly fsync?: boolean;
  /** More lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Folder of `initdb` and `postgres`. @default those of TEST_POSTGRES, else the newest that is installed */
  readonly programs?: string;
}

export interface TestPostgres {
  readonly port: number;
  /** Of the database `postgres`. */
  readonly url: string;
  /** The URL of a database, for a user. */
  urlOf(database: string, user?: string, password?: string): string;
  /** Makes an empty one and gives its URL. */
  newDatabase(options?: string): Promise<string>;
  /** Runs SQL in a database, as superuser. */
  query<R extends object>(url: string, sql: string): Promise<R[]>;
  /** What `pg_dump` and `pg_restore` make of a database, in a new one. */
  copyOf(url: string): Promise<string>;
  /** Ends it in order; what it has stays. */
  stop(): Promise<void>;
  /** SIGKILL to all its processes. */
  kill(): Promise<void>;
  /** Comes back where it was. */
  start(): Promise<void>;
  /** Ends it in order, and starts it again. */
  restart(): Promise<void>;
  /** SIGSTOP to all its processes: it keeps its connections and answers nothing. */
  pause(): void;
  resume(): void;
  /** Ends it and deletes what it has. */
  remove(): Promise<void>;
}

/** Of the newest installed version, with a slash at the end. */
const installedPrograms = (): string => {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const [newest] = versions;
  // Elsewhere they are on the path.
  return newest === undefined ? '' : `${join(root, newest, 'bin')}/`;
};

/** Postgres does not run as root: there it gets a user of its own. */
const asUser = (): { uid: number; gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const fields = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (fields === undefined) throw new Error('expected a user "postgres" to run Postgres as');
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return address.port;
};

/** The process and all below it, itself first. */
const familyOf = (pid: number): number[] => {
  const children = readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const parent = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1];
      return parent === String(pid) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
  return [pid, ...children];
};

const signalTo = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch {
    // It went since it was listed: a server's processes come and go with connections.
  }
};

/** A Postgres server as processes of its own, in a folder and on a port of its own. It ends when this process does. */
export const startPostgres = async (options: PostgresOptions = {}): Promise<TestPostgres> => {
  const folder = mkdtempSync(join(tmpdir(), 'deskwire-postgres-'));
  const installed = installedPrograms();
  const programs = options.programs ?? process.env['TEST_POSTGRES_BIN'];
  const server = programs === undefined ? installed : `${programs}/`;
  const user = asUser();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, PASSWORD);
  if (user !== undefined) chownSync(passwordFile, user.uid, user.gid);
  await run(
    `${server}initdb`,
    ['-D', data, '-U', SUPERUSER, '--pwfile', passwordFile, '-A', 'md5', '-E', 'UTF8', '--locale', 'C', '--no-sync'],
    { ...user, cwd: folder },
  );
  const port = await freePort();
  const settings: Record<string, string> = {
    listen_addresses: `'127.0.0.1'`,
    unix_socket_directories: `'${folder}'`,
    port: String(port),
    max_connections: '60',
    shared_buffers: `'32MB'`,
    fsync: options.fsync === false ? 'off' : 'on',
    log_min_messages: 'warning',
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  appendFileSync(join(data, 'postgresql.conf'), lines.join(''));

  let child: ChildProcess | undefined;
  let databases = 0;
  const urlOf = (database: string, name = SUPERUSER, password = PASSWORD): string =>
    `postgres://${name}:${encodeURIComponent(password)}@127.0.0.1:${String(port)}/${database}`;

  const query = async <R extends object>(url: string, sql: string): Promise<R[]> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<R>(sql)).rows;
    } finally {
      await client.end();
    }
  };

  const start = async (): Promise<void> => {
    if (child !== undefined) return;
    const program = [`${server}postgres`, '-D', data];
    // However this process ends, the server ends with it.
    const guarded = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'QUIT', ...program] : program;
    const [command, ...rest] = guarded;
    const started = spawn(command ?? '', rest, { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    let said = '';
    started.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-2_000);
    });
    const deadline = Date.now() + 30_000;
    for (;;) {
      if (started.exitCode !== null) throw new Error(`postgres ended with ${String(started.exitCode)}: ${said}`);
      try {
        await query(urlOf('postgres'), 'SELECT 1');
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending?.pid === undefined || ending.exitCode !== null) return;
    const gone = once(ending, 'exit');
    const family = familyOf(ending.pid);
    ending.kill(signal);
    if (signal === 'SIGKILL') {
      for (const pid of family.slice(1)) signalTo(pid, signal);
    }
    await gone;
  };

  const signalAll = (signal: NodeJS.Signals): void => {
    if (child?.pid === undefined) return;
    for (const pid of familyOf(child.pid)) signalTo(pid, signal);
  };

  const newDatabase = async (more = ''): Promise<string> => {
    const name = `test_${String(++databases)}`;
    await query(urlOf('postgres'), `CREATE DATABASE ${name} ${more}`);
    return urlOf(name);
  };

  const remove = async (): Promise<void> => {
    await end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    port,
    url: urlOf('postgres'),
    urlOf,
    newDatabase,
    copyOf: async (from) => {
      const to = await newDatabase();
      const file = join(folder, 'copy.dump');
      await run(`${installed}pg_dump`, ['--format', 'custom', '--file', file, '--dbname', from], user);
      await run(`${installed}pg_restore`, ['--exit-on-error', '--dbname', to, file], user);
      return to;
    },
    query,
    // INT: connections are cut, what is under way is rolled back.
    stop: () => end('SIGINT'),
    kill: () => end('SIGKILL'),
    start,
    restart: async () => {
      await end('SIGINT');
      await start();
    },
    pause: () => signalAll('SIGSTOP'),
    resume: () => signalAll('SIGCONT'),
    remove,
  };
};
