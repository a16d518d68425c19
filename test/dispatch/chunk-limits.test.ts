import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Limits } from '../../src/contract/limits.ts';
import type { Reply } from '../../src/contract/contract.ts';
import { Clients, type TestClient } from '../support/client.ts';
import { customer, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

/** A customer who has begun an upload of a text. `polling`: what is sent in one tick arrives in one. */
const uploader = async (limits: Partial<Limits>, transport: 'websocket' | 'polling' = 'polling') => {
  const server = await startServer({ limits });
  onTestFinished(() => server.stop());
  const ann = await clients.connect(server.url, customer('ann'), { transports: [transport] });
  const { conversation } = await ann.request('conversation:open', {});
  const { attachmentId } = await ann.request('attachment:begin', {
    ...{ conversationId: conversation.id, clientAttachmentId: 'notes', name: 'notes.txt', size: 1_000 },
  });
  return { ann, attachmentId, conversationId: conversation.id };
};

const TEXT = Buffer.from('0123456789'.repeat(100));
const chunk = (ann: TestClient, attachmentId: string, offset: number, length = 10): Promise<Reply> =>
  ann.raw('attachment:chunk', { attachmentId, offset, data: TEXT.subarray(offset, offset + length) }) as Promise<Reply>;
const chunks = (ann: TestClient, attachmentId: string, count: number): Promise<Reply[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => chunk(ann, attachmentId, index * 10)));

const codes = (replies: readonly Reply[]): string[] => replies.map((reply) => (reply.ok ? 'ok' : reply.error.code));
const countOf = (all: readonly string[], code: string): number => all.filter((one) => one === code).length;

const TOO_MANY = {
  ok: false,
  error: {
    code: 'rate_limited',
    message: expect.stringContaining('chunks in a second') as string,
    retryable: true,
    retryAfterMs: expect.any(Number) as number,
  },
};

/** Milliseconds to wait, as those say that were refused. */
const waits = (replies: readonly Reply[]): number[] =>
  replies.flatMap((reply) => (reply.ok ? [] : [reply.error.retryAfterMs ?? Number.NaN]));

