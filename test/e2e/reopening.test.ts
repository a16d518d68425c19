import { describe, expect, it } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { assignedTo, Company, historyOf, open, stateOf, told } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { closedForNow } from '../support/hours.ts';
import { until } from '../support/until.ts';

const departments = { DESKWIRE_DEPARTMENTS: JSON.stringify({ sales: {}, fairs: { hours: closedForNow() } }) };
const reopening = endToEnd({ env: departments });
const opening = endToEnd({ env: { ...departments, DESKWIRE_CLOSED_CONVERSATIONS: 'new' } });

const said = (conversationId: string, clientMessageId: string, text = clientMessageId) => ({
  conversationId,
  clientMessageId,
  text,
});

const types = async (client: TestClient, conversationId: string): Promise<string[]> =>
  (await historyOf(client, conversationId)).map(({ type }) => type.replace(/^conversation:|:created$/, ''));

/** Ann's conversation in a department, which Bob has answered and closed. */
const scene = async (connect: typeof reopening.connect) => {
  const company = new Company(connect);
  const sales = { departments: ['sales'] };
  const bob = await company.online('bob', 5, sales);
  const ann = await company.customer('ann');
  const { id: conversationId } = await open(ann, {
    department: 'sales',
    subject: 'Parcel',
    message: { clientMessageId: 'first', text: 'first' },
  });
  await assignedTo(bob, conversationId, 'bob');
  await bob.request('conversation:close', { conversationId });
  await told(ann, conversationId, 'conversation:closed');
  return { company, ann, bob, conversationId };
};

