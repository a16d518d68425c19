import { afterEach, describe, expect, it } from 'vitest';
import type { Append, AppendOutcome, Store } from '../../src/ports/store.ts';
import { Clients } from '../support/client.ts';
import { customer, tokenFor } from '../support/server.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';
import { startDesk } from './desk-server.ts';

const REQUEST_TIMEOUT_MS = 300;

const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

/** A store whose appends wait until they are let go. */
const hanging = () => {
  let hangs = false;
  const waiting: (() => void)[] = [];
  const wrap = (store: Store): Store =>
    new Proxy(store, {
      get: (target, name) => {
        if (name !== 'append') {
          const member: unknown = Reflect.get(target, name, target);
          return typeof member === 'function' ? (member.bind(target) as unknown) : member;
        }
        return async (write: Append): Promise<AppendOutcome> => {
          if (hangs) await new Promise<void>((resolve) => waiting.push(resolve));
          return target.append(write);
        };
      },
    });
  return {
    wrap,
    hang: () => (hangs = true),
    waiting,
    letGo: () => {
      hangs = false;
      for (const go of waiting.splice(0)) go();
    },
  };
};

describe('a request', () => {
  it('[REQ-1] whose handler hangs gets one timeout, also when the handler comes to an end after all', async () => {
    const store = hanging();
    const server = await startDesk({ limits: { requestTimeoutMs: REQUEST_TIMEOUT_MS }, wrap: store.wrap });
    const ann = await clients.connect(server.url, customer('ann'));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;

    const raw = await RawSocket.open(server.url, tokenFor(customer('ann')));
    store.hang();
    const started = Date.now();
    raw.send(`421["message:send",${JSON.stringify({ conversationId, clientMessageId: 'slow', text: 'x' })}]`);
    const [reply] = await until('a reply', () => (raw.replies.length > 0 ? raw.replies : undefined));
    expect(Date.now() - started).toBeGreaterThanOrEqual(REQUEST_TIMEOUT_MS - 5);
    expect(reply).toMatchObject({ ok: false, error: { code: 'timeout', retryable: true } });
    // The connection is not held: requests that need no append go on, and others are answered in their turn.
    raw.send('422["conversation:list",{}]');
    await until('the next reply', () => raw.replies.length === 2);
    expect(raw.replies[1]).toMatchObject({ ok: true });

    store.letGo();
    // The outcome was not known; it was kept after all, and the same client id finds it.
    const again = await ann.request('message:send', { conversationId, clientMessageId: 'slow', text: 'x' });
    expect(again).toMatchObject({ duplicate: true, entry: { seq: 2 } });
    raw.send('423["conversation:list",{}]');
    await until('the last reply', () => raw.replies.length === 3);
    expect(raw.received.filter((text) => text.startsWith('431'))).toHaveLength(1);
    expect((await ann.request('conversation:history', { conversationId })).entries).toHaveLength(2);
    raw.close();
  });

  it('[REQ-1] behind one that hangs gets its own reply, each request one, in order', async () => {
    const store = hanging();
    const server = await startDesk({ limits: { requestTimeoutMs: REQUEST_TIMEOUT_MS }, wrap: store.wrap });
    const ann = await clients.connect(server.url, customer('ann'));
    const { conversation } = await ann.request('conversation:open', {});
    store.hang();
    const conversationId = conversation.id;
    const replies: [number, boolean | string][] = [];
    const all = Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const reply =
          index % 2 === 0
            ? await ann.reply('message:send', { conversationId, clientMessageId: `m${String(index)}`, text: 'x' })
            : await ann.reply('conversation:get', { conversationId });
        replies.push([index, reply.ok || reply.error.code]);
      }),
    );
    await all;
    expect(replies).toEqual([
      [0, 'timeout'],
      [1, true],
      [2, 'timeout'],
      [3, true],
      [4, 'timeout'],
      [5, true],
    ]);
    expect(store.waiting).toHaveLength(3);
    store.letGo();
    await until('the messages', () => ann.entries(conversationId).length === 4);
    expect(ann.entries(conversationId).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('[REQ-1] whose handler throws gets internal, and nothing of what was thrown', async () => {
    const server = await startDesk({
      limits: { requestTimeoutMs: 60_000 },
      verbs: {
        'conversation:get': () => Promise.reject(new Error('password is hunter2', { cause: { stack: 'hunter2' } })),
        'conversation:list': async () => {
          await Promise.resolve();
          throw new TypeError('hunter2 is not a function');
        },
        // Looks like one of ours, and is none.
        'conversation:history': () =>
          Promise.reject(Object.assign(new Error('hunter2'), { code: 'not_found', name: 'DeskwireError' })),
      },
    });
    const ann = await clients.connect(server.url, customer('ann'));
    for (const name of ['conversation:get', 'conversation:list', 'conversation:history']) {
      const payload = name === 'conversation:list' ? {} : { conversationId: 'x' };
      const error = await ann.refused(name, payload);
      expect(error).toEqual({ code: 'internal', message: expect.any(String) as string, retryable: true });
      expect(JSON.stringify(error)).not.toContain('hunter2');
    }
    expect(server.logged.filter(({ level }) => level === 'error')).toHaveLength(3);
    // They have left no place behind: the connection works, and a drain does not wait for them.
    expect(await ann.request('message:send', { clientMessageId: 'm', text: 'x' })).toMatchObject({ duplicate: false });
    await server.dispatcher.drain();
  });

  it('[REQ-1] that finds the store closed is refused with unavailable, and nothing is half done', async () => {
    const server = await startDesk();
    const ann = await clients.connect(server.url, customer('ann'));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    await server.store.close();
    const before = ann.received.length;
    for (const [name, payload] of [
      ['message:send', { conversationId, clientMessageId: 'm', text: 'x' }],
      ['message:send', { clientMessageId: 'n', text: 'x' }],
      ['conversation:open', { clientConversationId: 'other' }],
      ['conversation:history', { conversationId }],
      ['conversation:list', {}],
      ['conversation:close', { conversationId }],
      ['message:read', { conversationId, seq: 1 }],
    ] as const) {
      expect(await ann.refused(name, payload), name).toMatchObject({ code: 'unavailable', retryable: true });
    }
    // Her place in the queue is told from memory.
    expect(ann.received.slice(before).filter(({ event }) => event !== 'queue:updated')).toEqual([]);
    expect(ann.socket.connected).toBe(true);
  });
});
