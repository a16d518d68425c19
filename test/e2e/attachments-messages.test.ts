import { describe, expect, it } from 'vitest';
import { clientId, type TestClient } from '../support/client.ts';
import { Company, historyOf, open, stateOf, told } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { photo, sha256Of } from '../support/files.ts';
import { until } from '../support/until.ts';
import { beginPayload, download, textOf, upload } from '../support/uploader.ts';

const { connect, server, servers, look } = endToEnd();
const opening = endToEnd({ env: { DESKWIRE_CLOSED_CONVERSATIONS: 'new' } });

const scene = async (at = { connect, look }) => {
  const company = new Company(at.connect);
  const ann = await company.customer('ann');
  const bob = await company.agent('bob');
  const { id } = await open(ann);
  await bob.request('conversation:join', { conversationId: id });
  const files = await at.look.files();
  const kept = async (): Promise<string[]> => (await at.look.files()).filter((path) => !files.includes(path));
  return { company, ann, bob, id, kept };
};

let seed = 0;
const uploaded = async (client: TestClient, conversationId: string, bytes = 3_000): Promise<string> => {
  seed += 1;
  return (await upload(client, { conversationId, name: 'a.txt', data: textOf(bytes, seed) })).id;
};

const carrying = (conversationId: string, attachmentIds: string[], more: object = {}) => ({
  conversationId,
  clientMessageId: clientId(),
  attachmentIds,
  ...more,
});

/** The same wherever it is asked for. */
const statusOf = async (link: string | undefined): Promise<number> => {
  const answers = await Promise.all(servers().map(({ url }) => download(url, link)));
  const [status = 0, ...others] = new Set(answers.map((answer) => answer.status));
  expect(others).toEqual([]);
  return status;
};

