import type { Clock } from '../ports/clock.ts';
import { hashSlot, SLOT_COUNT } from './hash-slot.ts';
import { PublishLine } from './publish-line.ts';
import { endpointText, type Endpoint, type RedisPlace } from './redis-place.ts';
import { lineOptions } from './redis-options.ts';
import { askForSlots, uncoveredSlots, uncoveredText } from './slots.ts';
import { SubscribeLine } from './subscribe-line.ts';

/** One master, and this node's two connections to it. */
export interface Shard {
  readonly publisher: PublishLine;
  readonly subscriber: SubscribeLine;
}

/** Which shard serves a channel. */
export interface Shards {
  /** All of them are in use, each slot has one. */
  readonly known: boolean;
  /** How many slots no server has, as it was told last. */
  readonly uncovered: number;
  readonly all: readonly Shard[];
  slotOf(channel: string): number;
  at(slot: number): Shard | undefined;
  /** The map may be wrong. */
  doubt(): void;
  close(): void;
}

export interface ShardsOptions {
  readonly place: RedisPlace;
  readonly clock: Clock;
  readonly received: (channel: string, message: Buffer) => void;
  readonly refused: (message: string) => void;
  /** A shard is up, down or in sync. */
  readonly changed: () => void;
  /** A shard, or what tells which there are, can't be used, with this reason; told at each try. */
  readonly failed: (reason: string) => void;
  /** Slots may have another shard now. Shards that serve none any more are closed after it. */
  readonly remapped: () => void;
}

const openShard = (options: ShardsOptions, endpoint: Endpoint | undefined, doubt: () => void): Shard => {
  const { place, clock, received, refused, changed, failed } = options;
  const oneSlotPerCommand = place.kind === 'cluster';
  const shard = {
    publisher: new PublishLine({ redis: lineOptions(place, endpoint, 'publish'), clock, changed, failed, refused }),
    subscriber: new SubscribeLine({
      redis: lineOptions(place, endpoint, 'subscribe'),
      clock,
      oneSlotPerCommand,
      received,
      changed,
      failed,
      moved: doubt,
    }),
  };
  shard.publisher.line.open();
  shard.subscriber.line.open();
  return shard;
};

const closeShard = ({ publisher, subscriber }: Shard): void => {
  publisher.close();
  subscriber.close();
};

/** One server, or whichever the sentinels name: it serves all. */
export const singleShard = (options: ShardsOptions): Shards => {
  const { place } = options;
  const shard = openShard(options, place.kind === 'single' ? place.endpoint : undefined, () => undefined);
  return {
    known: true,
    uncovered: 0,
    all: [shard],
    slotOf: () => 0,
    at: () => shard,
    doubt: () => undefined,
    close: () => {
      closeShard(shard);
    },
  };
};

/** While something is wrong, and while nothing is. */
const DOUBT_MS = 250;
const SURE_MS = 10_000;

/**
 * A cluster's masters. Not ioredis's own Cluster: it does not tell when its subscriptions are back in force, never answers one that was
 * MOVED, and does not notice a node that is frozen.
 */
export class ClusterShards implements Shards {
  readonly #options: ShardsOptions & { place: { kind: 'cluster' } };
  #shards = new Map<string, { shard: Shard; endpoint: Endpoint }>();
  #slots: (Shard | undefined)[] = [];
  #known = false;
  #uncovered = 0;
  #asking = false;
  #askingSoon = false;
  #closed = false;
  #cancel: () => void = () => undefined;

  constructor(options: ShardsOptions & { place: { kind: 'cluster' } }) {
    this.#options = options;
    void this.#ask();
  }

  get known(): boolean {
    return this.#known;
  }
  get uncovered(): number {
    return this.#uncovered;
  }
  get all(): Shard[] {
    return [...this.#shards.values()].map(({ shard }) => shard);
  }
  slotOf(channel: string): number {
    return hashSlot(channel);
  }
  at(slot: number): Shard | undefined {
    return this.#slots[slot];
  }

  doubt(): void {
    // Not put off by the next doubt, which may come sooner each time.
    if (!this.#asking && !this.#askingSoon) this.#askIn(DOUBT_MS);
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    for (const shard of this.all) closeShard(shard);
  }

  #askIn(delayMs: number): void {
    this.#cancel();
    this.#askingSoon = delayMs <= DOUBT_MS;
    if (!this.#closed) this.#cancel = this.#options.clock.after(delayMs, () => void this.#ask());
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    try {
      // The healthy ones first: a dead or frozen one takes its time to say nothing.
      const known = [...this.#shards.values()].sort(
        (a, b) => Number(b.shard.publisher.line.up) - Number(a.shard.publisher.line.up),
      );
      const ranges = await askForSlots(
        this.#options.place,
        known.map(({ endpoint }) => endpoint),
      );
      if (!this.#closed) this.#remap(ranges);
    } catch (error) {
      // No node answers. That they are down is told by the lines; before the first answer there are none.
      this.#options.changed();
      if (!this.#closed && this.#shards.size === 0) this.#options.failed((error as Error).message);
    } finally {
      this.#asking = false;
      const sure = this.#known && this.all.every(({ publisher, subscriber }) => publisher.line.up && subscriber.synced);
      this.#askIn(sure ? SURE_MS : DOUBT_MS);
    }
  }

  #remap(ranges: readonly { first: number; last: number; master: Endpoint }[]): void {
    const slots: (Shard | undefined)[] = Array.from({ length: SLOT_COUNT }, () => undefined);
    const before = this.#shards;
    const after: typeof before = new Map();
    for (const { first, last, master } of ranges) {
      const key = endpointText(master);
      const entry = after.get(key) ??
        before.get(key) ?? { shard: openShard(this.#options, master, () => this.doubt()), endpoint: master };
      after.set(key, entry);
      slots.fill(entry.shard, first, last + 1);
    }
    this.#shards = after;
    this.#slots = slots;
    this.#uncovered = uncoveredSlots(ranges);
    this.#known = slots.every((shard) => shard !== undefined);
    this.#options.remapped();
    for (const [key, { shard }] of before) if (!after.has(key)) closeShard(shard);
    this.#options.changed();
    if (!this.#known) this.#options.failed(uncoveredText(this.#uncovered));
  }
}
