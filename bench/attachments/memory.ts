import { readdirSync, readFileSync } from 'node:fs';
import type { Window } from './jobs.ts';

const LOOK_EVERY_MS = 20;
const KIB = 1024;

interface Look {
  readonly atMs: number;
  readonly rssBytes: number;
  /** The most it ever was, by the kernel's own count. */
  readonly mostBytes: number;
  /** Of all the processes that it started, together. */
  readonly childrenBytes: number;
}

export interface Growth {
  readonly beforeBytes: number;
  /** The most during the window, minus `beforeBytes`. */
  readonly growthBytes: number;
  readonly childrenBytes: number;
}

const statusOf = (pid: number): string => readFileSync(`/proc/${String(pid)}/status`, 'latin1');
const field = (status: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * KIB;

/** Processes that this one started, proc(5); each thread lists those of its own. */
const childrenOf = (pid: number): number[] =>
  readdirSync(`/proc/${String(pid)}/task`).flatMap((thread) => {
    const text = readFileSync(`/proc/${String(pid)}/task/${thread}/children`, 'latin1').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  });

const rssOf = (pid: number): number => {
  try {
    return field(statusOf(pid), 'VmRSS');
  } catch {
    // Ended since it was listed.
    return 0;
  }
};

/** Follows the memory that a server takes of the system (RSS, proc(5)), and its children's apart. */
export class MemoryWatch {
  readonly #looks: Look[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      const status = statusOf(pid);
      this.#looks.push({
        atMs: performance.timeOrigin + performance.now(),
        rssBytes: field(status, 'VmRSS'),
        mostBytes: field(status, 'VmHWM'),
        childrenBytes: childrenOf(pid).reduce((sum, child) => sum + rssOf(child), 0),
      });
    }, LOOK_EVERY_MS);
  }

  /** Stops; gives what happened in the window. @throws when nothing was seen before or during it */
  during({ fromMs, toMs }: Window): Growth {
    clearInterval(this.#timer);
    const before = this.#looks.findLast(({ atMs }) => atMs < fromMs);
    const within = this.#looks.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
    const last = within.at(-1);
    if (before === undefined || last === undefined) throw new Error('too short to see what memory it takes');
    const seen = Math.max(...within.map(({ rssBytes }) => rssBytes));
    // What lies between two looks is in the kernel's count, if it was more than ever before.
    const most = last.mostBytes > before.mostBytes ? last.mostBytes : seen;
    return {
      beforeBytes: before.rssBytes,
      growthBytes: most - before.rssBytes,
      childrenBytes: Math.max(...within.map(({ childrenBytes }) => childrenBytes)),
    };
  }
}
