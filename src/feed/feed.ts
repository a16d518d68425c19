import type { Links } from '../core/attachments/links.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics } from '../ports/metrics.ts';
import { allRoom, audienceRoom, type Rooms } from '../ports/rooms.ts';
import type { Store, StoredEntry } from '../ports/store.ts';
import { entryView } from '../core/views.ts';

export interface FeedOptions {
  readonly store: Store;
  readonly rooms: Rooms;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly links: Links;
}

/** What a feed delivers while somebody joins. */
export interface Recording {
  /** Everything after this seq is in it; Infinity: the feed has not begun. */
  readonly afterSeq: number;
  readonly entries: readonly StoredEntry[];
  end(): void;
}

/** Entries read at once when a feed has missed some. */
const READ_ENTRIES = 200;

/**
 * One conversation's entries in order, towards the connections of this process that are live in it. It takes hints as they
 * come (late, twice, in any order, or never) and delivers each entry once: the next one at once, the ones in between
 * after it has read them from the store.
 */
export class Feed {
  readonly conversationId: string;
  readonly #options: FeedOptions;
  readonly #onDelivered: (entry: StoredEntry) => void;
  /** The last seq delivered. */
  #head = 0;
  #started = false;
  #incoming: StoredEntry[] = [];
  #reading: Promise<void> | undefined;
  /** Those who are joining: what is delivered meanwhile follows the page that they read. */
  readonly #recordings = new Set<{ afterSeq: number; entries: StoredEntry[] }>();
  /** Connections here: `paging` read the log page by page, `live` get entries as they come. */
  readonly members = new Map<string, 'paging' | 'live'>();
  unsubscribe: () => void = () => undefined;
  #stopped = false;

  constructor(conversationId: string, options: FeedOptions, onDelivered: (entry: StoredEntry) => void) {
    this.conversationId = conversationId;
    this.#options = options;
    this.#onDelivered = onDelivered;
  }

  get head(): number {
    return this.#head;
  }

  get started(): boolean {
    return this.#started;
  }

  /** From now on `head` is known; what was offered before counts if it is newer. Of several the first counts. */
  start(head: number): void {
    if (this.#started) return;
    this.#head = head;
    this.#started = true;
    for (const recording of this.#recordings) recording.afterSeq = head;
    this.drain();
  }

  /** Nobody is here any more. The rooms are the conversation's, not this feed's: what it still delivered would reach its successor's members. */
  stop(): void {
    this.#stopped = true;
    this.#incoming = [];
  }

  /** What is delivered from now on, in order, until `end`. */
  record(): Recording {
    const recording = {
      afterSeq: this.#started ? this.#head : Infinity,
      entries: [] as StoredEntry[],
      end: (): void => void this.#recordings.delete(recording),
    };
    this.#recordings.add(recording);
    return recording;
  }

  /** Takes entries without delivering them yet. */
  offer(entries: readonly StoredEntry[]): void {
    if (!this.#stopped) this.#incoming.push(...entries);
  }

  /** Delivers what can be delivered without a read; where something is missing, a read begins. */
  drain(): void {
    if (!this.#started || this.#reading !== undefined || this.#incoming.length === 0) return;
    const incoming = this.#incoming;
    this.#incoming = [];
    for (const [index, entry] of incoming.entries()) {
      if (entry.seq <= this.#head) continue;
      if (entry.seq > this.#head + 1) {
        this.#incoming = incoming.slice(index);
        this.#readOn(entry.seq - 1).catch((error: unknown) => {
          this.#options.log.warn(
            { error, conversationId: this.conversationId },
            'a feed could not read what it missed',
          );
        });
        return;
      }
      this.#deliver(entry);
    }
  }

  /** Resolves once everything up to `seq` is delivered. */
  async catchUp(seq: number): Promise<void> {
    this.drain();
    while (this.#head < seq && !this.#stopped) await this.#readOn(seq);
  }

  /** Reads from the store until `seq` is delivered; one read at a time. */
  #readOn(seq: number): Promise<void> {
    this.#reading ??= this.#read(seq).then(
      () => {
        this.#reading = undefined;
        this.drain();
      },
      (error: unknown) => {
        // Not tried again at once: the store is in trouble. The next entry, join or comparison of heads tries again.
        this.#reading = undefined;
        throw error;
      },
    );
    return this.#reading;
  }

  async #read(seq: number): Promise<void> {
    const { store, metrics } = this.#options;
    while (this.#head < seq && !this.#stopped) {
      metrics.feedRead();
      const page = await store.entries({
        conversationId: this.conversationId,
        audience: 'staff',
        afterSeq: this.#head,
        limit: READ_ENTRIES,
      });
      const next = page?.entries ?? [];
      if (next.length === 0)
        throw new Error(`conversation ${this.conversationId} has no entry after ${String(this.#head)}`);
      for (const entry of next) if (entry.seq === this.#head + 1) this.#deliver(entry);
    }
  }

  #deliver(entry: StoredEntry): void {
    // It may have stopped while it read.
    if (this.#stopped) return;
    this.#head = entry.seq;
    for (const recording of this.#recordings) recording.entries.push(entry);
    this.#emit(entry);
    this.#onDelivered(entry);
  }

  #emit(entry: StoredEntry): void {
    const { rooms, metrics } = this.#options;
    const { conversationId } = this;
    metrics.delivered(1);
    const staff = entryView(this.#options, 'staff', entry);
    if (entry.visibility === 'staff') {
      rooms.emitHere({ rooms: [audienceRoom('staff', conversationId)] }, entry.type, staff);
      return;
    }
    const open = entryView(this.#options, 'public', entry);
    if (open === staff) {
      rooms.emitHere({ rooms: [allRoom(conversationId)] }, entry.type, staff);
      return;
    }
    rooms.emitHere({ rooms: [audienceRoom('staff', conversationId)] }, entry.type, staff);
    rooms.emitHere({ rooms: [audienceRoom('public', conversationId)] }, entry.type, open);
  }
}
