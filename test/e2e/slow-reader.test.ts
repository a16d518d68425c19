import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import type { Limits } from '../../src/contract/limits.ts';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import type { Log } from '../../src/ports/log.ts';
import { noMetrics } from '../../src/ports/metrics.ts';
import { SLOW_ROOM } from '../../src/transport/socketio/rooms.ts';
import { waitingBytes, watchSlowReaders } from '../../src/transport/socketio/slow-readers.ts';
import { startDesk, type DeskServer } from '../process/desk-server.ts';
import { Clients, type TestClient } from '../support/client.ts';
import { agent, customer, supervisor } from '../support/server.ts';
import { until } from '../support/until.ts';

const TEXT = 'x'.repeat(16_000);
const IN_FLIGHT = 32;
/** What may come on top of the bound until it is noticed: some milliseconds of the fastest conversation there is. */
const UNNOTICED_BYTES = 3 * 1_048_576;
const SLOW_BYTES = 1_048_576;

const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

type EngineSocket = Parameters<typeof waitingBytes>[0] & {
  readonly readyState: string;
  on(event: string, listener: () => void): void;
};

/** A server that looks after slow readers, and says what waits for whom. */
const start = async (overrides: Partial<Limits> = {}) => {
  const limits = { ...DEFAULT_LIMITS, requestsPerSecond: 1_000_000, ...overrides };
  const server = await startDesk({ limits });
  const closed: { connectionId: string; bytes: number; at: number }[] = [];
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (fields) => closed.push({ ...(fields as { connectionId: string; bytes: number }), at: Date.now() }),
    error: () => undefined,
  };
  onTestFinished(watchSlowReaders({ io: server.io, limits, log, metrics: noMetrics }));
  return { server, limits, closed };
};

/** The engine's side of a client's connection, and the most that has waited for it at any moment. */
const watch = (server: DeskServer, connectionId: string) => {
  const socket = server.io.of('/').sockets.get(connectionId);
  if (socket === undefined) throw new Error('no such connection');
  const conn = socket.conn as unknown as EngineSocket;
  let mostBytes = 0;
  conn.on('packetCreate', () => {
    mostBytes = Math.max(mostBytes, waitingBytes(conn));
  });
  let slowAt: number | undefined;
  server.io.of('/').adapter.on('join-room', (room: string, id: string) => {
    if (room === SLOW_ROOM && id === connectionId) slowAt = Date.now();
  });
  return {
    conn,
    slowAt: () => slowAt,
    isSlow: () => server.io.of('/').adapter.rooms.get(SLOW_ROOM)?.has(connectionId) === true,
    isGone: () => !server.io.of('/').sockets.has(connectionId),
    mostBytes: () => mostBytes,
  };
};

const sessionOf = (client: TestClient): string => client.all('session:ready')[0]?.sessionId ?? '';

/** Stops reading the TCP connection, as a frozen tab or a cut line does. */
const tcpOf = (client: TestClient): WebSocket => (client.socket.io.engine.transport as unknown as { ws: WebSocket }).ws;

/** Ann writes, Bob reads, and the supervisor's connection is the one that will not keep up. */
const room = async (server: DeskServer, given?: TestClient) => {
  const ann = await clients.connect(server.url, customer('ann'));
  const bob = await clients.connect(server.url, agent('bob'));
  const slow = given ?? (await clients.connect(server.url, supervisor('boss')));
  const { conversation } = await ann.request('conversation:open', {});
  const conversationId = conversation.id;
  for (const client of [bob, slow]) await client.request('conversation:join', { conversationId });
  let sent = 0;
  /** Sends large messages, many at a time, until `enough`. */
  const sendUntil = async (enough: () => boolean): Promise<void> => {
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        while (!enough()) {
          sent += 1;
          await ann.request('message:send', { conversationId, clientMessageId: `m${String(sent)}`, text: TEXT });
        }
      }),
    );
  };
  return { ann, bob, slow, conversationId, sendUntil, lastSeq: () => sent + 1 };
};

const inOrder = (lastSeq: number, from = 1): number[] =>
  Array.from({ length: lastSeq - from + 1 }, (_, index) => from + index);

