import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Draft } from '../../src/core/draft.ts';
import { newConversationId } from '../../src/core/ids.ts';
import { Journal } from '../../src/core/journal.ts';
import { messageDraft } from '../../src/core/message-content.ts';
import { FeedHub } from '../../src/feed/feed-hub.ts';
import type { Bus, Note } from '../../src/ports/bus.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { Rooms } from '../../src/ports/rooms.ts';
import type { Store } from '../../src/ports/store.ts';
import type { Audience } from '../../src/contract/roles.ts';
import type { Entry, User } from '../../src/contract/schemas.ts';
import { someLinks } from '../support/attachments.ts';
import { Random, seedOf } from '../support/random.ts';
import { silentLog, temporaryStore } from '../support/store.ts';

let store: Store;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ store, remove } = await temporaryStore());
});
afterAll(async () => {
  await remove();
});

/** Rooms kept as sets, and what each connection got, in order. */
class Streams implements Rooms {
  readonly rooms = new Map<string, Set<string>>();
  readonly got = new Map<string, Entry[]>();
  readonly gone = new Set<string>();

  enter(connectionId: string, room: string): boolean {
    if (this.gone.has(connectionId)) return false;
    this.rooms.set(room, (this.rooms.get(room) ?? new Set()).add(connectionId));
    return true;
  }
  exit(connectionId: string, room: string): void {
    this.rooms.get(room)?.delete(connectionId);
  }
  emitHere: Rooms['emitHere'] = ({ rooms }, _event, payload) => {
    for (const id of new Set(rooms.flatMap((room) => [...(this.rooms.get(room) ?? [])])))
      this.#give(id, payload as Entry);
  };
  emit: Rooms['emit'] = () => undefined;
  probe(): void {
    throw new Error('feeds probe nobody');
  }
  endRevoked(): void {
    throw new Error('feeds end no sessions');
  }
  emitTo: Rooms['emitTo'] = (connectionId, _event, payload) => {
    this.#give(connectionId, payload as Entry);
  };
  #give(id: string, entry: Entry): void {
    this.got.set(id, [...(this.got.get(id) ?? []), entry]);
  }
}

/** Loses, repeats, delays and so reorders what is published. */
const hostileBus = (random: Random): Bus => {
  const listeners = new Map<string, Set<(note: Note, nodeId: string) => void>>();
  return {
    connected: true,
    publish: (conversationId, note) => {
      for (const listener of listeners.get(conversationId) ?? []) {
        const copies = random.chance(0.4) ? 0 : random.chance(0.3) ? 2 : 1;
        for (let copy = 0; copy < copies; copy += 1) {
          setTimeout(() => {
            listener(note, 'another');
          }, random.below(6));
        }
      }
    },
    subscribe: (conversationId, listener) => {
      const set = listeners.get(conversationId) ?? new Set();
      listeners.set(conversationId, set.add(listener));
      return Promise.resolve(() => {
        set.delete(listener);
      });
    },
    nudge: () => undefined,
    onNudge: () => undefined,
    greet: () => undefined,
    onGreeting: () => undefined,
    onLoss: () => undefined,
    revoke: () => undefined,
    onRevocation: () => undefined,
    onConnected: () => undefined,
    close: () => Promise.resolve(),
  };
};

const ann: User = { id: 'ann', name: 'Ann', role: 'customer' };
const bob: User = { id: 'bob', name: 'Bob', role: 'agent' };
const opened: Draft = {
  type: 'conversation:opened',
  author: ann,
  visibility: 'all',
  clientConversationId: 'x',
  customer: ann,
  subject: null,
  department: null,
  priority: 'normal',
  skills: [],
  metadata: {},
};