describe("a customer's message into a closed conversation", () => {
  it('[CONV-3] reopens it, in one step, and somebody gets it', async () => {
    const { ann, bob, conversationId } = await scene(reopening.connect);
    const sent = await ann.request('message:send', said(conversationId, 'again'));
    expect(sent).toMatchObject({
      duplicate: false,
      entry: { conversationId, seq: 6, text: 'again' },
      conversation: { id: conversationId, closedAt: null, department: 'sales', subject: 'Parcel' },
    });
    await assignedTo(bob, conversationId, 'bob');
    await until(
      'the new assignment at Ann',
      () => ann.entries(conversationId).at(-1)?.type === 'conversation:assigned',
    );
    const entries = await historyOf(ann, conversationId);
    expect(entries.slice(3)).toMatchObject([
      { seq: 4, type: 'conversation:closed' },
      { seq: 5, type: 'conversation:reopened', author: { id: 'ann' }, fence: 2, at: sent.entry.at },
      sent.entry,
      { seq: 7, type: 'conversation:assigned', fence: 3, reason: 'routed' },
    ]);
    expect(ann.entries(conversationId)).toEqual(entries);
    expect(await stateOf(ann, conversationId)).toMatchObject({ status: 'assigned', assignee: { id: 'bob' } });
  });

  it('[CONV-3] is repeated without reopening it once more, however often and whenever', async () => {
    const { company, ann, bob, conversationId } = await scene(reopening.connect);
    const tab = await company.customer('ann');
    const send = (client: TestClient, id: string) => client.request('message:send', said(conversationId, id));
    const replies = await Promise.all(Array.from({ length: 12 }, (_, at) => send(at % 2 === 0 ? ann : tab, 'again')));
    expect(new Set(replies.map(({ entry }) => entry.id)).size).toBe(1);
    expect(replies.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    await until('the assignment', () => bob.all('conversation:assigned').length === 2);
    await bob.request('conversation:close', { conversationId });
    const before = await types(ann, conversationId);
    // What was said before, and what reopened it, are repeats now: it stays closed.
    for (const id of ['first', 'again']) expect(await send(tab, id)).toMatchObject({ duplicate: true });
    expect(await ann.refused('message:send', said(conversationId, 'again', 'other words'))).toMatchObject({
      code: 'duplicate_mismatch',
    });
    expect(await types(ann, conversationId)).toEqual(before);
    expect(before.filter((type) => type === 'reopened')).toHaveLength(1);
    expect(await stateOf(ann, conversationId)).toMatchObject({ status: 'closed' });
  });

  it('[CONV-3] from two tabs at once reopens it once, and both messages are in it', async () => {
    const { company, ann, conversationId } = await scene(reopening.connect);
    const tab = await company.customer('ann');
    const [one, two] = await Promise.all([
      ann.request('message:send', said(conversationId, 'one')),
      tab.request('message:send', said(conversationId, 'two')),
    ]);
    expect([one.entry.conversationId, two.entry.conversationId]).toEqual([conversationId, conversationId]);
    const all = await types(ann, conversationId);
    expect(all.filter((type) => type === 'reopened')).toHaveLength(1);
    expect(all.filter((type) => type === 'message')).toHaveLength(3);
  });

  it('[CONV-3] that cannot be sent leaves it closed', async () => {
    const { ann, conversationId } = await scene(reopening.connect);
    const before = await historyOf(ann, conversationId);
    const tries = [{ replyToSeq: 99 }, { attachmentIds: ['none'] }, { text: '' }, { visibility: 'staff' }];
    for (const wrong of tries) await ann.refused('message:send', { ...said(conversationId, 'wrong'), ...wrong });
    expect(await historyOf(ann, conversationId)).toEqual(before);
  });

  it('[CONV-3] says that nobody is there when its department is closed', async () => {
    const company = new Company(reopening.connect);
    const ann = await company.customer('ann');
    const { id: conversationId, conversation } = await open(ann, { department: 'fairs' });
    await ann.request('conversation:close', { conversationId });
    const { entry } = await ann.request('message:send', said(conversationId, 'again'));
    const [notice] = (await historyOf(ann, conversationId)).slice(-1);
    expect(notice).toMatchObject({
      seq: entry.seq + 1,
      author: null,
      notice: 'out_of_hours',
      metadata: { opensAt: conversation.queue?.opensAt },
    });
  });

  it.each([
    ['reopen', reopening],
    ['new', opening],
  ])('[CONV-3] is for customers: staff and bots are told that it is closed (%s)', async (_name, { connect }) => {
    const { company, ann, bob, conversationId } = await scene(connect);
    const boss = await company.supervisor('boss');
    const robot = await company.bot('robot');
    const before = await historyOf(boss, conversationId);
    for (const client of [bob, boss]) {
      for (const more of [{}, { visibility: 'staff' }])
        expect(await client.refused('message:send', { ...said(conversationId, 'late'), ...more })).toMatchObject({
          code: 'conversation_closed',
        });
    }
    expect(await robot.refused('message:send', said(conversationId, 'late'))).toMatchObject({ code: 'not_found' });
    expect(await historyOf(boss, conversationId)).toEqual(before);
    expect(await stateOf(ann, conversationId)).toMatchObject({ status: 'closed' });
  });
});

describe('a message and a close at the same instant', () => {
  it.each([
    ['reopen', reopening],
    ['new', opening],
  ])('[CONV-3] leave the message in an open conversation, or before the close (%s)', async (setting, { connect }) => {
    const company = new Company(connect);
    const bob = await company.online('bob', 50);
    for (let round = 0; round < 10; round += 1) {
      const ann = await company.customer(`ann-${String(round)}`);
      const { id: conversationId } = await open(ann);
      const close = () => bob.request('conversation:close', { conversationId });
      const send = () => ann.request('message:send', said(conversationId, 'now'));
      const [sent] = await (round % 2 === 0
        ? Promise.all([send(), close()])
        : Promise.all([close(), send()]).then(([, reply]) => [reply] as const));
      const at = (await historyOf(ann, sent.entry.conversationId)).findIndex(({ id }) => id === sent.entry.id);
      const all = await types(ann, sent.entry.conversationId);
      const elsewhere = sent.entry.conversationId !== conversationId;
      if (elsewhere) expect([setting, all.slice(0, 2)]).toEqual(['new', ['opened', 'message']]);
      else if (all[at - 1] === 'reopened') expect([setting, all.indexOf('closed')]).toEqual(['reopen', at - 2]);
      else expect(all.indexOf('closed')).toBeGreaterThan(at);
    }
  });
});

describe("a customer's message into a closed conversation, where that opens another", () => {
  it('[CONV-3] opens one in the same department, joined at once, and leaves the old one as it was', async () => {
    const { ann, bob, conversationId } = await scene(opening.connect);
    const before = await historyOf(ann, conversationId);
    const sent = await ann.request('message:send', said(conversationId, 'again'));
    const fresh = sent.entry.conversationId;
    expect(fresh).not.toBe(conversationId);
    expect(sent).toMatchObject({
      duplicate: false,
      entry: { seq: 2, text: 'again' },
      conversation: { id: fresh, department: 'sales', subject: 'Parcel', clientConversationId: null },
    });
    await assignedTo(bob, fresh, 'bob');
    await assignedTo(ann, fresh, 'bob');
    expect(ann.entries(fresh)).toEqual(await historyOf(ann, fresh));
    expect(await historyOf(ann, conversationId)).toEqual(before);
    expect(await stateOf(ann, conversationId)).toMatchObject({ status: 'closed' });
    // What follows goes to the same one, to whichever id it is addressed.
    const more = await ann.request('message:send', said(conversationId, 'more'));
    expect(more.entry.conversationId).toBe(fresh);
  });

  it('[CONV-3] is repeated without opening yet another, however often and whenever', async () => {
    const { company, ann, bob, conversationId } = await scene(opening.connect);
    const tab = await company.customer('ann');
    const send = (client: TestClient, id: string, text = id) =>
      client.request('message:send', said(conversationId, id, text));
    const replies = await Promise.all(Array.from({ length: 12 }, (_, at) => send(at % 2 === 0 ? ann : tab, 'again')));
    expect(new Set(replies.map(({ entry }) => entry.id)).size).toBe(1);
    expect(replies.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    const fresh = replies[0]?.entry.conversationId ?? '';
    await assignedTo(bob, fresh, 'bob');
    await bob.request('conversation:close', { conversationId: fresh });
    expect(await send(tab, 'again')).toMatchObject({ duplicate: true, entry: { conversationId: fresh } });
    expect(await send(tab, 'first')).toMatchObject({ duplicate: true, entry: { conversationId } });
    for (const id of ['first', 'again'])
      expect(await ann.refused('message:send', said(conversationId, id, 'other words'))).toMatchObject({
        code: 'duplicate_mismatch',
      });
    const { conversations } = await ann.request('conversation:list', {});
    expect(conversations.map(({ id }) => id).sort()).toEqual([conversationId, fresh].sort());
    expect(conversations.every(({ status }) => status === 'closed')).toBe(true);
  });

  it('[CONV-3] from two tabs at once opens one, and both messages are in it', async () => {
    const { company, ann, conversationId } = await scene(opening.connect);
    const tab = await company.customer('ann');
    const [one, two] = await Promise.all([
      ann.request('message:send', said(conversationId, 'one')),
      tab.request('message:send', said(conversationId, 'two')),
    ]);
    expect(one.entry.conversationId).toBe(two.entry.conversationId);
    const texts = (await historyOf(ann, one.entry.conversationId)).flatMap((entry) =>
      entry.type === 'message:created' ? [entry.text] : [],
    );
    expect(texts.sort()).toEqual(['one', 'two']);
    expect((await ann.request('conversation:list', {})).conversations).toHaveLength(2);
  });

  it('[CONV-3] that cannot be sent opens nothing', async () => {
    const { ann, conversationId } = await scene(opening.connect);
    const tries = [{ replyToSeq: 1 }, { attachmentIds: ['none'] }, { text: '' }, { visibility: 'staff' }];
    for (const wrong of tries) await ann.refused('message:send', { ...said(conversationId, 'wrong'), ...wrong });
    const stranger = await new Company(opening.connect).customer('ann');
    expect(await stranger.refused('message:send', said(conversationId, 'again'))).toMatchObject({ code: 'not_found' });
    expect((await ann.request('conversation:list', {})).conversations).toHaveLength(1);
    expect((await stranger.request('conversation:list', {})).conversations).toEqual([]);
  });

  it('[CONV-3] that replies to a message of the old one is refused: the new one has no such message', async () => {
    const { ann, conversationId } = await scene(opening.connect);
    const reply = { ...said(conversationId, 'reply'), replyToSeq: 2 };
    const refused = { code: 'invalid_payload', details: [{ path: 'replyToSeq' }] };
    expect(await ann.refused('message:send', reply)).toMatchObject(refused);
    await ann.request('message:send', said(conversationId, 'again'));
    // There is something with this number now, but it is not what the customer replies to.
    expect(await ann.refused('message:send', reply)).toMatchObject(refused);
  });
});
