import { describe, expect, it } from 'vitest';
import { clientId, type TestClient } from '../support/client.ts';
import { Company, historyOf, open, told } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { photo } from '../support/files.ts';
import { agent, bot, customer, startServer, supervisor, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { beginPayload, download, sendChunks, textOf, upload } from '../support/uploader.ts';

const { connect, clients, server, look } = endToEnd();

const NONE = 'a_0000000000000000';

const send = async (client: TestClient, conversationId: string, attachmentId: string) => {
  const payload = { conversationId, clientMessageId: clientId(), attachmentIds: [attachmentId] };
  return (await client.request('message:send', payload)).entry;
};

/** Ann's message with a photo. */
const scene = async () => {
  const company = new Company(connect);
  const ann = await company.customer('ann');
  const { id } = await open(ann);
  const { id: attachmentId } = await upload(ann, { conversationId: id, name: 'a.jpg', data: await photo() });
  const entry = await send(ann, id, attachmentId);
  return { company, ann, id, attachmentId, entry, attachment: entry.attachments[0] };
};

describe('a link', () => {
  it('[FILE-6] is not for who may not see the entry: another customer, another bot, another tenant', async () => {
    const { company, ann, id, attachmentId } = await scene();
    const other = `${company.tenant}-other`;
    const outsiders = [
      customer('eve', { tenant: company.tenant }),
      bot('robot', { tenant: company.tenant }),
      customer('ann', { tenant: other }),
      agent('bob', { tenant: other }),
      supervisor('boss', { tenant: other }),
      bot('robot', { tenant: other }),
      customer('ann'),
    ];
    for (const identity of outsiders) {
      const outsider = await connect(identity);
      const none = await outsider.refused('attachment:link', { attachmentId: NONE });
      expect(none).toMatchObject({ code: 'not_found' });
      expect(await outsider.refused('attachment:link', { attachmentId }), identity.role).toEqual(none);
      // Nor can they put anything there.
      const begin = beginPayload({ conversationId: id, name: 'a.txt', data: textOf(100, 1) });
      expect(await outsider.refused('attachment:begin', begin)).toEqual(none);
    }
    expect(await look.rows(id)).toHaveLength(1);
    for (const insider of [ann, await company.agent('bob'), await company.supervisor('boss')])
      expect(await insider.request('attachment:link', { attachmentId })).toMatchObject({
        url: expect.any(String) as string,
      });
  });

  it('[FILE-6] that was changed in any part leads nowhere', async () => {
    const { ann, id, attachmentId, attachment } = await scene();
    const { id: other } = await upload(ann, { conversationId: id, name: 'b.jpg', data: await photo({ width: 50 }) });
    const another = (await send(ann, id, other)).attachments[0];
    const unsent = await upload(ann, { conversationId: id, name: 'c.txt', data: textOf(100, 2) });
    const change = (alter: (url: URL) => void, link = attachment?.url): string => {
      const url = new URL(link ?? '', server().url);
      alter(url);
      return url.href;
    };
    const param = (name: string, value: string) => (url: URL) => url.searchParams.set(name, value);
    const signature = new URL(attachment?.url ?? '', server().url).searchParams.get('signature') ?? '';
    const expires = new URL(attachment?.url ?? '', server().url).searchParams.get('expires') ?? '';
    const last = signature.endsWith('A') ? 'B' : 'A';
    const wrong = [
      change((url) => (url.pathname = `/v1/attachments/${other}`)),
      change((url) => (url.pathname = `/v1/attachments/${unsent.id}`)),
      change((url) => (url.pathname = `/v1/attachments/${NONE}`)),
      change((url) => (url.pathname = '/v1/attachments/..%2f..%2fdeskwire.db')),
      change((url) => (url.pathname = '/v1/attachments/owner')),
      change((url) => (url.pathname = `/v1/attachments/${attachmentId}.thumbnail`)),
      change(param('expires', String(Number(expires) + 1))),
      change(param('expires', '9'.repeat(15))),
      change(param('expires', '9'.repeat(400))),
      change(param('expires', `${expires}.0`)),
      change(param('expires', '')),
      change((url) => url.searchParams.delete('expires')),
      change((url) => url.searchParams.append('expires', expires)),
      change(param('signature', `${signature.slice(0, -1)}${last}`)),
      change(param('signature', `${signature}=`)),
      change(param('signature', signature.toLowerCase())),
      change(param('signature', '')),
      change(param('signature', 'é'.repeat(43))),
      change((url) => url.searchParams.delete('signature')),
      change((url) => url.searchParams.append('signature', signature)),
      change(param('thumbnail', '1')),
      change(param('thumbnail', '0')),
      change((url) => url.searchParams.delete('thumbnail'), attachment?.thumbnail?.url),
      change(param('signature', new URL(another?.url ?? '', server().url).searchParams.get('signature') ?? '')),
      new URL(`/v1/attachments/${attachmentId}`, server().url).href,
    ];
    for (const url of wrong) {
      for (const method of ['GET', 'HEAD']) {
        const { status, headers } = await download(server().url, url, { method });
        expect(status, `${method} ${url}`).toBe(404);
        expect([headers.get('cache-control'), headers.get('etag')]).toEqual(['no-store', null]);
      }
    }
    // What is signed for an attachment that stands in no message leads nowhere either; unchanged ones do.
    expect((await download(server().url, attachment?.url)).status).toBe(200);
    expect((await download(server().url, attachment?.thumbnail?.url)).status).toBe(200);
  });

  it('[FILE-6] of another server leads nowhere; of the same data it does, after a restart too', async () => {
    const one = await startServer();
    const other = await startServer();
    let again: TestServer | undefined;
    try {
      const ann = await clients.connect(one.url, customer('ann'));
      const { id } = await open(ann);
      const { id: attachmentId } = await upload(ann, { conversationId: id, name: 'a.txt', data: textOf(900, 3) });
      const link = (await send(ann, id, attachmentId)).attachments[0]?.url;
      expect((await download(one.url, link)).status).toBe(200);
      expect((await download(other.url, link)).status).toBe(404);
      await one.drain();
      again = await startServer({ dataDir: one.dataDir });
      expect((await download(again.url, link)).body.equals(textOf(900, 3))).toBe(true);
    } finally {
      await again?.stop();
      await one.stop();
      await other.stop();
    }
  });

  it('[FILE-6] that has ended is refused with 403, and a new one leads to the file again', async () => {
    const short = await startServer({ limits: { linkMs: 1_000 } });
    try {
      const ann = await clients.connect(short.url, customer('ann'));
      const { id } = await open(ann);
      const { id: attachmentId } = await upload(ann, { conversationId: id, name: 'a.jpg', data: await photo() });
      const [attachment] = (await send(ann, id, attachmentId)).attachments;
      const links = [attachment?.url, attachment?.thumbnail?.url];
      for (const link of links) expect((await download(short.url, link)).status).toBe(200);
      await until('the links to end', () => Date.now() > Date.parse(attachment?.expiresAt ?? ''));
      for (const link of links) {
        const { status, headers, body } = await download(short.url, link);
        expect([status, headers.get('content-type')]).toEqual([
          403,
          expect.stringContaining('application/problem+json'),
        ]);
        expect(JSON.parse(body.toString())).toMatchObject({
          code: 'forbidden',
          detail: expect.stringContaining('attachment:link') as string,
        });
      }
      // Ended, and not made here: it is not told that there is something.
      const moved = new URL(attachment?.url ?? '', short.url);
      moved.searchParams.set('expires', '1000');
      expect((await download(short.url, moved.href)).status).toBe(404);
      const fresh = await ann.request('attachment:link', { attachmentId });
      expect(Date.parse(fresh.expiresAt)).toBeGreaterThan(Date.now());
      expect((await download(short.url, fresh.url)).status).toBe(200);
      const [shown] = (await historyOf(ann, id)).flatMap((entry) =>
        entry.type === 'message:created' ? entry.attachments : [],
      );
      expect((await download(short.url, shown?.thumbnail?.url)).status).toBe(200);
    } finally {
      await short.stop();
    }
  });
});

describe('those who answer', () => {
  it('a bot sends and gets files of its conversation as its assignee, and none once it has released it', async () => {
    const { company, ann, id, attachmentId } = await scene();
    const robot = await company.bot('robot');
    await robot.request('assignment:claim', { conversationId: id });
    expect((await download(server().url, (await robot.request('attachment:link', { attachmentId })).url)).status).toBe(
      200,
    );
    const data = textOf(2_000, 4);
    const file = { conversationId: id, name: 'answer.txt', data };
    const { id: its } = await upload(robot, file);
    const entry = await send(robot, id, its);
    await told(ann, id, 'message:created', ({ seq }) => seq === entry.seq);
    expect(
      (await download(server().url, (await ann.request('attachment:link', { attachmentId: its })).url)).body.equals(
        data,
      ),
    ).toBe(true);

    const begun = await robot.request('attachment:begin', beginPayload(file));
    await robot.request('attachment:chunk', {
      attachmentId: begun.attachmentId,
      offset: 0,
      data: data.subarray(0, 500),
    });
    await robot.request('assignment:release', { conversationId: id });
    expect(await robot.refused('attachment:begin', beginPayload(file))).toMatchObject({ code: 'stale_fence' });
    for (const one of [attachmentId, its, begun.attachmentId])
      expect(await robot.refused('attachment:link', { attachmentId: one })).toMatchObject({ code: 'not_found' });
    // What it had begun can't come into the conversation any more, however far it gets.
    await sendChunks(robot, { attachmentId: begun.attachmentId, data, from: 500, chunkBytes: 1_000 });
    await robot.request('attachment:finish', { attachmentId: begun.attachmentId });
    const late = { conversationId: id, clientMessageId: clientId(), attachmentIds: [begun.attachmentId] };
    expect(await robot.refused('message:send', late)).toMatchObject({ code: 'stale_fence' });
    await robot.request('attachment:abort', { attachmentId: begun.attachmentId });
    expect((await look.rows(id)).map((row) => row.id)).not.toContain(begun.attachmentId);
    expect(ann.entries(id).filter(({ type }) => type === 'message:created')).toHaveLength(2);
  });

  it('a bot that is no member neither begins nor learns that there is anything', async () => {
    const { company, id } = await scene();
    const robot = await company.bot('robot');
    const begin = (conversationId: string) => beginPayload({ conversationId, name: 'a.txt', data: textOf(100, 5) });
    expect(await robot.refused('attachment:begin', begin(id))).toEqual(
      await robot.refused('attachment:begin', begin('c_0000000000000000')),
    );
  });

  it('a supervisor sends files into any conversation of the tenant, and the customer gets them', async () => {
    const { company, ann, id } = await scene();
    const boss = await company.supervisor('boss');
    const data = textOf(2_000, 6);
    const { id: attachmentId } = await upload(boss, { conversationId: id, name: 'terms.txt', data });
    const entry = await send(boss, id, attachmentId);
    const seen = await told(ann, id, 'message:created', ({ seq }) => seq === entry.seq);
    expect(seen.attachments).toEqual(entry.attachments);
    expect((await download(server().url, seen.attachments[0]?.url)).body.equals(data)).toBe(true);
  });
});