describe('feeds', () => {
  it.each([1, 2, 3, 4].map((round) => seedOf(round * 104_729)))(
    '[FEED-3] who joins with the newest entries gets all later ones, however many are committed while they are read (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const bus = hostileBus(random);
      /** Answers so late that more has come than a page holds. */
      const slowStore = new Proxy(store, {
        get: (target, name) => {
          const value = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>;
          return async (...args: unknown[]) => {
            const answer = await value.apply(target, args);
            await new Promise((resolve) => setTimeout(resolve, random.below(12)));
            return answer;
          };
        },
      });
      const rooms = new Streams();
      const options = { metrics: noMetrics, log: silentLog, links: someLinks(), bus };
      const hub = new FeedHub({ ...options, store: slowStore, rooms });
      const writer = new FeedHub({ ...options, store, rooms: new Streams() });
      const journal = new Journal({
        store,
        clock: systemClock,
        log: silentLog,
        onCommit: (state, entries) => {
          writer.committed(state.id, entries);
          // Some are its own, of which it hears at once.
          if (random.chance(0.5)) hub.committed(state.id, entries);
        },
      });
      const id = newConversationId();
      await journal.open('t', id, [{ ...opened, clientConversationId: id }], undefined);
      let writing = true;
      const write = (async () => {
        for (let index = 0; index < 400; index += 1) {
          const visibility = random.chance(0.3) ? 'staff' : 'all';
          const draft = messageDraft(bob, { clientMessageId: `m${String(index)}`, text: 'x', visibility });
          await journal.write('t', id, () => ({ entries: [draft] }));
          if (random.chance(0.1)) await new Promise((resolve) => setTimeout(resolve, random.below(4)));
        }
        writing = false;
      })();
      const seqsOf = async (audience: Audience): Promise<number[]> =>
        ((await store.entries({ conversationId: id, audience, afterSeq: 0, limit: 1_000 }))?.entries ?? []).map(
          ({ seq }) => seq,
        );

      const visitor = async (name: string, audience: Audience): Promise<void> => {
        for (let life = 0; writing || life === 0; life += 1) {
          const connectionId = `${name}-${String(life)}`;
          const [limit, maxBytes] = [1 + random.below(5), 500 + random.below(2_000)];
          const page = await hub.join({ connectionId, conversationId: id, audience, limit, maxBytes });
          expect(page.entries.length).toBeLessThanOrEqual(limit);
          expect(hub.isLive(connectionId, id)).toBe(true);
          const again = random.chance(0.5)
            ? await hub.join({ connectionId, conversationId: id, audience, limit, maxBytes })
            : undefined;
          // What a page shows to who is live already, he has heard of.
          const live = (rooms.got.get(connectionId) ?? []).map(({ seq }) => seq);
          const last = live.at(-1) ?? page.entries.at(-1)?.seq ?? 0;
          expect(again?.entries.at(-1)?.seq ?? 0).toBeLessThanOrEqual(last);
          if (!writing) {
            await write;
            await hub.reconcile();
          }
          hub.leave(connectionId, id);
          const have = [...page.entries, ...(rooms.got.get(connectionId) ?? [])].map(({ seq }) => seq);
          const all = (await seqsOf(audience)).filter((seq) => seq >= (have[0] ?? 0));
          expect(have, `${connectionId}, seed ${String(seed)}`).toEqual(all.slice(0, have.length));
        }
      };
      await Promise.all([
        write,
        ...Array.from({ length: 6 }, (_, index) => visitor(`v${String(index)}`, index % 2 === 0 ? 'staff' : 'public')),
      ]);
      expect(hub.feedCount).toBe(0);
    },
  );

  it.each([1, 2, 3, 4, 5, 6].map((round) => seedOf(round * 7919)))(
    '[FEED-4] every member gets his entries once and in order over a bus that loses, repeats and reorders (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const bus = hostileBus(random);
      const nodes = [0, 1].map(() => {
        const rooms = new Streams();
        return {
          rooms,
          hub: new FeedHub({ store, bus, rooms, metrics: noMetrics, log: silentLog, links: someLinks() }),
        };
      });
      // The writer is a third process: both nodes learn of its commits by hints alone.
      const writer = new FeedHub({
        store,
        bus,
        rooms: new Streams(),
        metrics: noMetrics,
        log: silentLog,
        links: someLinks(),
      });
      const journal = new Journal({
        store,
        clock: systemClock,
        log: silentLog,
        onCommit: (state, entries) => {
          writer.committed(state.id, entries);
        },
      });
      const id = newConversationId();
      await journal.open('t', id, [{ ...opened, clientConversationId: id }], undefined);

      let writing = true;
      let last = 1;
      const write = (async () => {
        for (let index = 0; index < 150; index += 1) {
          const visibility = random.chance(0.3) ? 'staff' : 'all';
          const draft = messageDraft(bob, { clientMessageId: `m${String(index)}`, text: 'x', visibility });
          const result = await journal.write('t', id, () => ({ entries: [draft] }));
          last = result.kind === 'committed' ? result.state.lastSeq : last;
          if (random.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, random.below(4)));
        }
        writing = false;
      })();

      /** What a client has: pages and events, joined at once, left, joined again behind what it has. */
      const member = async (name: string, audience: Audience): Promise<void> => {
        const node = random.pick(nodes);
        const have: number[] = [];
        for (let life = 0; writing || life === 0; life += 1) {
          const connectionId = `${name}-${String(life)}`;
          for (;;) {
            const page = await node.hub.join({
              connectionId,
              conversationId: id,
              audience,
              afterSeq: have.at(-1) ?? 0,
              limit: 1 + random.below(20),
              maxBytes: 1_000 + random.below(9_000),
            });
            have.push(...page.entries.map(({ seq }) => seq));
            if (!page.hasMore) break;
          }
          const stop = random.below(30);
          for (let wait = 0; writing && wait < stop; wait += 1) await new Promise((resolve) => setTimeout(resolve, 1));
          if (!writing) {
            expect(node.hub.isLive(connectionId, id)).toBe(true);
            await write;
            await Promise.all(nodes.map(({ hub }) => hub.reconcile()));
          }
          node.hub.leave(connectionId, id);
          have.push(...(node.rooms.got.get(connectionId) ?? []).map(({ seq }) => seq));
        }
        const { entries } = (await store.entries({ conversationId: id, audience, afterSeq: 0, limit: 1_000 })) ?? {
          entries: [],
        };
        expect(have, `${name}, seed ${String(seed)}`).toEqual(entries.map(({ seq }) => seq));
      };
      await Promise.all([
        write,
        ...Array.from({ length: 8 }, (_, index) => member(`m${String(index)}`, index % 2 === 0 ? 'staff' : 'public')),
      ]);
      expect(last).toBe(151);
      for (const { hub, rooms } of nodes) {
        expect(hub.feedCount).toBe(0);
        expect([...rooms.rooms.values()].every((set) => set.size === 0)).toBe(true);
      }
    },
  );
});
