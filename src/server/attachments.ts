import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createImages } from '../media/images.ts';
import { createInspector } from '../media/inspector.ts';
import { createClamdScanner } from '../media/scan-clamd.ts';
import { createScanCommand } from '../media/scan-command.ts';
import { AttachmentTypes } from '../media/types.ts';
import { DeskwireError } from '../contract/errors.ts';
import type { Blobs } from '../ports/blobs.ts';
import type { Clock } from '../ports/clock.ts';
import type { Inspector } from '../ports/inspector.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Scanner } from '../ports/scanner.ts';
import type { Store } from '../ports/store.ts';
import { openDiskBlobs } from '../store/blobs/disk.ts';
import { openOwnFolder, type OwnFolder } from '../store/own-folder.ts';
import type { Config } from './config.ts';
import { StartError } from './start-error.ts';

export interface AttachmentParts {
  readonly blobs: Blobs;
  readonly inspector: Inspector;
  /** Links are signed with it; all nodes have the same. */
  readonly linkSecret: string;
  /** Ends what is under way; it is done again when somebody asks for it. */
  close(): Promise<void>;
}

export interface OpenAttachmentsOptions {
  readonly config: Pick<Config, 'attachments' | 'attachmentTypes' | 'scanner' | 'limits' | 'dataDir'>;
  readonly store: Store;
  /** Other nodes may use the same store. @default false */
  readonly shared?: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

const SECRET_BYTES = 32;
/** The longest that a scanner keeps the start waiting. */
const SCANNER_TEST_MS = 3_000;
/** How long a node that starts waits for the mark that another one has begun to make, and how often it looks. */
const CLAIM_MS = 5_000;
const LOOK_AGAIN_MS = 100;
/** Says whose attachments these are: those of another database would be taken for leftovers, and removed. */
const OWNER_KEY = 'owner';

const openBlobs = async ({ config, log }: OpenAttachmentsOptions, tempFolder: string): Promise<Blobs> => {
  const { attachments } = config;
  if (attachments.kind === 'disk') return openDiskBlobs({ folder: attachments.folder, log });
  // Loaded when it is wanted: it is larger than all the rest.
  const { openS3Blobs } = await import('../store/blobs/s3.ts');
  return openS3Blobs({ place: attachments.place, tempFolder });
};

const textOf = async (blobs: Blobs, key: string): Promise<string | undefined> => {
  const body = await blobs.read(key);
  if (body === null) return undefined;
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
};

/** Waits for the mark that another node has begun to make. */
const awaitMark = async (blobs: Blobs, clock: Clock): Promise<string | undefined> => {
  const until = clock.now() + CLAIM_MS;
  for (;;) {
    const found = await textOf(blobs, OWNER_KEY);
    if (found !== undefined || clock.now() > until) return found;
    await new Promise<void>((resolve) => void clock.after(LOOK_AGAIN_MS, resolve));
  }
};

/** @throws StartError when the storage has the attachments of another database, or is not the one that other nodes use */
const claimStorage = async (
  { store, shared, clock }: OpenAttachmentsOptions,
  blobs: Blobs,
  owner: string,
  tempFolder: string,
): Promise<void> => {
  let found = await textOf(blobs, OWNER_KEY);
  if (found === undefined && shared === true) {
    const claim = randomBytes(SECRET_BYTES).toString('base64url');
    const isFirst = (await store.secret('attachment-claim', claim)) === claim;
    if (!isFirst) {
      found = await awaitMark(blobs, clock);
      if (found === undefined) {
        throw new StartError(
          "ATTACHMENTS_URL: found a storage without this database's mark, though another node has made one elsewhere. Nodes that share a database need one folder that all of them see, or S3. (If that storage is lost for good: DELETE FROM secrets WHERE name = 'attachment-claim'.)",
        );
      }
    }
  }
  if (found === owner) return;
  if (found !== undefined) {
    throw new StartError(
      'ATTACHMENTS_URL: found the attachments of another database there, which this one would remove as leftovers. Name another folder or prefix, or start with the database that they belong to.',
    );
  }
  const path = join(tempFolder, OWNER_KEY);
  await writeFile(path, owner);
  await blobs.put(OWNER_KEY, path);
  await rm(path, { force: true });
};

const createScanner = ({ scanner }: Pick<Config, 'scanner'>): Scanner | undefined => {
  if (scanner === undefined) return undefined;
  return scanner.kind === 'command'
    ? createScanCommand(scanner.command, scanner.environment)
    : createClamdScanner(scanner.address);
};

/** One that is not up yet may come up; one that is not there never will. @throws StartError */
const tryScanner = async (scanner: Scanner, tempFolder: string, log: Log): Promise<void> => {
  const path = join(tempFolder, 'scanner-test');
  await writeFile(path, 'deskwire');
  try {
    await scanner.scan(path, AbortSignal.timeout(SCANNER_TEST_MS));
  } catch (error) {
    const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
    if (code === 'ENOENT' || code === 'EACCES') {
      throw new StartError(
        `ATTACHMENTS_SCAN_COMMAND: the program can't be run (${code}). Install it, or write its whole path.`,
        { cause: error },
      );
    }
    log.warn({ error }, 'the virus scanner gave no verdict on a harmless file; attachments are held until it does');
  } finally {
    await rm(path, { force: true });
  }
};

const putTogether = async (
  options: OpenAttachmentsOptions,
  blobs: Blobs,
  temp: OwnFolder,
): Promise<AttachmentParts> => {
  const { config, store, clock, log, metrics } = options;
  const tempFolder = temp.path;
  const linkSecret = await store.secret('attachment-links', randomBytes(SECRET_BYTES).toString('base64url'));
  const owner = await store.secret('attachment-owner', randomBytes(SECRET_BYTES).toString('base64url'));
  await claimStorage(options, blobs, owner, tempFolder).catch((error: unknown) => {
    if (!(error instanceof DeskwireError)) throw error;
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    throw new StartError(
      `ATTACHMENTS_URL: files can't be read and written there (${reason}). Give this server the right to do both.`,
      { cause: error },
    );
  });
  const scanner = createScanner(config);
  if (scanner !== undefined) await tryScanner(scanner, tempFolder, log);
  const inspector = createInspector({
    types: new AttachmentTypes(config.attachmentTypes),
    images: createImages({ clock, log }),
    scanner,
    tempFolder,
    limits: config.limits,
    clock,
    log,
    metrics,
  });
  return {
    blobs,
    inspector,
    linkSecret,
    close: async () => {
      await inspector.close();
      await blobs.close();
      await temp.close();
    },
  };
};

/**
 * Puts together what attachments need.
 * @throws StartError, StoreStartError that name the setting
 */
export const openAttachments = async (options: OpenAttachmentsOptions): Promise<AttachmentParts> => {
  const { config } = options;
  const temp = await openOwnFolder(join(config.dataDir, 'temp'));
  const tempFolder = temp.path;
  let blobs: Blobs | undefined;
  try {
    blobs = await openBlobs(options, tempFolder);
    return await putTogether(options, blobs, temp);
  } catch (error) {
    await blobs?.close();
    await temp.close();
    throw error;
  }
};
