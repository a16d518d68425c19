import { mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
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

/** Folders of processes that died; clocks of machines that share them may differ by minutes. Never rejects. */
const removeDead = async (parent: string): Promise<void> => {
  const before = Date.now() - DEAD_MS;
  for (const name of await readdir(parent).catch(() => [])) {
    const path = join(parent, name);
    const changedAt = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (changedAt < before) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
};

/**
 * A folder for what is on its way, of this process alone. What a killed process leaves is removed by the others, or by the
 * next one, ten minutes later.
 */
export const openOwnFolder = async (parent: string): Promise<OwnFolder> => {
  makeFolder(parent);
  await removeDead(parent);
  const path = await mkdtemp(join(parent, `${String(process.pid)}-`));
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
