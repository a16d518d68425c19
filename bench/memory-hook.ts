/** Preloaded into both servers: on SIGUSR2 collects garbage and writes process.memoryUsage() to the file that MEMORY_FILE names. */
import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const file = process.env['MEMORY_FILE'] ?? 'memory.json';
/** Pages that a collection has freed are given back in the background; what is measured is what stays. */
const SETTLE_MS = 300;

const measure = async (): Promise<void> => {
  for (let turn = 0; turn < 2; turn += 1) {
    globalThis.gc?.();
    await wait(SETTLE_MS);
  }
  writeFileSync(`${file}.part`, JSON.stringify(process.memoryUsage()));
  renameSync(`${file}.part`, file);
};

process.on('SIGUSR2', () => {
  void measure();
});
