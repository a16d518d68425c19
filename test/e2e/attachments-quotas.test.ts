import { describe, expect, it, onTestFinished } from 'vitest';
import type { Limits } from '../../src/contract/limits.ts';
import { clientId, Clients, type TestClient } from '../support/client.ts';
import { open } from '../support/company.ts';
import { startSpread } from '../support/e2e.ts';
import { executables } from '../support/files.ts';
import { agent, customer, type Identity } from '../support/server.ts';
import { until } from '../support/until.ts';
import { beginPayload, textOf, upload } from '../support/uploader.ts';

const start = async (limits: Partial<Limits>) => {
  const spread = await startSpread({ limits });
  const clients = new Clients();
  onTestFinished(async () => {
    clients.closeAll();
    await spread.stop();
  });
  const connect = (identity: Identity): Promise<TestClient> => clients.connect(spread.nextUrl(), identity);
  const ann = await connect(customer('ann'));
  const { id } = await open(ann);
  const { look } = spread;
  return { look, connect, ann, id, rows: () => look.rows(id), used: () => look.usage('default') };
};

const begin = (conversationId: string, size: number) => ({
  conversationId,
  clientAttachmentId: clientId(),
  name: 'a.txt',
  size,
});

/** How many of the beginnings were taken; the others must have been refused for their quota alone. */
const takenOf = async (begins: ReturnType<TestClient['reply']>[], limit: keyof Limits): Promise<number> => {
  const replies = await Promise.all(begins);
  for (const reply of replies) {
    if (!reply.ok) expect(reply.error).toMatchObject({ code: 'quota_exceeded', retryable: false, details: { limit } });
  }
  return replies.filter(({ ok }) => ok).length;
};

describe('quotas', () => {
  it('[FILE-8] of the bytes of a user hold, however many begin at once, on however many connections', async () => {
    const { connect, ann, id, rows, used } = await start({ attachmentBytesPerUser: 10_000 });
    const people = [ann, ...(await Promise.all(Array.from({ length: 5 }, () => connect(customer('ann')))))];
    const begins = people.flatMap((client) =>
      Array.from({ length: 10 }, () => client.reply('attachment:begin', begin(id, 1_000))),
    );
    expect(await takenOf(begins, 'attachmentBytesPerUser')).toBe(10);
    expect(await rows()).toHaveLength(10);
    expect(await used()).toBe(10_000);
    expect(await ann.refused('attachment:begin', begin(id, 1))).toMatchObject({ code: 'quota_exceeded' });
    // They are hers alone; the same sub as staff is another person.
    const namesake = await connect(agent('ann'));
    expect(await namesake.request('attachment:begin', begin(id, 10_000))).toMatchObject({ receivedBytes: 0 });
  });

  it('[FILE-8] of the bytes of a tenant hold for all its people together, and for no other tenant', async () => {
    const { connect, ann, id, used, look } = await start({ attachmentBytesPerTenant: 10_000 });
    const people = [
      ann,
      ...(await Promise.all(Array.from({ length: 5 }, (_, n) => connect(agent(`agent-${String(n)}`))))),
    ];
    const begins = people.flatMap((client) =>
      Array.from({ length: 10 }, () => client.reply('attachment:begin', begin(id, 900))),
    );
    expect(await takenOf(begins, 'attachmentBytesPerTenant')).toBe(11);
    expect(await used()).toBe(9_900);
    const elsewhere = await connect(customer('ann', { tenant: 'other' }));
    const { id: other } = await open(elsewhere);
    await elsewhere.request('attachment:begin', begin(other, 10_000));
    expect([await used(), await look.usage('other')]).toEqual([9_900, 10_000]);
  });

  it('[FILE-8] of attachments that stand in no message hold, and each that is sent makes room', async () => {
    const { connect, ann, id, rows } = await start({ uploadsPerUser: 5 });
    const other = await connect(customer('ann'));
    const begins = [ann, other].flatMap((client) =>
      Array.from({ length: 10 }, () => client.reply('attachment:begin', begin(id, 10))),
    );
    expect(await takenOf(begins, 'uploadsPerUser')).toBe(5);
    // Repeating one that was begun takes no more of it.
    const [first] = await rows();
    await ann.request('attachment:abort', { attachmentId: first?.id ?? '' });
    const file = { conversationId: id, clientAttachmentId: 'one', name: 'a.txt', data: textOf(10, 1) };
    for (let times = 0; times < 3; times += 1) await ann.request('attachment:begin', beginPayload(file));
    const { id: attachmentId } = await upload(ann, file);
    expect(await ann.refused('attachment:begin', begin(id, 10))).toMatchObject({ code: 'quota_exceeded' });
    await ann.request('message:send', { conversationId: id, clientMessageId: 'm', attachmentIds: [attachmentId] });
    await ann.request('attachment:begin', begin(id, 10));
    expect(await ann.refused('attachment:begin', begin(id, 10))).toMatchObject({ code: 'quota_exceeded' });
  });

  it('[FILE-8] are given back by aborting, by a refusal, and by deleting the message', async () => {
    const { look, ann, id, rows, used } = await start({
      attachmentBytesPerUser: 6_000,
      attachmentBytesPerTenant: 6_000,
      uploadsPerUser: 1,
    });
    for (let round = 0; round < 3; round += 1) {
      const { attachmentId } = await ann.request('attachment:begin', begin(id, 6_000));
      expect(await ann.refused('attachment:begin', begin(id, 1))).toMatchObject({ code: 'quota_exceeded' });
      await ann.request('attachment:abort', { attachmentId });
      expect([await rows(), await used()]).toEqual([[], 0]);

      const data = executables.elf();
      const disguised = beginPayload({
        conversationId: id,
        clientAttachmentId: `x-${String(round)}`,
        name: 'a.png',
        data,
      });
      const refused = await ann.request('attachment:begin', disguised);
      await ann.refused('attachment:chunk', { attachmentId: refused.attachmentId, offset: 0, data });
      expect(await used()).toBe(0);
      await ann.request('attachment:abort', { attachmentId: refused.attachmentId });
      expect([await rows(), await used()]).toEqual([[], 0]);

      const sent = await upload(ann, { conversationId: id, name: 'a.txt', data: textOf(6_000, round) });
      const payload = { conversationId: id, clientMessageId: clientId(), attachmentIds: [sent.id] };
      const { entry } = await ann.request('message:send', payload);
      expect(await ann.refused('attachment:begin', begin(id, 1))).toMatchObject({ code: 'quota_exceeded' });
      await ann.request('message:delete', { conversationId: id, messageId: entry.id });
      await until('the bytes to go', async () => (await rows()).length === 0);
      expect([await used(), await look.files()]).toEqual([0, []]);
    }
  });

  it('[FILE-8] are not given back twice by aborts at the same instant', async () => {
    const { connect, ann, id, rows, used } = await start({ attachmentBytesPerUser: 1_000_000 });
    const other = await connect(customer('ann'));
    await ann.request('attachment:begin', begin(id, 5_000));
    for (let round = 0; round < 10; round += 1) {
      const { attachmentId } = await ann.request('attachment:begin', begin(id, 700));
      const replies = await Promise.all(
        [ann, other, ann, other].map((client) => client.reply('attachment:abort', { attachmentId })),
      );
      expect(replies.filter(({ ok }) => ok)).toHaveLength(1);
      expect(await used()).toBe(5_000);
    }
    expect(await rows()).toHaveLength(1);
  });

  it('[FILE-8] count a file as it is kept, not as it was announced, once it is ready', async () => {
    const { ann, id, rows, used } = await start({ attachmentBytesPerUser: 1_000_000 });
    const { size } = await upload(ann, { conversationId: id, name: 'a.txt', data: textOf(9_000, 9) });
    expect(await used()).toBe(size);
    const { attachmentId } = await ann.request('attachment:begin', begin(id, 500_000));
    expect(await used()).toBe(509_000);
    await ann.request('attachment:abort', { attachmentId });
    expect(await used()).toBe(9_000);
    expect(await rows()).toHaveLength(1);
  });
});

