import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

export type Child = ChildProcessByStdio<null, Readable, null>;

/** Of statfs(2). In memory nothing is synced, and a store would seem faster than it is. */
const TMPFS_MAGIC = 0x01021994;

const running = new Set<Child>();
const folders = new Set<string>();

const cleanUp = (): void => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
};

/** Leaves no process and no file behind, however this process ends. */
export const cleanUpAtExit = (): void => {
  process.on('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
};

/** Starts Node on `args`, its standard output on a pipe, its errors on ours. */
export const startNode = (args: readonly string[], env: NodeJS.ProcessEnv): Child => {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
};

/** Ends a child; one that does not go by itself is killed. */
export const stop = async (child: Child): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await exited;
  clearTimeout(timer);
};

/** An empty folder on a disk, removed at the end. */
export const temporaryFolder = (): string => {
  const parent = statfsSync(tmpdir()).type === TMPFS_MAGIC ? process.cwd() : tmpdir();
  const folder = mkdtempSync(join(parent, 'deskwire-bench-'));
  folders.add(folder);
  return folder;
};

export const removeFolder = (folder: string): void => {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
};