describe('chunks', () => {
  it('[REQ-5] beyond chunksPerSecond are refused with the time to wait, and after it go on', async () => {
    const { ann, attachmentId } = await uploader({ chunksPerSecond: 5, chunksInFlight: 1_000 });
    const replies = await chunks(ann, attachmentId, 20);
    const refused = replies.filter(({ ok }) => !ok);
    // Twice as many when the second ends among them.
    expect(countOf(codes(replies), 'ok')).toBeGreaterThanOrEqual(5);
    expect(countOf(codes(replies), 'ok')).toBeLessThanOrEqual(10);
    expect(refused).toEqual(refused.map(() => TOO_MANY));
    const waitMs = Math.max(...waits(refused));
    expect(Math.min(...waits(refused))).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(1_000);
    // Those that were refused have left nothing: the first of them is the next.
    const next = codes(replies).indexOf('rate_limited') * 10;
    const told = Date.now();
    await until('the time that was told', () => Date.now() >= told + waitMs);
    expect(await chunk(ann, attachmentId, next)).toEqual({ ok: true, data: { receivedBytes: next + 10 } });
  });

  it('[REQ-5] do not count as requests of the second, nor requests as chunks', async () => {
    const many = await uploader({ requestsPerSecond: 10, chunksPerSecond: 1_000, chunksInFlight: 1_000 });
    expect(new Set(codes(await chunks(many.ann, many.attachmentId, 60)))).toEqual(new Set(['ok']));
    await many.ann.request('conversation:list', {});
    const few = await uploader({ chunksPerSecond: 1, requestsPerSecond: 1_000 });
    await Promise.all(Array.from({ length: 30 }, () => few.ann.request('conversation:list', {})));
    expect(codes([await chunk(few.ann, few.attachmentId, 0)])).toEqual(['ok']);
    // Finishing moves no bytes: it is a request like others.
    const finishes = Array.from({ length: 30 }, () =>
      few.ann.refused('attachment:finish', { attachmentId: few.attachmentId }),
    );
    expect(new Set((await Promise.all(finishes)).map(({ code }) => code))).toEqual(new Set(['attachment_incomplete']));
  });

  it('[REQ-5] beyond chunksInFlight are refused with the time to wait', async () => {
    const { ann, attachmentId } = await uploader({ chunksInFlight: 3, chunksPerSecond: 1_000 });
    const replies = await chunks(ann, attachmentId, 12);
    expect(codes(replies)).toEqual([...Array<string>(3).fill('ok'), ...Array<string>(9).fill('rate_limited')]);
    expect(waits(replies)).toEqual(Array<number>(9).fill(100));
    // Answered ones are not in flight any more, whatever the answer was.
    const more = await Promise.all([
      chunk(ann, attachmentId, 30),
      chunk(ann, attachmentId, 500),
      chunk(ann, 'another', 0),
      chunk(ann, attachmentId, 40),
    ]);
    expect(codes(more)).toEqual(['ok', 'offset_mismatch', 'not_found', 'rate_limited']);
    for (let offset = 40; offset < 340; offset += 10) {
      expect(await chunk(ann, attachmentId, offset)).toEqual({ ok: true, data: { receivedBytes: offset + 10 } });
    }
  });

  it('[REQ-5] that are refused unread do not count as unanswered', async () => {
    const { ann, attachmentId } = await uploader({ chunksInFlight: 1, chunkBytes: 1_024 });
    for (let count = 0; count < 3; count += 1) {
      const wrong = await Promise.all([
        ann.refused('attachment:chunk', { attachmentId, offset: 0, data: Buffer.alloc(1_025) }),
        ann.refused('attachment:chunk', { attachmentId, offset: 0, data: 'text' }),
        ann.refused('attachment:chunk', { attachmentId, offset: -1, data: TEXT }),
        ann.refused('attachment:chunk'),
      ]);
      expect(wrong.map(({ code }) => code)).toEqual([
        'payload_too_large',
        'invalid_payload',
        'invalid_payload',
        'invalid_payload',
      ]);
    }
    expect(codes([await chunk(ann, attachmentId, 0)])).toEqual(['ok']);
  });

  it('[REQ-5] that are unanswered do not count as unanswered requests', async () => {
    const { ann, attachmentId } = await uploader({ requestsInFlight: 2, chunksInFlight: 100, chunksPerSecond: 1_000 });
    const [sent, listed] = await Promise.all([
      chunks(ann, attachmentId, 30),
      ann.raw('conversation:list', {}) as Promise<Reply>,
    ]);
    expect(new Set(codes(sent))).toEqual(new Set(['ok']));
    expect(codes([listed])).toEqual(['ok']);
  });

  it.each(['websocket', 'polling'] as const)(
    '[REQ-2] and what follows them take effect in the order in which they were sent, over %s',
    async (transport) => {
      const { ann, attachmentId, conversationId } = await uploader({ chunksInFlight: 1_000 }, transport);
      const quarters = [0, 250, 500, 750].map((offset) => chunk(ann, attachmentId, offset, 250));
      const finished = ann.request('attachment:finish', { attachmentId });
      expect(codes(await Promise.all(quarters))).toEqual(['ok', 'ok', 'ok', 'ok']);
      expect((await finished).attachment).toMatchObject({ state: 'ready', size: 1_000, mediaType: 'text/plain' });

      const other = await ann.request('attachment:begin', {
        ...{ conversationId, clientAttachmentId: 'given up', name: 'notes.txt', size: 1_000 },
      });
      const replies = await Promise.all([
        chunk(ann, other.attachmentId, 0, 250),
        ann.raw('attachment:finish', { attachmentId: other.attachmentId }),
        chunk(ann, other.attachmentId, 250, 250),
        ann.raw('attachment:abort', { attachmentId: other.attachmentId }),
        chunk(ann, other.attachmentId, 500, 250),
        ann.raw('attachment:finish', { attachmentId: other.attachmentId }),
        ann.raw('conversation:list', {}),
      ]);
      expect(codes(replies as Reply[])).toEqual([
        'ok',
        'attachment_incomplete',
        'ok',
        'ok',
        'not_found',
        'not_found',
        'ok',
      ]);
    },
  );
});