describe('an attachment that is not sent in time', () => {
  it('is removed with its bytes, finished or not, and a file in a message stays', async () => {
    // Short, but long enough to send the one that is to stay.
    const { look, ann, id, rows, used } = await start({ uploadMs: 1_500 });
    const stays = await upload(ann, { conversationId: id, name: 'a.txt', data: textOf(800, 10) });
    const payload = { conversationId: id, clientMessageId: 'm', attachmentIds: [stays.id] };
    const { entry } = await ann.request('message:send', payload);
    const finished = await upload(ann, { conversationId: id, name: 'b.txt', data: textOf(900, 11) });
    const { attachmentId } = await ann.request('attachment:begin', begin(id, 1_000));
    await ann.request('attachment:chunk', { attachmentId, offset: 0, data: textOf(500, 12) });
    expect(await look.files()).toHaveLength(3);
    const born = Date.now();
    await until('their time to be over', () => Date.now() - born > 1_600);
    // The sweep comes by itself every half a minute, and at once after a deletion.
    const { entry: other } = await ann.request('message:send', { conversationId: id, clientMessageId: 'n', text: 'x' });
    await ann.request('message:delete', { conversationId: id, messageId: other.id });
    await until('the two to go', async () => (await rows()).length === 1);
    expect(await rows()).toMatchObject([{ id: stays.id, state: 'ready', message_seq: entry.seq }]);
    expect(await used()).toBe(800);
    expect(await look.files()).toEqual([`attachments/blobs/_${stays.id.slice(2, 4)}/${stays.id}`]);
    for (const one of [finished.id, attachmentId])
      expect(await ann.refused('attachment:finish', { attachmentId: one })).toMatchObject({ code: 'not_found' });
    const message = { conversationId: id, clientMessageId: clientId(), attachmentIds: [finished.id] };
    expect(await ann.refused('message:send', message)).toMatchObject({ code: 'not_found' });
  });
});