describe('a reader that does not keep up', () => {
  it('[FEED-5] is closed while others read on, holds no more than its bound, and has everything after it has come back', async () => {
    const { server, limits, closed } = await start();
    const { bob, slow, conversationId, sendUntil, lastSeq } = await room(server);
    const watched = watch(server, sessionOf(slow));
    tcpOf(slow).pause();
    await sendUntil(watched.isGone);
    expect(closed).toEqual([expect.objectContaining({ connectionId: sessionOf(slow) })]);
    expect(watched.mostBytes()).toBeLessThanOrEqual(4 * limits.slowReaderBytes + UNNOTICED_BYTES);
    // Nothing waits for it any more: neither in the engine nor in its TCP connection, whether it reads on or not.
    await until('what waited to be let go', () => waitingBytes(watched.conn) === 0, 1_000);

    await until('the other reader', () => bob.entries(conversationId).at(-1)?.seq === lastSeq());
    expect(bob.entries(conversationId).map(({ seq }) => seq)).toEqual(inOrder(lastSeq(), 2));

    tcpOf(slow).resume();
    await until('the slow reader to notice', () => slow.socket.disconnected);
    const seen = slow.entries(conversationId).map(({ seq }) => seq);
    expect(seen).toEqual(inOrder(seen.length + 1, 2));
    const back = await clients.connect(server.url, supervisor('boss'));
    const rest: number[] = [];
    for (let hasMore = true; hasMore;) {
      const page = await back.request('conversation:join', {
        conversationId,
        afterSeq: rest.at(-1) ?? seen.at(-1) ?? 1,
        limit: 20,
      });
      rest.push(...page.entries.map(({ seq }) => seq));
      ({ hasMore } = page);
    }
    expect([1, ...seen, ...rest]).toEqual(inOrder(lastSeq()));
  });

  it('[FEED-5] is closed after slowReaderMs, and not before, when little waits for long', async () => {
    const SLOW_MS = 1_000;
    const { server, closed } = await start({ slowReaderBytes: SLOW_BYTES, slowReaderMs: SLOW_MS });
    const { slow, sendUntil } = await room(server);
    const watched = watch(server, sessionOf(slow));
    tcpOf(slow).pause();
    await sendUntil(() => waitingBytes(watched.conn) > SLOW_BYTES);
    await until('it to count as slow', watched.isSlow);
    expect(closed).toEqual([]);
    await until('the end', watched.isGone);
    expect(closed).toHaveLength(1);
    const keptMs = (closed[0]?.at ?? 0) - (watched.slowAt() ?? 0);
    // We look at the clock a little after the server did.
    expect(keptMs).toBeGreaterThanOrEqual(SLOW_MS - 50);
    expect(keptMs).toBeLessThan(SLOW_MS + 5_000);
  });

  it('[FEED-5] loses ephemeral events first, keeps its entries, and gets both again once it has caught up', async () => {
    const { server, closed } = await start({ slowReaderBytes: SLOW_BYTES, slowReaderMs: 60_000 });
    const { ann, bob, slow, conversationId, sendUntil, lastSeq } = await room(server);
    const watched = watch(server, sessionOf(slow));
    const typed = (client: TestClient) => client.all('typing:started').length;
    await ann.request('typing:start', { conversationId });
    await until('typing, to both', () => typed(slow) === 1 && typed(bob) === 1);

    tcpOf(slow).pause();
    await sendUntil(() => waitingBytes(watched.conn) > SLOW_BYTES);
    await until('it to count as slow', watched.isSlow);
    await ann.request('typing:start', { conversationId });
    await until('typing, to the reader that keeps up', () => typed(bob) === 2);
    await ann.request('message:send', { conversationId, clientMessageId: 'behind', text: 'x' });
    tcpOf(slow).resume();
    await until('the last entry', () => slow.entries(conversationId).at(-1)?.seq === lastSeq() + 1);
    expect(slow.entries(conversationId).map(({ seq }) => seq)).toEqual(inOrder(lastSeq() + 1, 2));
    expect(typed(slow)).toBe(1);

    await until('it to count as one that keeps up', () => !watched.isSlow());
    await ann.request('typing:start', { conversationId });
    await until('typing, to both again', () => typed(bob) === 3 && typed(slow) === 2);
    expect(closed).toEqual([]);
  });

  it('[FEED-5] over polling, and does not poll, is closed within the same bound', async () => {
    const { server, limits, closed } = await start();
    const polling = await clients.connect(server.url, supervisor('boss'), { transports: ['polling'] });
    const { ann, bob, slow, conversationId, sendUntil, lastSeq } = await room(server, polling);
    const watched = watch(server, sessionOf(slow));
    // The stock client would go on polling: it is stopped in the middle of its life.
    const { transport } = slow.socket.io.engine as unknown as { transport: { poll: () => void; _poll: () => void } };
    transport.poll = transport._poll = () => undefined;
    await sendUntil(watched.isGone);
    expect(closed).toHaveLength(1);
    expect(watched.mostBytes()).toBeLessThanOrEqual(4 * limits.slowReaderBytes + UNNOTICED_BYTES);
    await until('what waited to be let go', () => waitingBytes(watched.conn) === 0, 1_000);
    await until('the other reader', () => bob.entries(conversationId).at(-1)?.seq === lastSeq());
    expect(ann.socket.connected).toBe(true);
  });

  it('[FEED-5] is none who reads slowly but reads: a burst in one turn closes nobody', async () => {
    const { server, closed } = await start({ slowReaderBytes: 262_144 });
    const { ann, slow, conversationId } = await room(server);
    const burst = Array.from({ length: 100 }, (_, index) =>
      ann.request('message:send', { conversationId, clientMessageId: `burst-${String(index)}`, text: TEXT }),
    );
    await Promise.all(burst);
    await until('all of it', () => slow.entries(conversationId).length === 100);
    expect(closed).toEqual([]);
  });
});
