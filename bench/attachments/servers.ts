import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { AttachmentJob, AttachmentResults, AttachmentTarget, MessagesJob } from './jobs.ts';
import { WARM } from './messages-run.ts';
import type { Built } from '../build.ts';
import { removeFolder, startNode, stop, temporaryFolder, type Child } from '../children.ts';

const secret = randomBytes(32).toString('hex');
const MIB = 1024 * 1024;

/**
 * What keeps single clients in bounds would keep the load generator from its work: many connections from one address, files as
 * fast as they go. The size of a chunk and how many may be unanswered are as by default.
 */
const LIMITS = {
  ...{ requestsPerSecond: 1_000_000, handshakesPerSecond: 1_000_000, connectionsPerAddress: 1_000_000 },
  ...{ chunksPerSecond: 1_000_000, attachmentBytesPerUser: 1e12 },
};
/** For runs that measure what uploads cost, and not the bound on all of them together. */
export const UNBOUNDED = { uploadBytesPerSecond: 1e12 };
/** For runs that compare sizes of chunks. */
export const LARGE_CHUNKS = { chunkBytes: MIB, payloadBytes: 2 * MIB };

const compiled = (built: Built, name: string): string => join(dirname(built.load), 'attachments', `${name}.js`);

export interface AttachmentServer {
  readonly target: AttachmentTarget;
  stop(): Promise<void>;
}

/** Starts the peer or ours, with the same flags of Node, on a port of its own and with nothing stored. @throws when it doesn't listen */
export const startAttachmentServer = async (
  kind: AttachmentTarget['kind'],
  built: Built,
  moreLimits: Readonly<Record<string, number>> = {},
): Promise<AttachmentServer> => {
  const folder = temporaryFolder();
  const program = kind === 'peer' ? [compiled(built, 'peer')] : [built.deskwire, 'serve'];
  const child = startNode(program, {
    NODE_ENV: 'production',
    PORT: '0',
    HOST: '127.0.0.1',
    DATA_DIR: folder,
    DESKWIRE_JWT_SECRET: secret,
    DESKWIRE_LIMITS: JSON.stringify({ ...LIMITS, ...moreLimits }),
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`${kind} ended before it listened`)));
    // Read on after that, or a server that logs would wait for room in the pipe.
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = line.startsWith('{') ? (JSON.parse(line) as { msg?: string; url?: string }) : {};
      if (said.msg === 'listening' && said.url !== undefined) resolve(said.url);
    });
  });
  return {
    target: { kind, url, pid: child.pid ?? 0 },
    stop: async () => {
      await stop(child);
      removeFolder(folder);
    },
  };
};

const startJob = (built: Built, target: AttachmentTarget | null, job: AttachmentJob): Child =>
  startNode([compiled(built, 'load'), JSON.stringify(target ?? {}), JSON.stringify(job)], {
    NODE_ENV: 'production',
    DESKWIRE_JWT_SECRET: secret,
  });

const lastLineOf = async (child: Child, what: string): Promise<string> => {
  const exited = once(child, 'exit') as Promise<[number | null]>;
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  const [code] = await exited;
  if (code !== 0) throw new Error(`${what} failed`);
  return output.trim().split('\n').at(-1) ?? '';
};

/** Runs one job from a fresh process. @throws when something is not accounted for */
export const runJob = async <J extends Exclude<AttachmentJob, MessagesJob>>(
  built: Built,
  target: AttachmentTarget | null,
  job: J,
): Promise<AttachmentResults[J['kind']]> => {
  const text = await lastLineOf(startJob(built, target, job), `${job.kind} against ${target?.kind ?? 'nothing'}`);
  return JSON.parse(text) as AttachmentResults[J['kind']];
};

/** Messages under way while something else happens; `end` gives all that was measured. */
export interface Messages {
  end(): Promise<AttachmentResults['messages']>;
}

/** Resolves once they are under way and the server is warm. */
export const startMessages = async (built: Built, target: AttachmentTarget, job: MessagesJob): Promise<Messages> => {
  const child = startJob(built, target, job);
  const all = lastLineOf(child, `messages against ${target.kind}`);
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      if (String(chunk).startsWith(WARM)) resolve();
    });
    all.catch(reject);
  });
  return {
    end: async () => {
      child.kill('SIGTERM');
      return JSON.parse(await all) as AttachmentResults['messages'];
    },
  };
};
