import pLimit from 'p-limit';
import { DeskwireError } from '../contract/errors.ts';
import { entryView, seesEntry } from '../core/views.ts';
import type { Bus, Note } from '../ports/bus.ts';
import { jsonText } from '../ports/json-text.ts';
import type { FeedListener, Feeds, FollowRequest, JoinPage, JoinRequest } from '../ports/feeds.ts';
import { allRoom, audienceRoom, pagingRoom } from '../ports/rooms.ts';
import type { EntryPage, StoredEntry } from '../ports/store.ts';
import { Feed, type FeedOptions, type Recording } from './feed.ts';

export interface FeedHubOptions extends FeedOptions {
  readonly bus: Bus;
}

const FOLLOW_ENTRIES = 200;
/** Conversations in one comparison with the store. */
const COMPARED_TOGETHER = 2_000;
/** Feeds that read at once what they have missed. */
const READ_TOGETHER = 8;

type Place = Pick<JoinRequest, 'connectionId' | 'conversationId' | 'audience'>;

/** A page and what was delivered since it was read: as much of both as a page holds, the newest of it, or with `afterSeq` the oldest. */
const withMore = (
  page: EntryPage,
  delivered: readonly StoredEntry[],
  { audience, afterSeq, limit, maxBytes }: JoinRequest,
): JoinPage => {
  const since = delivered.filter((entry) => entry.seq > page.lastSeq && seesEntry(audience, entry));
  if (since.length === 0) return page;
  const all = [...page.entries, ...since];
  const ordered = afterSeq === undefined ? all.reverse() : all;
  let bytes = 0;
  const end = ordered.findIndex((entry, index) => {
    bytes += jsonText(entry).length;
    return index === limit || (index > 0 && bytes > maxBytes);
  });
  const entries = end === -1 ? ordered : ordered.slice(0, end);
  return {
    entries: afterSeq === undefined ? entries.reverse() : entries,
    hasMore: page.hasMore || end !== -1,
    cursors: page.cursors,
  };
};

/** The feeds of this process: one for each conversation that has a connection here. */
export class FeedHub implements Feeds {
  readonly #options: FeedHubOptions;
  readonly #feeds = new Map<string, { feed: Feed; ready: Promise<void> }>();
  readonly #reading = pLimit(READ_TOGETHER);
  #offered: Feed[] = [];
  #listener: FeedListener | undefined;

  constructor(options: FeedHubOptions) {
    this.#options = options;
  }

  get feedCount(): number {
    return this.#feeds.size;
  }

  committed(conversationId: string, entries: readonly StoredEntry[]): void {
    this.#options.bus.publish(conversationId, { kind: 'entries', entries });
    const feed = this.#feeds.get(conversationId)?.feed;
    if (feed !== undefined) this.#offer(feed, entries);
  }

