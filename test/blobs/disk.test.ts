import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Blobs } from '../../src/ports/blobs.ts';
import { openDiskBlobs } from '../../src/store/blobs/disk.ts';
import { noise, testFolder } from '../support/files.ts';
import { silentLog } from '../support/store.ts';
import { Random, seedOf } from '../support/random.ts';
import { until } from '../support/until.ts';
import { describeBlobs } from './contract-suite.ts';
import { diskStorage } from './storages.ts';
import { appendAll, blobOf, gathered, listed, putBytes, resume } from './support.ts';
import { walk } from './walk.ts';

describeBlobs('a folder', () => diskStorage());

const openBlobs = async (folder: string): Promise<Blobs> => {
  const blobs = await openDiskBlobs({ folder, log: silentLog });
  onTestFinished(() => blobs.close());
  return blobs;
};

const ROOT = resolve(import.meta.dirname, '../..');

/** A process that works on the folder until it is killed; `lines` are what it said. */
const startProcess = (...args: string[]): { child: ChildProcess; lines: () => string[] } => {
  const script = join(import.meta.dirname, 'blobs-process.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  return { child, lines: () => said.split('\n').slice(0, -1) };
};

const kill = async (child: ChildProcess): Promise<void> => {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
};

/** Files of the folder that this process has open. */
const openFiles = (folder: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(folder) ? [path] : [];
    } catch {
      return [];
    }
  });

describe('a folder of attachments', () => {
  it('does, through a long walk, what a model does', { timeout: 120_000 }, async () => {
    const seed = seedOf(4_711);
    const storage = await diskStorage();
    onTestFinished(() => storage.remove());
    for (let round = 0; round < 4; round += 1) await walk(storage, seed + round, 500, testFolder());
  });

  it('has a blob whole or not at all when its process is killed in the middle', { timeout: 60_000 }, async () => {
    const random = new Random(seedOf(1));
    const [folder, scratch] = [testFolder(), testFolder()];
    for (let round = 0; round < 4; round += 1) {
      const { child, lines } = startProcess('put', folder, 'a_killed', scratch);
      // The first may be killed before its first blob is there.
      const enough = round === 0 ? 1 : 2 + random.below(4);
      await until('a put', () => lines().length >= enough, 20_000);
      await until('a put under way', () =>
        readdirSync(join(folder, 'drafts'), { recursive: true, withFileTypes: true }).some((entry) => entry.isFile()),
      );
      await kill(child);
      const blobs = await openBlobs(folder);
      const content = await blobOf(blobs, 'a_killed');
      if (round > 0) expect(content).not.toBeNull();
      if (content === null) continue;
      expect(content.length).toBe(8_000_000);
      expect(content.equals(Buffer.alloc(content.length, content[0]))).toBe(true);
      expect([...(await listed(blobs.blobs())).keys()]).toEqual(['a_killed']);
    }
  });

  it(
    'has a right beginning of an upload whose process is killed, with all that was acknowledged',
    { timeout: 60_000 },
    async () => {
      const folder = testFolder();
      const content = noise(65_536 * 64, 7);
      const { child, lines } = startProcess('append', folder, 'a_killed', folder);
      await until('chunks', () => lines().length > 20, 20_000);
      await kill(child);
      const acknowledged = Math.max(
        ...lines()
          .slice(1)
          .map((line) => Number(line.split(' ')[1])),
      );
      const blobs = await openBlobs(folder);
      const kept = await blobs.received('a_killed');
      expect(kept).toBeGreaterThanOrEqual(acknowledged);
      expect((await gathered(blobs, 'a_killed')).equals(content.subarray(0, kept))).toBe(true);
      await resume(blobs, 'a_killed', content, { chunkBytes: 65_536 });
      expect((await gathered(blobs, 'a_killed')).equals(content)).toBe(true);
    },
  );

  it('keeps a bounded number of files open, and none once it is closed', async () => {
    const folder = testFolder();
    const blobs = await openBlobs(folder);
    await Promise.all(Array.from({ length: 400 }, (_, index) => blobs.append(`a_${String(index)}`, 0, noise(100))));
    await until('the oldest to be closed', () => openFiles(folder).length <= 256);
    expect(openFiles(folder).length).toBeGreaterThan(0);
    await blobs.close();
    await until('all to be closed', () => openFiles(folder).length === 0);
  });

  it('keeps no file open that was discarded', async () => {
    const folder = testFolder();
    const blobs = await openBlobs(folder);
    await blobs.append('a_1', 0, noise(100));
    await blobs.discard('a_1');
    await until('it to be closed', () => openFiles(folder).length === 0);
  });

  it('gives a reader all of the old blob or all of the new one', async () => {
    const [folder, scratch] = [testFolder(), testFolder()];
    const blobs = await openBlobs(folder);
    await putBytes(blobs, 'a_1', Buffer.alloc(500_000, 'a'), scratch);
    const write = async (): Promise<void> => {
      for (let round = 0; round < 20; round += 1)
        await putBytes(blobs, 'a_1', Buffer.alloc(500_000, round % 2 === 0 ? 'b' : 'a'), scratch);
    };
    const read = async (): Promise<void> => {
      for (let round = 0; round < 60; round += 1) {
        const content = await blobOf(blobs, 'a_1');
        expect(content?.equals(Buffer.alloc(500_000, content[0]))).toBe(true);
      }
    };
    await Promise.all([write(), read(), read()]);
  });

  it('is cleared of what dead processes left on its way', async () => {
    const folder = testFolder();
    const drafts = join(folder, 'drafts');
    await openBlobs(folder);
    for (const name of ['dead', 'living']) {
      mkdirSync(join(drafts, name));
      writeFileSync(join(drafts, name, 'draft'), 'x');
    }
    const longAgo = Date.now() / 1_000 - 3_600;
    utimesSync(join(drafts, 'dead'), longAgo, longAgo);
    await openBlobs(folder);
    expect(readdirSync(drafts)).toContain('living');
    expect(readdirSync(drafts)).not.toContain('dead');
  });

  it('keeps nothing on its way once all is done', async () => {
    const folder = testFolder();
    const blobs = await openBlobs(folder);
    await appendAll(blobs, 'a_1', noise(5_000), { chunkBytes: 1_000 });
    await gathered(blobs, 'a_1');
    await putBytes(blobs, 'a_2', noise(5_000), testFolder());
    await putBytes(blobs, 'a_2', noise(5_000), testFolder());
    const left = readdirSync(join(folder, 'drafts'), { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile())).toEqual([]);
    await blobs.close();
    expect(readdirSync(join(folder, 'drafts'))).toEqual([]);
  });

  it('that can not be one is refused at the start, by the setting and its name', async () => {
    const file = join(testFolder(), 'file');
    writeFileSync(file, 'not a folder');
    for (const folder of [file, join(file, 'within')]) {
      const opening = openDiskBlobs({ folder, log: silentLog });
      await expect(opening).rejects.toThrow(/ATTACHMENTS_URL: the folder .* can't be written/);
      await expect(opening).rejects.toThrow(folder);
    }
    expect(readFileSync(file, 'utf8')).toBe('not a folder');
  });
});
