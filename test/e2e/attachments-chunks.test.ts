import { describe, expect, it } from 'vitest';
import { clientId, type TestClient } from '../support/client.ts';
import { Company, open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { sha256Of } from '../support/files.ts';
import { agent, customer, type Identity } from '../support/server.ts';
import { beginPayload, download, pdfOf, sendChunks, textOf, upload } from '../support/uploader.ts';

const { connect, server, look } = endToEnd({ limits: { chunkBytes: 4_096 } });

const scene = async () => {
  const company = new Company(connect);
  const ann = await company.customer('ann');
  const { id } = await open(ann);
  const files = await look.files();
  /** Files of this test, as the first part of their path and `.thumbnail`. */
  const kept = async (): Promise<string[]> => (await look.files()).filter((path) => !files.includes(path));
  return { company, ann, id, kept, rows: () => look.rows(id) };
};

/** Begun, and nothing sent. */
const begun = async (ann: TestClient, conversationId: string, data: Buffer, more: { sha256?: string | null } = {}) => {
  const file = { conversationId, clientAttachmentId: clientId(), name: 'notes.txt', data, ...more };
  const { attachmentId, chunkBytes } = await ann.request('attachment:begin', beginPayload(file));
  const chunk = (offset: number, end: number, of = data) => ({ attachmentId, offset, data: of.subarray(offset, end) });
  return { file, attachmentId, chunkBytes, chunk };
};

const sentFrom = async (ann: TestClient, conversationId: string, attachmentId: string) => {
  const payload = { conversationId, clientMessageId: clientId(), attachmentIds: [attachmentId] };
  return (await ann.request('message:send', payload)).entry.attachments[0];
};

describe('attachment:chunk', () => {
  it('out of its place is refused with the place that is right, and changes nothing', async () => {
    const { ann, id, rows } = await scene();
    const data = textOf(10_000, 11);
    const { attachmentId, chunk } = await begun(ann, id, data);
    const mismatch = (receivedBytes: number) => ({
      code: 'offset_mismatch',
      retryable: false,
      details: { receivedBytes },
    });
    expect(await ann.refused('attachment:chunk', chunk(1, 4_000))).toMatchObject(mismatch(0));
    expect(await ann.request('attachment:chunk', chunk(0, 4_000))).toEqual({ receivedBytes: 4_000 });
    // Beyond the end of what is there, overlapping it, and overlapping it with other bytes.
    expect(await ann.refused('attachment:chunk', chunk(4_001, 8_000))).toMatchObject(mismatch(4_000));
    expect(await ann.refused('attachment:chunk', chunk(3_999, 8_000))).toMatchObject(mismatch(4_000));
    const other = textOf(10_000, 12);
    expect(await ann.refused('attachment:chunk', chunk(0, 4_096, other))).toMatchObject(mismatch(4_000));
    // What is there already is answered as received, whatever it says.
    expect(await ann.request('attachment:chunk', chunk(0, 4_000, other))).toEqual({ receivedBytes: 4_000 });
    expect(await ann.request('attachment:chunk', chunk(100, 200, other))).toEqual({ receivedBytes: 4_000 });
    for (const offset of [-1, 0.5, '0', 2 ** 53]) {
      expect(await ann.refused('attachment:chunk', { ...chunk(0, 10), offset })).toMatchObject({
        code: 'invalid_payload',
      });
    }
    expect(await ann.refused('attachment:finish', { attachmentId })).toMatchObject({
      code: 'attachment_incomplete',
      details: { receivedBytes: 4_000, size: 10_000 },
    });
    await sendChunks(ann, { attachmentId, data, from: 4_000, chunkBytes: 4_096 });
    expect((await ann.request('attachment:finish', { attachmentId })).attachment.sha256).toBe(sha256Of(data));
    expect(await rows()).toMatchObject([{ id: attachmentId, state: 'ready', size: 10_000 }]);
  });

  it('with more bytes than were said, or than a chunk may have, or none, is refused, and changes nothing', async () => {
    const { ann, id } = await scene();
    const data = textOf(5_000, 13);
    const { attachmentId, chunk } = await begun(ann, id, data);
    const longer = textOf(5_001, 13);
    const tooMany = { code: 'payload_too_large', retryable: false };
    expect(await ann.refused('attachment:chunk', { attachmentId, offset: 4_999, data: Buffer.alloc(2) })).toMatchObject(
      { ...tooMany, details: { size: 5_000, end: 5_001 } },
    );
    expect(await ann.refused('attachment:chunk', chunk(0, 4_097, longer))).toMatchObject(tooMany);
    expect(await ann.refused('attachment:chunk', chunk(0, 0))).toMatchObject({ code: 'invalid_payload' });
    for (const wrong of ['text', 7, null, [1, 2], { data: 'x' }, undefined]) {
      expect(await ann.refused('attachment:chunk', { attachmentId, offset: 0, data: wrong })).toMatchObject({
        code: 'invalid_payload',
      });
    }
    await sendChunks(ann, { attachmentId, data, from: 0, chunkBytes: 4_096 });
    expect(await ann.refused('attachment:chunk', chunk(5_000, 5_001, longer))).toMatchObject(tooMany);
    expect((await ann.request('attachment:finish', { attachmentId })).attachment.sha256).toBe(sha256Of(data));
  });

  it('after the finish is refused, and the file stays as it was', async () => {
    const { ann, id } = await scene();
    const data = textOf(5_000, 14);
    const { attachmentId, chunk } = await begun(ann, id, data);
    await sendChunks(ann, { attachmentId, data, from: 0, chunkBytes: 4_096 });
    // Right behind the finish, without waiting for its answer, and long after it.
    const finished = ann.request('attachment:finish', { attachmentId });
    const hasty = ann.refused('attachment:chunk', chunk(0, 4_096, textOf(5_000, 15)));
    await finished;
    for (const error of [await hasty, await ann.refused('attachment:chunk', chunk(0, 4_096, textOf(5_000, 15)))]) {
      expect(error).toMatchObject({ code: 'offset_mismatch', details: { receivedBytes: 5_000 } });
    }
    const attachment = await sentFrom(ann, id, attachmentId);
    expect((await download(server().url, attachment?.url)).body.equals(data)).toBe(true);
    expect(await ann.refused('attachment:chunk', chunk(0, 4_096))).toMatchObject({ code: 'offset_mismatch' });
  });
});

describe('the hash of a file', () => {
  it.each(['attachment:begin', 'attachment:finish'] as const)(
    'that is wrong in %s is refused, nothing is kept, and the upload starts again from 0',
    async (where) => {
      const { ann, id, kept, rows } = await scene();
      const data = textOf(9_000, 16);
      const wrong = Buffer.from(data);
      wrong[8_999] = 0x21;
      const sha256 = sha256Of(data);
      const { file, attachmentId } = await begun(ann, id, wrong, {
        sha256: where === 'attachment:begin' ? sha256 : null,
      });
      const said = where === 'attachment:finish' ? { sha256: sha256.toUpperCase() } : {};
      await sendChunks(ann, { attachmentId, data: wrong, from: 0, chunkBytes: 4_096 });
      expect(await ann.refused('attachment:finish', { attachmentId, ...said })).toMatchObject({
        code: 'checksum_mismatch',
        retryable: false,
        details: { found: sha256Of(wrong), expected: sha256 },
      });
      expect(await kept()).toEqual([]);
      expect(await rows()).toMatchObject([{ state: 'receiving' }]);
      expect(await ann.refused('attachment:finish', { attachmentId })).toMatchObject({ code: 'attachment_incomplete' });
      expect(await ann.request('attachment:begin', beginPayload(file))).toMatchObject({
        attachmentId,
        receivedBytes: 0,
      });
      await sendChunks(ann, { attachmentId, data, from: 0, chunkBytes: 4_096 });
      const { attachment } = await ann.request('attachment:finish', { attachmentId, ...said });
      expect(attachment).toMatchObject({ id: attachmentId, state: 'ready', sha256, size: 9_000 });
    },
  );

  it('that is another in the finish than in the beginning is refused, and the bytes stay', async () => {
    const { ann, id } = await scene();
    const data = textOf(5_000, 17);
    const { attachmentId } = await begun(ann, id, data);
    await sendChunks(ann, { attachmentId, data, from: 0, chunkBytes: 4_096 });
    expect(await ann.refused('attachment:finish', { attachmentId, sha256: sha256Of(Buffer.from('x')) })).toMatchObject({
      code: 'checksum_mismatch',
    });
    expect(await ann.request('attachment:finish', { attachmentId })).toMatchObject({ attachment: { state: 'ready' } });
  });

  it('need not be said', async () => {
    const { ann, id } = await scene();
    const data = textOf(5_000, 18);
    expect(await upload(ann, { conversationId: id, name: 'a.txt', data, sha256: null })).toMatchObject({
      sha256: sha256Of(data),
    });
  });
});

describe('one client id', () => {
  it('[FILE-3] is one attachment: two uploads of it at once, on two connections, give one', async () => {
    const { company, ann, id, kept, rows } = await scene();
    const other = await company.customer('ann');
    const data = pdfOf(150_000, 19);
    const file = { conversationId: id, clientAttachmentId: 'same', name: 'scan.pdf', data };
    const [one, two] = await Promise.all([
      upload(ann, file, { inFlight: 3 }),
      upload(other, file, { inFlight: 2, chunkBytes: 3_001 }),
    ]);
    expect(one).toEqual(two);
    expect(one).toMatchObject({ state: 'ready', sha256: sha256Of(data), size: 150_000 });
    expect(await upload(ann, file)).toEqual(one);
    expect(await rows()).toEqual([{ id: one.id, state: 'ready', size: 150_000, message_seq: null }]);
    expect(await kept()).toHaveLength(1);
    expect(await look.usage(company.tenant)).toBe(150_000);
    expect((await download(server().url, (await sentFrom(ann, id, one.id))?.url)).body.equals(data)).toBe(true);
    // Still the same once it stands in a message.
    expect(await upload(other, file)).toEqual(one);
  });

  it('[FILE-3] of twenty beginnings and finishes at the same instant gives one', async () => {
    const { company, ann, id, rows } = await scene();
    const people = [ann, ...(await Promise.all(Array.from({ length: 4 }, () => company.customer('ann'))))];
    const data = textOf(3_000, 20);
    const payload = beginPayload({ conversationId: id, clientAttachmentId: 'same', name: 'a.txt', data });
    const begins = await Promise.all(
      people.flatMap((client) => Array.from({ length: 4 }, () => client.request('attachment:begin', payload))),
    );
    const ids = new Set(begins.map(({ attachmentId }) => attachmentId));
    expect(ids.size).toBe(1);
    const attachmentId = begins[0]?.attachmentId ?? '';
    const chunks = await Promise.all(
      people.map((client) => client.request('attachment:chunk', { attachmentId, offset: 0, data })),
    );
    expect(chunks).toEqual(people.map(() => ({ receivedBytes: 3_000 })));
    const finishes = await Promise.all(people.map((client) => client.request('attachment:finish', { attachmentId })));
    expect(new Set(finishes.map((finished) => JSON.stringify(finished))).size).toBe(1);
    expect(await rows()).toHaveLength(1);
  });

  it('[FILE-3] with another size, name, type or hash is refused, and is another one for somebody else or elsewhere', async () => {
    const { company, ann, id, rows } = await scene();
    const data = textOf(3_000, 21);
    const payload = beginPayload({ conversationId: id, clientAttachmentId: 'same', name: 'a.txt', data });
    const { attachmentId } = await ann.request('attachment:begin', payload);
    for (const changed of [
      { size: 3_001 },
      { name: 'b.txt' },
      { mediaType: 'text/plain' },
      { sha256: sha256Of(Buffer.from('x')) },
    ]) {
      expect(await ann.refused('attachment:begin', { ...payload, ...changed }), JSON.stringify(changed)).toMatchObject({
        code: 'duplicate_mismatch',
        details: { attachmentId },
      });
    }
    expect(await rows()).toHaveLength(1);
    const { id: elsewhere } = await open(ann, { clientConversationId: 'other' });
    const bob = await company.agent('bob');
    const namesake = await connect(agent('ann', { tenant: company.tenant }));
    const others = await Promise.all([
      ann.request('attachment:begin', { ...payload, conversationId: elsewhere }),
      bob.request('attachment:begin', payload),
      namesake.request('attachment:begin', payload),
    ]);
    expect(new Set([attachmentId, ...others.map((other) => other.attachmentId)]).size).toBe(4);
  });
});

describe('attachment:abort', () => {
  it.each(['at once', 'in the middle', 'after the finish'])(
    '%s leaves nothing, and the client id is free',
    async (when) => {
      const { company, ann, id, kept, rows } = await scene();
      const data = textOf(9_000, 22);
      const { file, attachmentId, chunk } = await begun(ann, id, data);
      if (when !== 'at once') await ann.request('attachment:chunk', chunk(0, 4_096));
      if (when === 'after the finish') {
        await sendChunks(ann, { attachmentId, data, from: 4_096, chunkBytes: 4_096 });
        await ann.request('attachment:finish', { attachmentId });
      }
      expect(await ann.request('attachment:abort', { attachmentId })).toEqual({});
      expect([await rows(), await kept(), await look.usage(company.tenant)]).toEqual([[], [], 0]);
      const gone = await ann.refused('attachment:abort', { attachmentId });
      expect(gone).toEqual(await ann.refused('attachment:abort', { attachmentId: 'a_0000000000000000' }));
      for (const [name, payload] of [
        ['attachment:chunk', chunk(0, 10)],
        ['attachment:finish', { attachmentId }],
        ['attachment:link', { attachmentId }],
        ['message:send', { conversationId: id, clientMessageId: clientId(), attachmentIds: [attachmentId] }],
      ] as const) {
        expect(await ann.refused(name, payload), name).toEqual(gone);
      }
      const again = await upload(ann, file);
      expect(again.id).not.toBe(attachmentId);
      expect(again.sha256).toBe(sha256Of(data));
    },
  );

  it('behind chunks that are under way, and together with a finish, leaves nothing or the whole file', async () => {
    const { ann, id, kept, rows } = await scene();
    const data = textOf(30_000, 23);
    const { attachmentId, chunk } = await begun(ann, id, data);
    const chunks = [0, 1, 2, 3].map((n) => ann.reply('attachment:chunk', chunk(n * 4_096, (n + 1) * 4_096)));
    await ann.request('attachment:abort', { attachmentId });
    expect((await Promise.all(chunks)).every((reply) => reply.ok || reply.error.code === 'not_found')).toBe(true);
    expect([await rows(), await kept()]).toEqual([[], []]);

    const second = await begun(ann, id, data);
    await sendChunks(ann, { attachmentId: second.attachmentId, data, from: 0, chunkBytes: 4_096 });
    const finishing = ann.reply('attachment:finish', { attachmentId: second.attachmentId });
    await ann.request('attachment:abort', { attachmentId: second.attachmentId });
    const finished = await finishing;
    if (!finished.ok) expect(finished.error.code).toBe('not_found');
    expect([await rows(), await kept()]).toEqual([[], []]);
  });

  it('of what stands in a message is refused, and changes nothing', async () => {
    const { ann, id, rows } = await scene();
    const data = textOf(3_000, 24);
    const { id: attachmentId } = await upload(ann, { conversationId: id, name: 'a.txt', data });
    const attachment = await sentFrom(ann, id, attachmentId);
    expect(await ann.refused('attachment:abort', { attachmentId })).toMatchObject({
      code: 'invalid_payload',
      details: [{ path: 'attachmentId' }],
    });
    expect((await download(server().url, attachment?.url)).body.equals(data)).toBe(true);
    expect(await rows()).toMatchObject([{ id: attachmentId, state: 'ready' }]);
  });

  it('together with the message that carries it: one of the two comes first, and the other is refused', async () => {
    const { company, ann, id } = await scene();
    const other = await company.customer('ann');
    for (let round = 0; round < 20; round += 1) {
      const data = textOf(1_000, 100 + round);
      const { id: attachmentId } = await upload(ann, { conversationId: id, name: 'a.txt', data });
      const payload = { conversationId: id, clientMessageId: clientId(), attachmentIds: [attachmentId] };
      const [sent, aborted] = await Promise.all([
        ann.reply('message:send', payload),
        other.reply('attachment:abort', { attachmentId }),
      ]);
      expect(sent.ok, `round ${String(round)}: ${JSON.stringify([sent, aborted])}`).toBe(!aborted.ok);
      if (!sent.ok) continue;
      const { status, body } = await download(server().url, sent.data.entry.attachments[0]?.url);
      expect([status, body.equals(data)], `round ${String(round)}`).toEqual([200, true]);
    }
  });
});

describe("somebody else's upload", () => {
  it('answers word for word as one that does not exist, for another, for staff, for the same sub and for another tenant', async () => {
    const { company, ann, id, rows } = await scene();
    const data = textOf(5_000, 25);
    const { attachmentId, chunk } = await begun(ann, id, data);
    await ann.request('attachment:chunk', chunk(0, 4_096));
    const strangers: Identity[] = [
      customer('eve', { tenant: company.tenant }),
      agent('bob', { tenant: company.tenant }),
      { sub: 'boss', role: 'supervisor', tenant: company.tenant },
      { sub: 'robot', role: 'bot', tenant: company.tenant },
      // The same id as staff is another person; in another tenant it is another company's.
      agent('ann', { tenant: company.tenant }),
      customer('ann', { tenant: `${company.tenant}-other` }),
    ];
    const expectNotTheirs = async (): Promise<void> => {
      for (const identity of strangers) {
        const stranger = await connect(identity);
        for (const [name, payload] of [
          ['attachment:chunk', { offset: 4_096, data: data.subarray(4_096) }],
          ['attachment:chunk', { offset: 0, data: Buffer.from('x') }],
          ['attachment:finish', {}],
          ['attachment:abort', {}],
          ['attachment:link', {}],
        ] as const) {
          const error = await stranger.refused(name, { ...payload, attachmentId });
          const none = await stranger.refused(name, { ...payload, attachmentId: 'a_0000000000000000' });
          expect(error, `${identity.role} ${identity.sub} ${name}`).toEqual(none);
          expect(error).toMatchObject({ code: 'not_found' });
        }
        const message = { conversationId: id, clientMessageId: clientId() };
        expect(await stranger.refused('message:send', { ...message, attachmentIds: [attachmentId] })).toEqual(
          await stranger.refused('message:send', { ...message, attachmentIds: ['a_0000000000000000'] }),
        );
      }
    };
    await expectNotTheirs();
    await sendChunks(ann, { attachmentId, data, from: 4_096, chunkBytes: 4_096 });
    expect(await ann.request('attachment:finish', { attachmentId })).toMatchObject({ attachment: { state: 'ready' } });
    await expectNotTheirs();
    expect(await rows()).toMatchObject([{ state: 'ready' }]);
  });
});
