import { describe, expect, it } from 'vitest';
import { createContract } from '../../src/contract/contract.ts';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { endToEnd } from '../support/e2e.ts';
import { agent, bot, customer, startServer, supervisor, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect, someone, server, clients } = endToEnd();
const contract = createContract(DEFAULT_LIMITS);
const names = Object.keys(contract.requests);

const deep = (levels: number): unknown => JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels)) as unknown;

/** Wrong for every request. */
const malformed: Record<string, unknown> = {
  null: null,
  array: [],
  text: 'text',
  number: 7,
  'unknown field': { surprise: true },
  __proto__: JSON.parse('{"__proto__":{"conversationId":"x"}}') as unknown,
  constructor: JSON.parse('{"constructor":{"prototype":{"polluted":true}}}') as unknown,
  'wrong types': {
    conversationId: { $ne: null },
    clientMessageId: 7,
    text: [],
    seq: '1',
    token: 1,
    status: {},
    score: 9,
    limit: 0,
  },
  binary: Buffer.from('binary'),
  'binary for text': {
    conversationId: Buffer.from('x'),
    clientMessageId: Buffer.from('x'),
    text: Buffer.from('x'),
    token: Buffer.from('x'),
    status: Buffer.from('x'),
  },
  'one attachment 400 times': (() => {
    const data = Buffer.alloc(200);
    return {
      conversationId: 'c',
      clientMessageId: 'm',
      attachmentIds: Array.from({ length: 400 }, () => data),
      text: 'x',
    };
  })(),
};

