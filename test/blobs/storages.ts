/** The storages that the contract is tested on. */
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Blobs } from '../../src/ports/blobs.ts';
import { openDiskBlobs } from '../../src/store/blobs/disk.ts';
import { openS3Blobs } from '../../src/store/blobs/s3.ts';
import { startS3 } from '../support/s3.ts';
import { silentLog } from '../support/store.ts';

export interface Storage {
  /** Another process's view of it. A process is killed by being forgotten: nothing is closed before `remove`, nothing sent. */
  open(): Promise<Blobs>;
  /** Whether an upload may lose bytes when its process dies. */
  readonly losesTails: boolean;
  /** How many uploads at once are many for it. */
  readonly manyUploads: number;
  /** How far apart its clock and this one's may be, and how coarse it is. */
  readonly clockErrorMs: number;
  goOutOfReach(): Promise<void>;
  comeBack(): Promise<void>;
  /** Names of what is in it at its top. */
  top(): string[];
  remove(): Promise<void>;
}

/** In bytes; small, so that uploads of tests have several. */
export const PART_BYTES = 1_000;

/** @param folder one that is there already is used, and left */
export const diskStorage = (folder?: string): Promise<Storage> => {
  const base = mkdtempSync(join(tmpdir(), 'deskwire-blobs-'));
  const root = folder ?? join(base, 'attachments');
  const away = join(base, 'away');
  /** The killed ones among them have files open that nobody else would close. */
  const opened: Blobs[] = [];
  return Promise.resolve({
    open: async () => {
      const blobs = await openDiskBlobs({ folder: root, log: silentLog });
      opened.push(blobs);
      return blobs;
    },
    losesTails: false,
    manyUploads: 600,
    clockErrorMs: 100,
    goOutOfReach: () => {
      renameSync(root, away);
      // Not merely gone: that would look like an empty one.
      writeFileSync(root, '');
      return Promise.resolve();
    },
    comeBack: () => {
      rmSync(root);
      renameSync(away, root);
      return Promise.resolve();
    },
    top: () => readdirSync(root).sort(),
    remove: async () => {
      await Promise.all(opened.map((blobs) => blobs.close()));
      rmSync(base, { recursive: true, force: true });
    },
  });
};

export const s3Storage = async (): Promise<Storage> => {
  const s3 = await startS3();
  const tempFolder = mkdtempSync(join(tmpdir(), 'deskwire-blobs-'));
  const place = { ...s3.place, prefix: 'desk/' };
  return {
    open: () => openS3Blobs({ place, tempFolder, partBytes: PART_BYTES }),
    losesTails: true,
    manyUploads: 100,
    clockErrorMs: 2_000,
    goOutOfReach: () => s3.stop(),
    comeBack: () => s3.restart(),
    top: () => readdirSync(s3.folder).sort(),
    remove: async () => {
      await s3.remove();
      rmSync(tempFolder, { recursive: true, force: true });
    },
  };
};
