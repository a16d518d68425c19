import type { Limits } from '../../contract/limits.ts';
import type { Blobs } from '../../ports/blobs.ts';
import { isoTime, type Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { AttachmentRecord, Store } from '../../ports/store.ts';
import { attachmentOfBlob, erase } from './bytes.ts';

/** How often expired attachments are looked for. */
const SWEEP_MS = 30_000;
/** How often the storage is compared with the store; for the first time after SWEEP_MS. */
const ORPHANS_MS = 6 * 60 * 60_000;
const PAGE = 100;

export interface SweeperOptions {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'uploadMs'>;
  readonly log: Log;
}

/**
 * Removes what nobody can have any more: uploads that were given up or never finished, files that were never sent, files of
 * deleted messages, and bytes without a record. Any number of nodes may do it at once; what fails is done the next time.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  #cancel: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #orphansAt = 0;
  #stopped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#later();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  /** Attachments have just expired. */
  soon(): void {
    void this.sweep();
  }

  /** Removes what has expired by now. Never rejects. */
  sweep(): Promise<void> {
    // Somebody waits for what has expired since the sweep that runs began.
    if (this.#running !== undefined) this.#again = true;
    this.#running ??= this.#sweep().finally(() => {
      this.#running = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.soon();
    });
    return this.#running;
  }

  /** Removes bytes that belong to nothing. Never rejects. */
  async sweepOrphans(): Promise<void> {
    const { store, blobs, clock, limits, log } = this.#options;
    // What is younger may belong to something that is just being made.
    const before = clock.now() - limits.uploadMs;
    try {
      // The time of an upload's record is over by then, whatever it was.
      for await (const { key, changedAt } of blobs.uploads()) if (changedAt < before) await blobs.discard(key);
      let keys: string[] = [];
      const removeUnknown = async (): Promise<void> => {
        const known = await store.knownAttachments([...new Set(keys.map(attachmentOfBlob))]);
        for (const key of keys) if (!known.has(attachmentOfBlob(key))) await blobs.remove(key);
        keys = [];
      };
      for await (const { key, changedAt } of blobs.blobs()) {
        if (changedAt < before && key.startsWith('a_')) keys.push(key);
        if (keys.length === PAGE) await removeUnknown();
      }
      if (keys.length > 0) await removeUnknown();
    } catch (error) {
      log.warn({ error }, 'the storage of attachments could not be compared with the store');
    }
  }

  #later(): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.clock.after(SWEEP_MS, () => {
      const orphans = this.#options.clock.now() >= this.#orphansAt;
      if (orphans) this.#orphansAt = this.#options.clock.now() + ORPHANS_MS;
      void this.sweep()
        .then(() => (orphans ? this.sweepOrphans() : undefined))
        .finally(() => this.#later());
    });
  }

  async #sweep(): Promise<void> {
    const { store, clock, log } = this.#options;
    try {
      for (;;) {
        const now = isoTime(clock.now());
        const expired = await store.expiredAttachments({ now, limit: PAGE });
        let removed = 0;
        for (const record of expired) if (!this.#stopped && (await this.#remove(record, now))) removed += 1;
        // A page in which nothing can be removed would come again for ever.
        if (expired.length < PAGE || removed === 0) return;
      }
    } catch (error) {
      log.warn({ error }, 'expired attachments could not be removed');
    }
  }

  async #remove(record: AttachmentRecord, now: string): Promise<boolean> {
    const { store, log } = this.#options;
    try {
      if (record.state !== 'gone') {
        const gone = await store.changeAttachment({
          record: { ...record, state: 'gone', expiresAt: now },
          from: record.state,
        });
        // It came into a message in the meantime.
        if (!gone) return false;
      }
      await erase(this.#options, record);
      return true;
    } catch (error) {
      log.warn({ error, attachmentId: record.id }, 'an expired attachment could not be removed');
      return false;
    }
  }
}
