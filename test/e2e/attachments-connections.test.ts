import { describe, expect, it } from 'vitest';
import { clientId, type TestClient } from '../support/client.ts';
import { Company, open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { sha256Of } from '../support/files.ts';
import { Random, seedOf } from '../support/random.ts';
import { beginPayload, download, sendChunks, textOf } from '../support/uploader.ts';

const { connect, servers, look } = endToEnd({ limits: { chunkBytes: 4_096 } });

const scene = async () => {
  const company = new Company(connect);
  const ann = await company.customer('ann');
  const { id } = await open(ann);
  const files = await look.files();
  /** Files of this test. */
  const kept = async (): Promise<string[]> => (await look.files()).filter((path) => !files.includes(path));
  return { company, ann, id, kept, rows: () => look.rows(id) };
};

/** Begun on both connections, so that the server knows of it wherever they sit. */
const shared = async (data: Buffer) => {
  const { company, ann, ...more } = await scene();
  const other = await company.customer('ann');
  const file = beginPayload({ conversationId: more.id, name: 'notes.txt', data });
  const { attachmentId } = await ann.request('attachment:begin', file);
  await other.request('attachment:begin', file);
  const chunk = (offset: number, end: number, of = data) => ({ attachmentId, offset, data: of.subarray(offset, end) });
  return { ...more, ann, other, attachmentId, chunk };
};

const sentFrom = async (ann: TestClient, conversationId: string, attachmentId: string) => {
  const payload = { conversationId, clientMessageId: clientId(), attachmentIds: [attachmentId] };
  return (await ann.request('message:send', payload)).entry.attachments[0];
};

describe('an upload on two connections', () => {
  it('goes on on the second where it is on the first', async () => {
    const data = textOf(20_000, 26);
    const { ann, other, attachmentId, chunk } = await shared(data);
    expect(await ann.request('attachment:chunk', chunk(0, 4_000))).toEqual({ receivedBytes: 4_000 });
    expect(await other.refused('attachment:chunk', chunk(8_000, 12_000))).toMatchObject({
      code: 'offset_mismatch',
      details: { receivedBytes: 4_000 },
    });
    for (let offset = 4_000; offset < 20_000; offset += 4_000) {
      const [client, end] = [(offset / 4_000) % 2 === 0 ? ann : other, offset + 4_000];
      expect(await client.request('attachment:chunk', chunk(offset, end))).toEqual({ receivedBytes: end });
    }
    const { attachment } = await other.request('attachment:finish', { attachmentId });
    expect(attachment.sha256).toBe(sha256Of(data));
    expect(await ann.request('attachment:finish', { attachmentId })).toEqual({ attachment });
  });

  it('is over on both with its finish: a chunk is refused, and nothing is kept of it', async () => {
    const data = textOf(9_000, 27);
    const { ann, other, id, attachmentId, chunk, kept } = await shared(data);
    await sendChunks(ann, { attachmentId, data, from: 0, chunkBytes: 4_096 });
    await ann.request('attachment:finish', { attachmentId });
    expect(await other.refused('attachment:chunk', chunk(0, 4_096, textOf(9_000, 28)))).toMatchObject({
      code: 'offset_mismatch',
      details: { receivedBytes: 9_000 },
    });
    expect(await kept()).toHaveLength(1);
    const attachment = await sentFrom(other, id, attachmentId);
    for (const { url } of servers()) expect((await download(url, attachment?.url)).body.equals(data)).toBe(true);
  });

  it.each([0, 4_096])(
    'is over on both with its abort, after %i bytes: a chunk is refused, nothing is kept',
    async (sent) => {
      const data = textOf(9_000, 29);
      const { ann, other, attachmentId, chunk, kept, rows } = await shared(data);
      if (sent > 0) {
        await ann.request('attachment:chunk', chunk(0, sent));
        await other.request('attachment:chunk', chunk(0, sent));
      }
      await ann.request('attachment:abort', { attachmentId });
      for (const offset of [sent, 0]) {
        const error = await other.refused('attachment:chunk', chunk(offset, offset + 4_096));
        expect(error, `at ${String(offset)}`).toMatchObject({ code: 'not_found' });
      }
      expect([await rows(), await kept()]).toEqual([[], []]);
    },
  );

  it('[FILE-3] is finished by each, however close together, and stands once', async () => {
    const { company, ann, id, kept, rows } = await scene();
    const others = await Promise.all(Array.from({ length: 3 }, () => company.customer('ann')));
    const seed = seedOf(20_261_122);
    const random = new Random(seed);
    for (let round = 1; round <= 60; round += 1) {
      const data = textOf(3_000, 200 + round);
      const file = beginPayload({ conversationId: id, name: 'notes.txt', data });
      const { attachmentId } = await ann.request('attachment:begin', file);
      await ann.request('attachment:chunk', { attachmentId, offset: 0, data });
      const replies = await Promise.all(
        [ann, ...others].map(async (client) => {
          await new Promise((resolve) => setTimeout(resolve, random.below(30)));
          return client.reply('attachment:finish', { attachmentId });
        }),
      );
      for (const reply of replies) {
        expect(reply, `seed ${String(seed)}, round ${String(round)}: ${JSON.stringify(reply)}`).toMatchObject({
          ok: true,
          data: { attachment: { id: attachmentId, state: 'ready', sha256: sha256Of(data) } },
        });
      }
      expect([(await rows()).length, (await kept()).length]).toEqual([round, round]);
      await sentFrom(ann, id, attachmentId);
    }
  });
});