describe('a malformed request', () => {
  it.each(Object.entries(malformed))(
    '[REQ-3] %s: one clear error for every request, and no effect',
    async (_name, payload) => {
      const ann = await connect(customer(someone()));
      const boss = await connect(supervisor(someone()));
      const robot = await connect(bot(someone()));
      const witness = await connect(customer(someone()));
      for (const name of names) {
        for (const client of [ann, boss, robot]) {
          const error = await client.refused(name, payload);
          expect(['invalid_payload', 'payload_too_large', 'forbidden'], `${name}: ${JSON.stringify(error)}`).toContain(
            error.code,
          );
          expect(error.retryable).toBe(false);
          if (error.code === 'invalid_payload') expect(error.message.length).toBeGreaterThan(name.length);
        }
      }
      expect((await ann.request('conversation:list', {})).conversations).toEqual([]);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
      // Everybody is still connected.
      expect((await witness.request('conversation:list', {})).conversations).toEqual([]);
    },
  );

  it('[REQ-3] nested 20 000 levels, as text and around binary, and 10 MB: one error each, the connection stays', async () => {
    const ann = await connect(customer(someone()));
    const raw = await RawSocket.open(server().url, tokenFor(supervisor(someone())));
    const nested = '{"a":'.repeat(20_000) + '1' + '}'.repeat(20_000);
    for (const [index, name] of names.entries()) {
      raw.send(`42${String(index)}[${JSON.stringify(name)},{"metadata":${nested}}]`);
      const reply = await until('a reply', () => raw.replies[index]);
      expect(reply, name).toMatchObject({
        ok: false,
        error: { code: expect.stringMatching(/^(invalid_payload|forbidden)$/) as string },
      });
    }
    raw.close();
    // Stock clients encode by recursion, so they can send only some thousand levels.
    expect(
      await ann.refused('message:send', { clientMessageId: 'a', text: 'x', metadata: { a: deep(1_000) } }),
    ).toMatchObject({ code: 'invalid_payload' });
    expect(
      await ann.refused('message:send', {
        clientMessageId: 'a',
        text: 'x',
        metadata: { a: deep(1_000), b: Buffer.from('x') },
      }),
    ).toMatchObject({ code: 'payload_too_large' });
    for (const text of ['x'.repeat(10_000_000), 'é'.repeat(130_000)]) {
      expect(await ann.refused('message:send', { clientMessageId: 'a', text })).toMatchObject({
        code: 'payload_too_large',
      });
    }
    expect(await ann.refused('message:send', { clientMessageId: 'a', text: 'x'.repeat(16_385) })).toMatchObject({
      code: 'payload_too_large',
    });
    expect(
      await ann.refused('message:send', { clientMessageId: 'a', text: 'x', metadata: { a: 'x'.repeat(9_000) } }),
    ).toMatchObject({ code: 'payload_too_large' });
    expect(ann.all('session:ready')).toHaveLength(1);
    expect((await ann.request('conversation:list', {})).conversations).toEqual([]);
  });

  it('[REQ-3] raw packets no stock client would send neither stop the process nor reach anybody', async () => {
    const witness = await connect(customer(someone()));
    const levels = 20_000;
    const nest = '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);
    const packets: (string | Buffer)[][] = [
      [`421["message:send",${nest}]`],
      [
        `451-3["message:send",{"metadata":${'['.repeat(levels)}{"_placeholder":true,"num":0}${']'.repeat(levels)}}]`,
        Buffer.from('x'),
      ],
      [
        `451-4["message:send",{"text":[${Array.from({ length: 400 }, () => '{"_placeholder":true,"num":0}').join(',')}]}]`,
        Buffer.alloc(200_000),
      ],
      ['425["error",{"a":1}]'],
      ['426["disconnect"]'],
      ['427[7,{}]'],
      ['428["__proto__",{}]'],
      ['429["constructor"]'],
      ['4210["message:send",{},{},{}]'],
      ['42["newListener",1]'],
      ['42not json'],
      ['4'],
      ['9'],
      [Buffer.from('binary out of nowhere')],
      ['41'],
      ['450-1["message:send"]'],
      ['451-1["message:send",{}]', '42["conversation:list"]'],
      ['40/admin,{}'],
    ];
    for (const packet of packets) {
      const raw = await RawSocket.open(server().url, tokenFor(customer(someone())));
      for (const part of packet) raw.send(part);
      await until(
        'a reply or the end of the connection',
        () => raw.closed || raw.replies.length > 0 || raw.received.some((text) => text.startsWith('44')),
      );
      expect(raw.replies.length, String(packet[0]).slice(0, 40)).toBeLessThanOrEqual(1);
      for (const reply of raw.replies) expect(reply).toMatchObject({ ok: false });
      raw.close();
      expect((await witness.request('conversation:list', {})).conversations).toEqual([]);
    }
    expect(server().logged.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('a request', () => {
  it('[REQ-1] gets one reply in any case, and request:failed when it asked for none', async () => {
    const ann = await connect(customer(someone()));
    expect(await ann.refused('no:such', {})).toMatchObject({ code: 'unknown_event' });
    expect(await ann.refused('toString')).toMatchObject({ code: 'unknown_event' });
    expect(await ann.refused('conversation:get', { conversationId: 'x' }, { more: 1 })).toMatchObject({
      code: 'invalid_payload',
    });
    (ann.socket as { emit: (event: string, payload?: unknown) => unknown }).emit('conversation:get', {
      conversationId: 'nope',
    });
    expect(await ann.event('request:failed')).toMatchObject({
      event: 'conversation:get',
      error: { code: 'not_found' },
    });
    (ann.socket as { emit: (event: string, payload?: unknown) => unknown }).emit('message:send', {
      clientMessageId: 'silent',
      text: 'no answer wanted',
    });
    await ann.event('message:created', ({ clientMessageId }) => clientMessageId === 'silent');
    expect(await ann.request('conversation:list')).toMatchObject({ conversations: [{ lastSeq: 2 }] });
  });

  it('[REQ-2] takes effect in the order sent, whatever kinds are mixed', async () => {
    const ann = await connect(customer(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    const sends = Array.from({ length: 200 }, (_, index) =>
      ann.request('message:send', { conversationId, clientMessageId: `m${String(index)}`, text: String(index) }),
    );
    const close = ann.request('conversation:close', { conversationId });
    const late = ann.request('message:send', { conversationId, clientMessageId: 'late', text: 'late' });
    const history = ann.request('conversation:history', { conversationId, limit: 1 });
    const seqs = (await Promise.all(sends)).map(({ entry }) => entry.seq);
    expect(seqs).toEqual(Array.from({ length: 200 }, (_, index) => index + 2));
    expect((await close).entry.seq).toBe(202);
    // It was sent after the close, so it reopens.
    expect((await late).entry.seq).toBe(204);
    expect((await history).entries[0]?.seq).toBe(204);
  });

  it('[REQ-4] is checked for the role before the payload, and for the payload before the object', async () => {
    const ann = await connect(customer(someone()));
    expect(await ann.refused('assignment:claim', { nonsense: 1 })).toMatchObject({ code: 'forbidden' });
    const bob = await connect(agent(someone()));
    expect(await bob.refused('assignment:claim', { conversationId: 7 })).toMatchObject({
      code: 'invalid_payload',
      details: [{ path: 'conversationId', message: 'expected string, found number' }],
    });
    for (const name of names) {
      const spec = contract.requests[name as 'message:send'];
      for (const identity of [customer, agent, supervisor, bot]) {
        const client = await connect(identity(someone()));
        const { code } = await client.refused(name, { nonsense: 1 });
        expect(code === 'forbidden', `${name} for ${client.all('session:ready')[0]?.role ?? ''}`).toBe(
          !spec.roles.includes(client.all('session:ready')[0]?.role as 'agent'),
        );
        client.close();
      }
    }
  });

  it('[REQ-5] beyond a published limit is refused with its name, and works again after retryAfterMs', async () => {
    const small = await startServer({
      limits: { requestsPerSecond: 5, conversationsPerConnection: 2, pageEntries: 3, textBytes: 10 },
    });
    try {
      const ann = await clients.connect(small.url, customer('ann'));
      const { limits } = await ann.event('session:ready');
      expect(limits).toMatchObject({ requestsPerSecond: 5, textBytes: 10, typingMs: DEFAULT_LIMITS.typingMs });
      const replies = await Promise.all(Array.from({ length: 12 }, () => ann.reply('conversation:list', {})));
      const limited = replies.flatMap((reply) => (reply.ok ? [] : [reply.error]));
      expect(limited.length).toBeGreaterThanOrEqual(2);
      for (const error of limited) expect(error).toMatchObject({ code: 'rate_limited', retryable: true });
      const again = async () => {
        for (;;) {
          const reply = await ann.reply('message:send', { clientMessageId: 'x', text: '01234567890' });
          if (reply.ok || reply.error.code !== 'rate_limited') return reply;
          await new Promise((resolve) => setTimeout(resolve, reply.error.retryAfterMs));
        }
      };
      expect(await again()).toMatchObject({ ok: false, error: { code: 'payload_too_large' } });
    } finally {
      await small.stop();
    }
  });

  it('[REQ-1] leaves no token and no text in the log', async () => {
    const ann = await connect(customer(someone(), { name: 'Unmistakable-Name' }));
    await ann.request('message:send', {
      clientMessageId: 'm',
      text: 'Unmistakable-Text',
      metadata: { a: 'Unmistakable-Metadata' },
    });
    await ann.refused('message:send', { clientMessageId: 'm', text: 'Unmistakable-Text', more: 'Unmistakable-More' });
    expect(JSON.stringify(server().logged)).not.toContain('Unmistakable');
  });
});