describe('an attachment in a message', () => {
  it('[FILE-5] shows to nobody but its uploader before its message, and then to everybody who sees that, with links', async () => {
    const { company, ann, bob, id } = await scene();
    const data = await photo({ type: 'png' });
    const attachment = await upload(ann, { conversationId: id, name: 'photo.png', data });
    expect(attachment).not.toHaveProperty('url');
    const boss = await company.supervisor('boss');
    const before = [
      await historyOf(bob, id),
      await bob.request('conversation:join', { conversationId: id }),
      await boss.request('conversation:list', {}),
      bob.received,
      ann.received,
    ];
    expect(JSON.stringify(before)).not.toContain(attachment.id);
    const none = await bob.refused('attachment:link', { attachmentId: 'a_0000000000000000' });
    for (const client of [bob, boss]) {
      expect(await client.refused('attachment:link', { attachmentId: attachment.id })).toEqual(none);
    }
    expect(await ann.refused('attachment:link', { attachmentId: attachment.id })).toMatchObject({
      code: 'attachment_incomplete',
    });

    const { entry } = await ann.request('message:send', carrying(id, [attachment.id], { text: 'See this' }));
    const { url, expiresAt, thumbnail, ...rest } = entry.attachments[0] ?? {};
    expect(rest).toEqual({ ...attachment, thumbnail: undefined });
    expect(Date.parse(expiresAt ?? '')).toBeGreaterThan(Date.now());
    const live = await told(bob, id, 'message:created', ({ seq }) => seq === entry.seq);
    const page = await historyOf(boss, id);
    const joined = await ann.request('conversation:join', { conversationId: id, afterSeq: entry.seq - 1 });
    for (const seen of [live, page.at(-1), joined.entries[0]]) expect(seen).toEqual(entry);
    const linked = await bob.request('attachment:link', { attachmentId: attachment.id });
    expect(linked).toEqual({ url, expiresAt, thumbnailUrl: thumbnail?.url });
    expect((await download(server().url, url)).body.equals(data)).toBe(true);
    expect(await statusOf(thumbnail?.url)).toBe(200);
  });

  it('[FILE-5] comes with others in the order of the message, without a text too; an edit keeps them', async () => {
    const { ann, bob, id } = await scene();
    const ids = [await uploaded(ann, id), await uploaded(ann, id), await uploaded(ann, id)].reverse();
    const { entry } = await ann.request('message:send', carrying(id, ids));
    expect([entry.text, entry.attachments.map((attachment) => attachment.id)]).toEqual([null, ids]);
    const messageId = entry.id;
    const edit = await ann.request('message:edit', { conversationId: id, messageId, text: 'Now with words' });
    expect(edit.entry).not.toHaveProperty('attachments');
    const edited = (await historyOf(bob, id)).find(({ seq }) => seq === entry.seq);
    expect(edited).toMatchObject({
      text: 'Now with words',
      attachments: ids.map((attachment) => ({ id: attachment })),
    });
    for (const { url } of entry.attachments) expect(await statusOf(url)).toBe(200);
  });

  it('[FILE-5] of a note stays with staff: not with the customer, nor with a bot that is the assignee', async () => {
    const { company, ann, bob, id } = await scene();
    const robot = await company.bot('robot');
    await robot.request('assignment:claim', { conversationId: id });
    await robot.request('conversation:join', { conversationId: id });
    const data = textOf(2_000, 50);
    const { id: attachmentId } = await upload(bob, { conversationId: id, name: 'secret.txt', data });
    const { entry } = await bob.request('message:send', carrying(id, [attachmentId], { visibility: 'staff' }));
    const after = await bob.request('message:send', carrying(id, [await uploaded(bob, id)]));
    for (const client of [ann, robot]) {
      await told(client, id, 'message:created', ({ seq }) => seq === after.entry.seq);
      const page = await client.request('conversation:join', { conversationId: id });
      const seen = JSON.stringify([client.received, page, await historyOf(client, id)]);
      expect(seen).not.toContain(attachmentId);
      expect(seen).not.toContain('secret.txt');
      expect(await client.refused('attachment:link', { attachmentId })).toEqual(
        await client.refused('attachment:link', { attachmentId: 'a_0000000000000000' }),
      );
    }
    const boss = await company.supervisor('boss');
    for (const client of [bob, boss]) {
      const { url } = await client.request('attachment:link', { attachmentId });
      expect((await download(server().url, url)).body.equals(data)).toBe(true);
    }
    expect(await statusOf(entry.attachments[0]?.url)).toBe(200);
  });

  it.each(['its author', 'a supervisor'])(
    '[FILE-5] is gone at once, with its links and its bytes, when %s deletes the message',
    async (who) => {
      const { company, ann, bob, id, kept } = await scene();
      const data = await photo();
      const { id: attachmentId } = await upload(ann, { conversationId: id, name: 'a.jpg', data });
      const { entry } = await ann.request('message:send', carrying(id, [attachmentId]));
      const [attachment] = entry.attachments;
      const links = [attachment?.url, attachment?.thumbnail?.url];
      for (const link of links) expect(await statusOf(link)).toBe(200);
      expect(await kept()).toHaveLength(2);
      const deleter = who === 'its author' ? ann : await company.supervisor('boss');
      await deleter.request('message:delete', { conversationId: id, messageId: entry.id });
      for (const link of links) expect(await statusOf(link)).toBe(404);
      const none = await bob.refused('attachment:link', { attachmentId: 'a_0000000000000000' });
      for (const client of [ann, bob]) expect(await client.refused('attachment:link', { attachmentId })).toEqual(none);
      const [read] = (await historyOf(bob, id)).filter(({ seq }) => seq === entry.seq);
      expect(read).toMatchObject({ text: null, attachments: [] });
      await until('the bytes to go', async () => (await look.rows(id)).length === 0 && (await kept()).length === 0);
      expect(await look.usage(company.tenant)).toBe(0);
      // Nothing comes of it any more, and its client id is free.
      for (const name of ['attachment:finish', 'attachment:abort'])
        expect(await ann.refused(name, { attachmentId })).toEqual(none);
      expect(await ann.refused('message:send', carrying(id, [attachmentId]))).toEqual(none);
    },
  );
});

