import { mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from './make-folder.ts';

/** How often a folder says that its process lives. */
const TOUCH_MS = 60_000;
/** One that has not said so for this long was left by a process that died. */
const DEAD_MS = 10 * TOUCH_MS;

export interface OwnFolder {
  readonly path: string;
  /** Removes it, and all that is in it. */
  close(): Promise<void>;
}

const ownPrefix = (): string => `${hostname()}-`;

/** Of a process of this machine, which is not there any more. */
const isOfDeadProcess = (name: string): boolean => {
  const pid = name.startsWith(ownPrefix()) ? /^(\d+)-/.exec(name.slice(ownPrefix().length))?.[1] : undefined;
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
};

/** Folders of processes that died; clocks of machines that share them may differ by minutes. Never rejects. */
const removeDead = async (parent: string): Promise<void> => {
  const before = Date.now() - DEAD_MS;
  for (const name of await readdir(parent).catch(() => [])) {
    const path = join(parent, name);
    if (isOfDeadProcess(name)) {
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
      continue;
    }
    const changedAt = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (changedAt < before) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
};

/**
 * A folder for what is on its way, of this process alone. What a killed process leaves is removed by the next one on its machine
 * when that starts, and by others ten minutes later.
 */
export const openOwnFolder = async (parent: string): Promise<OwnFolder> => {
  makeFolder(parent);
  await removeDead(parent);
  const path = await mkdtemp(join(parent, `${ownPrefix()}${String(process.pid)}-`));
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now)
      .catch(() => undefined)
      .then(() => removeDead(parent));
  }, TOUCH_MS);
  timer.unref();
  return {
    path,
    close: async () => {
      clearInterval(timer);
      await rm(path, { recursive: true, force: true });
    },
  };
};