  async join(request: JoinRequest): Promise<JoinPage> {
    const { connectionId, conversationId, audience, afterSeq, limit, maxBytes } = request;
    const query = { conversationId, audience, limit, maxBytes, withCursors: true };
    const held = this.#feeds.get(conversationId);
    if (held !== undefined && afterSeq === undefined && this.isLive(connectionId, conversationId)) {
      // It is read again, not begun again: its stream goes on as it was, and is not behind the page.
      const page = await this.#page(query);
      await held.feed.catchUp(page.lastSeq);
      return page;
    }
    return this.#enter(request, async (feed) => {
      const recording = feed.record();
      try {
        const page = await this.#recordedPage(feed, recording, {
          ...query,
          ...(afterSeq === undefined ? {} : { afterSeq }),
        });
        if (afterSeq !== undefined && page.hasMore) return page;
        await feed.catchUp(page.lastSeq);
        const joined = withMore(page, recording.entries, request);
        if (afterSeq === undefined || !joined.hasMore) this.#goLive(feed, request);
        return joined;
      } finally {
        recording.end();
      }
    });
  }

  async follow(request: FollowRequest): Promise<void> {
    const { conversationId, audience, connectionId } = request;
    const give = (entry: StoredEntry): void =>
      this.#options.rooms.emitTo(connectionId, entry.type, entryView(this.#options, audience, entry));
    await this.#enter(request, async (feed) => {
      const recording = feed.record();
      try {
        let { afterSeq } = request;
        for (;;) {
          const query = { conversationId, audience, limit: FOLLOW_ENTRIES, afterSeq };
          const page = await this.#recordedPage(feed, recording, query);
          for (const entry of page.entries) give(entry);
          if (page.hasMore) {
            afterSeq = page.entries.at(-1)?.seq ?? afterSeq;
            continue;
          }
          await feed.catchUp(page.lastSeq);
          for (const entry of recording.entries)
            if (entry.seq > page.lastSeq && seesEntry(audience, entry)) give(entry);
          break;
        }
        this.#goLive(feed, request);
      } finally {
        recording.end();
      }
    });
  }

  leave(connectionId: string, conversationId: string): void {
    const feed = this.#feeds.get(conversationId)?.feed;
    if (feed === undefined) return;
    // What was committed before is still this connection's.
    feed.drain();
    this.#remove(feed, connectionId);
  }

  isLive(connectionId: string, conversationId: string): boolean {
    return this.#feeds.get(conversationId)?.feed.members.get(connectionId) === 'live';
  }

  listen(listener: FeedListener): void {
    this.#listener = listener;
  }

  async reconcile(): Promise<void> {
    const ids = [...this.#feeds.keys()];
    for (let at = 0; at < ids.length; at += COMPARED_TOGETHER) {
      const heads = await this.#options.store.heads(ids.slice(at, at + COMPARED_TOGETHER));
      const behind = [...heads].flatMap(([conversationId, head]) => {
        const held = this.#feeds.get(conversationId);
        // One that has not begun will begin with a page that is newer than these heads.
        return held?.feed.started !== true || head <= held.feed.head ? [] : [{ ...held, head }];
      });
      // The pages of a few at a time: after a long outage all of them are behind.
      await Promise.all(behind.map((held) => this.#reading(() => this.#catchUp(held))));
    }
  }

  async #catchUp({ feed, ready, head }: { feed: Feed; ready: Promise<void>; head: number }): Promise<void> {
    try {
      await ready;
      await feed.catchUp(head);
    } catch (error) {
      // Of one conversation alone: the others go on, and this one is compared again.
      this.#options.log.warn({ error, conversationId: feed.conversationId }, 'a feed could not catch up');
    }
  }

  /** Runs one join: the connection is `paging` until it is live, and is out again when the join fails. */
  async #enter<R>(request: Place, read: (feed: Feed) => Promise<R>): Promise<R> {
    const { connectionId, conversationId } = request;
    const { feed, ready } = this.#acquire(conversationId);
    this.#exitRooms(feed, connectionId);
    feed.members.set(connectionId, 'paging');
    this.#options.rooms.enter(connectionId, pagingRoom(conversationId));
    try {
      await ready;
      const result = await read(feed);
      this.#removeIfGone(feed, connectionId);
      return result;
    } catch (error) {
      this.#remove(feed, connectionId);
      throw error;
    }
  }

  /** A connection that ended while its join was under way has nobody who takes it out later: nothing knew that it was here. */
  #removeIfGone(feed: Feed, connectionId: string): void {
    const { conversationId, members } = feed;
    const place = members.get(connectionId);
    if (place === undefined) return;
    const isHere = this.#options.rooms.enter(
      connectionId,
      place === 'live' ? allRoom(conversationId) : pagingRoom(conversationId),
    );
    if (!isHere) this.#remove(feed, connectionId);
  }

  #remove(feed: Feed, connectionId: string): void {
    this.#exitRooms(feed, connectionId);
    feed.members.delete(connectionId);
    this.#releaseIfEmpty(feed);
  }

  #goLive(feed: Feed, { connectionId, audience }: Place): void {
    const { rooms } = this.#options;
    // Gone or left while the log was read: entering would keep a dead connection's place.
    if (!feed.members.has(connectionId)) return;
    feed.members.set(connectionId, 'live');
    rooms.exit(connectionId, pagingRoom(feed.conversationId));
    rooms.enter(connectionId, allRoom(feed.conversationId));
    rooms.enter(connectionId, audienceRoom(audience, feed.conversationId));
  }

  #exitRooms({ conversationId }: Feed, connectionId: string): void {
    const { rooms } = this.#options;
    rooms.exit(connectionId, pagingRoom(conversationId));
    rooms.exit(connectionId, allRoom(conversationId));
    rooms.exit(connectionId, audienceRoom('staff', conversationId));
    rooms.exit(connectionId, audienceRoom('public', conversationId));
  }

  #acquire(conversationId: string): { feed: Feed; ready: Promise<void> } {
    const held = this.#feeds.get(conversationId);
    if (held !== undefined) return held;
    const feed = new Feed(conversationId, this.#options, (entry) => this.#listener?.delivered(entry));
    const opened = { feed, ready: this.#subscribe(feed) };
    this.#feeds.set(conversationId, opened);
    // Each join that waits for it gets the error; this keeps it from being unhandled when none does.
    opened.ready.catch(() => undefined);
    return opened;
  }

  /** Before anything is read, so that no entry can fall between the two. */
  async #subscribe(feed: Feed): Promise<void> {
    const { conversationId } = feed;
    feed.unsubscribe = await this.#options.bus.subscribe(conversationId, (note, nodeId) =>
      this.#hear(feed, note, nodeId),
    );
    this.#listener?.followed(conversationId);
  }

  #releaseIfEmpty(feed: Feed): void {
    if (feed.members.size > 0) return;
    const held = this.#feeds.get(feed.conversationId);
    if (held?.feed !== feed) return;
    this.#feeds.delete(feed.conversationId);
    feed.stop();
    this.#listener?.released(feed.conversationId);
    void held.ready
      .catch(() => undefined)
      .then(() => {
        feed.unsubscribe();
      });
  }

  #hear(feed: Feed, note: Note, nodeId: string): void {
    if (note.kind === 'entries') this.#offer(feed, note.entries);
    else if (this.#feeds.get(feed.conversationId)?.feed === feed)
      this.#listener?.heard(feed.conversationId, note, nodeId);
  }

  /** Delivery waits for the end of the tick: the replies to what was committed go out first, and a batch goes out together. */
  #offer(feed: Feed, entries: readonly StoredEntry[]): void {
    feed.offer(entries);
    this.#offered.push(feed);
    if (this.#offered.length > 1) return;
    setImmediate(() => {
      const feeds = this.#offered;
      this.#offered = [];
      // One that was offered twice has nothing left the second time.
      for (const offered of feeds) offered.drain();
    });
  }

  /** One after which the recording has everything. */
  async #recordedPage(
    feed: Feed,
    recording: Recording,
    query: Parameters<FeedOptions['store']['entries']>[0],
  ): Promise<EntryPage> {
    for (;;) {
      const page = await this.#page(query);
      // What the first page after the subscription has seen, nobody needs to be told.
      feed.start(page.lastSeq);
      // Else the feed has begun with a newer page, of somebody else who joins.
      if (page.lastSeq >= recording.afterSeq) return page;
    }
  }

  async #page(query: Parameters<FeedOptions['store']['entries']>[0]): Promise<EntryPage> {
    const page = await this.#options.store.entries(query);
    if (page === null) throw new DeskwireError('not_found');
    return page;
  }
}
