import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Built } from './build.ts';
import { removeFolder, startNode, stop, temporaryFolder, type Child } from './children.ts';
import type { Job, Results, Target } from './jobs.ts';

const secret = randomBytes(32).toString('hex');

/** What keeps single clients in bounds would keep the load generator from its work. */
const LIMITS = { requestsPerSecond: 1_000_000, handshakesPerSecond: 1_000_000, connectionsPerAddress: 1_000_000 };

export interface Server {
  readonly target: Target;
  stop(): Promise<void>;
}

/** The address in the ready line. @throws when the process ends without one */
const readyUrl = async (kind: string, child: Child): Promise<string> => {
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue;
    const { msg, url } = JSON.parse(line) as { msg?: string; url?: string };
    if (msg === 'listening' && url !== undefined) return url;
  }
  throw new Error(`${kind} ended before it listened`);
};

/** Starts the peer or ours, with the same flags of Node, on a port of its own; ours with an empty store. */
export const startServer = async (kind: Target['kind'], built: Built): Promise<Server> => {
  const folder = temporaryFolder();
  const memoryFile = join(folder, 'memory.json');
  const program = kind === 'relay' ? [built.relay] : [built.deskwire, 'serve'];
  const child = startNode(['--expose-gc', '--import', built.memoryHook, ...program], {
    NODE_ENV: 'production',
    PORT: '0',
    HOST: '127.0.0.1',
    DATA_DIR: folder,
    MEMORY_FILE: memoryFile,
    DESKWIRE_JWT_SECRET: secret,
    DESKWIRE_LIMITS: JSON.stringify(LIMITS),
  });
  const url = await readyUrl(kind, child);
  // Read on, or a server that logs would wait for room in the pipe.
  child.stdout.resume();
  return {
    target: { kind, url, pid: child.pid ?? 0, memoryFile },
    stop: async () => {
      await stop(child);
      removeFolder(folder);
    },
  };
};

/** Runs one job against a server, from a fresh process. @throws when a count does not match */
export const load = async <J extends Job>({ target }: Server, built: Built, job: J): Promise<Results[J['kind']]> => {
  const child = startNode([built.load, JSON.stringify(target), JSON.stringify(job)], { DESKWIRE_JWT_SECRET: secret });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  const code = await exited;
  if (code !== 0) throw new Error(`${job.kind} against ${target.kind} failed`);
  return JSON.parse(output) as Results[J['kind']];
};
