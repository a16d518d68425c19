import { describe, expect, it } from 'vitest';
import type { Attachment } from '../../src/contract/schemas.ts';
import { clientId } from '../support/client.ts';
import { Company, open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { beginPayload, textOf, upload } from '../support/uploader.ts';

const CHUNK_BYTES = 4_096;
const BYTES_PER_SECOND = 20_000;
const { connect } = endToEnd({
  limits: {
    chunkBytes: CHUNK_BYTES,
    uploadBytesPerSecond: BYTES_PER_SECOND,
    chunksInFlight: 8,
    requestTimeoutMs: 1_000,
  },
});

const scene = async () => {
  const company = new Company(connect);
  const ann = await company.customer('ann');
  const { id } = await open(ann);
  return { company, ann, id };
};

describe('limits.uploadBytesPerSecond', () => {
  it('holds an upload to it, and no message of the same connection', async () => {
    const { ann, id } = await scene();
    const data = textOf(8 * CHUNK_BYTES, 31);
    const startedAt = Date.now();
    const uploaded: Attachment[] = [];
    const uploading = upload(ann, { conversationId: id, name: 'notes.txt', data }).then((one) => uploaded.push(one));
    let sent = 0;
    for (; uploaded.length === 0; sent += 1) {
      await ann.request('message:send', { conversationId: id, clientMessageId: clientId(), text: String(sent) });
    }
    await uploading;
    expect(uploaded).toMatchObject([{ size: data.length }]);
    // The first chunk is taken at once, and waits of under 2 ms are not waited for.
    const leastMs = ((data.length - CHUNK_BYTES) * 1_000) / BYTES_PER_SECOND - 50;
    expect(Date.now() - startedAt).toBeGreaterThan(leastMs);
    // A message that stood behind a chunk would wait for 200 ms.
    expect(sent).toBeGreaterThan(2 * (leastMs / 200));
  });

  it('refuses what could not be answered in time, says when to come again, and takes it then', async () => {
    const { ann, id } = await scene();
    const data = textOf(8 * CHUNK_BYTES, 32);
    const begun = await ann.request('attachment:begin', beginPayload({ conversationId: id, name: 'notes.txt', data }));
    const chunk = (at: number) => ({
      attachmentId: begun.attachmentId,
      offset: at * CHUNK_BYTES,
      data: data.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES),
    });
    const replies = await Promise.all(Array.from({ length: 8 }, (_, at) => ann.reply('attachment:chunk', chunk(at))));
    const taken = replies.findIndex((reply) => !reply.ok);
    // Half of a request's time is for waiting: about two chunks' worth.
    expect(taken).toBeGreaterThan(0);
    const refusal = replies[taken];
    expect(refusal).toMatchObject({ ok: false, error: { code: 'rate_limited', retryable: true } });
    const retryAfterMs = refusal?.ok === false ? (refusal.error.retryAfterMs ?? 0) : 0;
    expect(retryAfterMs).toBeGreaterThan(0);
    const comeAgainAt = Date.now() + retryAfterMs;
    await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThanOrEqual(comeAgainAt);
    expect(await ann.request('attachment:chunk', chunk(taken))).toEqual({ receivedBytes: (taken + 1) * CHUNK_BYTES });
  });
});