describe('a message with attachments', () => {
  it('that is repeated is a duplicate with the same answer: also after closing, editing, and deleting', async () => {
    const { ann, bob, id } = await scene();
    const payload = carrying(id, [await uploaded(ann, id), await uploaded(ann, id)], { text: 'Two' });
    const { entry } = await ann.request('message:send', payload);
    const repeated = () => ann.request('message:send', payload);
    expect(await repeated()).toMatchObject({ duplicate: true, entry });
    const both = await Promise.all([repeated(), repeated(), repeated()]);
    for (const one of both) expect(one).toEqual({ duplicate: true, entry });

    await ann.request('message:edit', { conversationId: id, messageId: entry.id, text: 'Both' });
    expect(await repeated()).toMatchObject({ duplicate: true, entry: { ...entry, text: 'Both' } });
    await bob.request('conversation:close', { conversationId: id });
    expect(await repeated()).toMatchObject({ duplicate: true, entry: { ...entry, text: 'Both' } });
    expect((await stateOf(ann, id)).status).toBe('closed');
    await ann.request('conversation:reopen', { conversationId: id });
    await ann.request('message:delete', { conversationId: id, messageId: entry.id });
    expect(await repeated()).toMatchObject({ duplicate: true, entry: { id: entry.id, text: null, attachments: [] } });
    await until('the bytes to go', async () => (await look.rows(id)).length === 0);
    expect(await repeated()).toMatchObject({ duplicate: true, entry: { id: entry.id, text: null, attachments: [] } });
    expect((await historyOf(bob, id)).filter(({ type }) => type === 'message:created')).toHaveLength(1);
  });

  it('under a client id that was used with other attachments is refused: duplicate_mismatch', async () => {
    const { ann, id } = await scene();
    const [one, two, three] = [await uploaded(ann, id), await uploaded(ann, id), await uploaded(ann, id)];
    const payload = carrying(id, [one, two]);
    await ann.request('message:send', payload);
    const unfinished = await ann.request(
      'attachment:begin',
      beginPayload({ conversationId: id, name: 'a.txt', data: textOf(100, 60) }),
    );
    const fake = { conversationId: id, name: 'a.png', data: textOf(100, 62) };
    const disguised = await ann.request('attachment:begin', beginPayload(fake));
    await ann.refused('attachment:chunk', { attachmentId: disguised.attachmentId, offset: 0, data: fake.data });
    const others: Record<string, string[]> = {
      'one less': [one],
      'one more': [one, two, three],
      'another order': [two, one],
      'another one': [three],
      'one that does not exist': ['a_0000000000000000'],
      'one that is not finished': [unfinished.attachmentId],
      'one that was refused': [disguised.attachmentId],
    };
    for (const [what, attachmentIds] of Object.entries(others)) {
      expect(await ann.refused('message:send', { ...payload, attachmentIds }), what).toMatchObject({
        code: 'duplicate_mismatch',
      });
    }
    expect(await ann.refused('message:send', { ...payload, attachmentIds: [], text: 'x' })).toMatchObject({
      code: 'duplicate_mismatch',
    });
    // None of them was used up.
    expect(await ann.request('message:send', carrying(id, [three]))).toMatchObject({ duplicate: false });
  });

  it('sent twenty times at once, on two connections, is one message', async () => {
    const { company, ann, id } = await scene();
    const other = await company.customer('ann');
    const payload = carrying(id, [await uploaded(ann, id)]);
    const replies = await Promise.all(
      [ann, other].flatMap((client) => Array.from({ length: 10 }, () => client.request('message:send', payload))),
    );
    expect(replies.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(new Set(replies.map(({ entry }) => entry.id)).size).toBe(1);
  });

  it('that names an attachment twice, or one that stands in another message, or too many, is refused wholly', async () => {
    const { company, ann, id } = await scene();
    const [one, two] = [await uploaded(ann, id), await uploaded(ann, id)];
    expect(await ann.refused('message:send', carrying(id, [one, one]))).toMatchObject({ code: 'invalid_payload' });
    const eleven = Array.from({ length: 11 }, (_, index) => `a_${String(index).padStart(16, '0')}`);
    expect(await ann.refused('message:send', carrying(id, eleven))).toMatchObject({ code: 'invalid_payload' });
    expect(await ann.refused('message:send', carrying(id, []))).toMatchObject({ code: 'invalid_payload' });
    // Of several messages at once one gets it.
    const other = await company.customer('ann');
    const replies = await Promise.all(
      [ann, other, ann, other].map((client) => client.reply('message:send', carrying(id, [one]))),
    );
    const refused = replies.flatMap((reply) => (reply.ok ? [] : [reply.error]));
    expect(refused).toHaveLength(3);
    for (const error of refused) expect(error).toMatchObject({ code: 'invalid_payload' });
    const mixed = await ann.refused('message:send', carrying(id, [two, one], { text: 'x' }));
    expect(mixed).toMatchObject({ code: 'invalid_payload', details: [{ path: 'attachmentIds.1' }] });
    const log = await historyOf(ann, id);
    expect(log.filter(({ type }) => type === 'message:created')).toHaveLength(1);
    expect(await ann.request('message:send', carrying(id, [two]))).toMatchObject({ duplicate: false });
  });

  it('that names one of another conversation, or none, or one that is not finished, is refused wholly', async () => {
    const { ann, id } = await scene();
    const { id: elsewhere } = await open(ann, { clientConversationId: 'other' });
    const foreign = await uploaded(ann, elsewhere);
    const own = await uploaded(ann, id);
    const none = await ann.refused('message:send', carrying(id, ['a_0000000000000000']));
    expect(none).toMatchObject({ code: 'not_found' });
    for (const attachmentIds of [[foreign], [own, foreign], [own, 'a_0000000000000000']])
      expect(await ann.refused('message:send', carrying(id, attachmentIds))).toEqual(none);
    const data = textOf(100, 61);
    const file = { conversationId: id, clientAttachmentId: clientId(), name: 'a.txt', data };
    const { attachmentId } = await ann.request('attachment:begin', beginPayload(file));
    const incomplete = { code: 'attachment_incomplete', details: { attachmentId } };
    expect(await ann.refused('message:send', carrying(id, [own, attachmentId]))).toMatchObject(incomplete);
    await ann.request('attachment:chunk', { attachmentId, offset: 0, data });
    expect(await ann.refused('message:send', carrying(id, [attachmentId]))).toMatchObject(incomplete);
    await ann.request('attachment:finish', { attachmentId });
    expect(await ann.request('message:send', carrying(id, [own, attachmentId]))).toMatchObject({ duplicate: false });
    // A conversation that is opened with a message has no attachments yet.
    const opener = { clientMessageId: clientId(), attachmentIds: [foreign], text: 'x' };
    expect(await ann.refused('conversation:open', { clientConversationId: 'third', message: opener })).toEqual(none);
    expect((await ann.request('conversation:list', {})).conversations).toHaveLength(2);
  });

  it('into a closed conversation reopens it, with its attachment', async () => {
    const { ann, bob, id } = await scene();
    const attachmentId = await uploaded(ann, id);
    await bob.request('conversation:close', { conversationId: id });
    const { entry, conversation } = await ann.request('message:send', carrying(id, [attachmentId]));
    expect(conversation).toMatchObject({ id, closedAt: null });
    expect(entry.attachments).toMatchObject([{ id: attachmentId }]);
    expect((await historyOf(bob, id)).map(({ type }) => type)).toEqual([
      'conversation:opened',
      'conversation:closed',
      'conversation:reopened',
      'message:created',
    ]);
    expect(await statusOf(entry.attachments[0]?.url)).toBe(200);
    expect((await download(server().url, (await bob.request('attachment:link', { attachmentId })).url)).status).toBe(
      200,
    );
  });

  it('into a closed conversation that stays closed is refused wholly, also by staff', async () => {
    const { ann, bob, id } = await scene(opening);
    const [his, hers] = [await uploaded(bob, id), await uploaded(ann, id)];
    await bob.request('conversation:close', { conversationId: id });
    expect(await bob.refused('message:send', carrying(id, [his]))).toMatchObject({ code: 'conversation_closed' });
    // Hers goes to another conversation, where this attachment is none.
    expect(await ann.refused('message:send', carrying(id, [hers], { text: 'x' }))).toMatchObject({ code: 'not_found' });
    expect((await ann.request('conversation:list', {})).conversations).toHaveLength(1);
    await ann.request('conversation:reopen', { conversationId: id });
    const { entry } = await ann.request('message:send', carrying(id, [hers]));
    expect((await download(opening.server().url, entry.attachments[0]?.url)).body.length).toBe(3_000);
    expect(sha256Of((await download(opening.server().url, entry.attachments[0]?.url)).body)).toBe(
      entry.attachments[0]?.sha256,
    );
  });
});
