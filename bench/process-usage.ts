import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { until } from './until.ts';

/** CPU ticks in a second: the unit of /proc/<pid>/stat, proc(5). */
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU time of a process so far, user and system, all threads, in microseconds. */
export const cpuMicros = (pid: number): number => {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
  // Fields 14 and 15; the second one, the name in brackets, may itself hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND;
};

/** Memory of a server that runs with memory-hook.ts, after garbage collection, in bytes. */
export const memoryUsage = async (pid: number, memoryFile: string): Promise<NodeJS.MemoryUsage> => {
  rmSync(memoryFile, { force: true });
  process.kill(pid, 'SIGUSR2');
  await until('the memory of the server', () => existsSync(memoryFile));
  return JSON.parse(readFileSync(memoryFile, 'utf8')) as NodeJS.MemoryUsage;
};

/** How many files (sockets, that is) this process may have open. */
export const openFileLimit = (): number => {
  const row = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  const soft = row?.[1] ?? '0';
  return soft === 'unlimited' ? Infinity : Number(soft);
};
