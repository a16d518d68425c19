import { describe, expect, it } from 'vitest';
import type { RequestName } from '../../src/contract/contract.ts';
import { endToEnd } from '../support/e2e.ts';
import { agent, bot, customer, supervisor } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect, someone } = endToEnd();

const payloadsFor = (conversationId: string, messageId: string): Partial<Record<RequestName, object>> => ({
  'conversation:join': { conversationId },
  'conversation:leave': { conversationId },
  'conversation:get': { conversationId },
  'conversation:history': { conversationId },
  'conversation:update': { conversationId, subject: 'x' },
  'conversation:close': { conversationId },
  'conversation:reopen': { conversationId },
  'conversation:rate': { conversationId, score: 1 },
  'message:send': { conversationId, clientMessageId: 'z', text: 'x' },
  'message:edit': { conversationId, messageId, text: 'x' },
  'message:delete': { conversationId, messageId },
  'message:delivered': { conversationId, seq: 1 },
  'message:read': { conversationId, seq: 1 },
  'typing:start': { conversationId },
  'typing:stop': { conversationId },
  'assignment:claim': { conversationId },
  'assignment:release': { conversationId },
});

describe('what a customer may not see', () => {
  it('[WALL-1] a note, its edits, its place and its time reach no customer and no bot, in any event, page, list or count', async () => {
    const ann = await connect(customer(someone(), { name: 'Ann' }));
    const bob = await connect(agent(someone(), { name: 'Bob' }));
    const robot = await connect(bot(someone()));
    const { entry } = await ann.request('message:send', { clientMessageId: 'm', text: 'Hello' });
    const { conversationId } = entry;
    await robot.request('assignment:claim', { conversationId });
    await robot.request('conversation:join', { conversationId });
    await bob.request('conversation:join', { conversationId });

    const note = await bob.request('message:send', {
      conversationId,
      clientMessageId: 'n',
      text: 'SECRET-1',
      visibility: 'staff',
    });
    await bob.request('message:edit', { conversationId, messageId: note.entry.id, text: 'SECRET-2' });
    await bob.request('conversation:update', { conversationId, tags: ['SECRET-3'] });
    await bob.request('conversation:update', { conversationId, tags: ['SECRET-4'], subject: 'Order' });
    await bob.request('message:read', { conversationId, seq: 6 });
    await bob.request('message:delete', { conversationId, messageId: note.entry.id });
    await bob.request('message:read', { conversationId, seq: 8 });
    await ann.event('conversation:updated');
    await robot.event('conversation:updated');

    for (const outsider of [ann, robot]) {
      const seen = [
        outsider.received,
        await outsider.request('conversation:join', { conversationId }),
        await outsider.request('conversation:join', { conversationId, afterSeq: 0 }),
        await outsider.request('conversation:history', { conversationId }),
        await outsider.request('conversation:history', { conversationId, afterSeq: 3 }),
        await outsider.request('conversation:get', { conversationId }),
      ];
      const text = JSON.stringify(seen);
      expect(text).not.toContain('SECRET');
      expect(text).not.toContain('"staff"');
      // Seq 7 is the last he may see; the deletion of the note has seq 8.
      expect(text).not.toMatch(/[sS]eq":(4|5|6|8)\b/);
      const { conversation } = await outsider.request('conversation:get', { conversationId });
      expect(conversation).toMatchObject({ lastSeq: 7, tags: [], subject: 'Order' });
      const { entries } = await outsider.request('conversation:history', { conversationId });
      expect(conversation.updatedAt).toBe(entries.at(-1)?.at);
      expect(await outsider.refused('message:read', { conversationId, seq: 8 })).toMatchObject({
        code: 'invalid_payload',
      });
      expect(await outsider.refused('conversation:join', { conversationId, afterSeq: 8 })).toMatchObject({
        code: 'invalid_payload',
      });
      expect(await outsider.refused('message:edit', { conversationId, messageId: note.entry.id, text: 'x' })).toEqual(
        await outsider.refused('message:edit', { conversationId, messageId: `${conversationId}-999`, text: 'x' }),
      );
      expect(
        await outsider.refused('message:send', {
          conversationId,
          clientMessageId: 's',
          text: 'x',
          visibility: 'staff',
        }),
      ).toMatchObject({ code: 'forbidden' });
    }
    expect(JSON.stringify(await ann.request('conversation:list', {}))).not.toContain('SECRET');
    expect(await ann.refused('conversation:list', { tag: 'SECRET-4' })).toMatchObject({ code: 'forbidden' });
    expect((await bob.request('conversation:list', { tag: 'SECRET-4' })).conversations).toHaveLength(1);
  });

  it('[READ-1] cursors move forward only, and reading a note does not show', async () => {
    const ann = await connect(customer(someone()));
    const bob = await connect(agent(someone()));
    const { entry } = await ann.request('message:send', { clientMessageId: 'm', text: 'Hello' });
    const { conversationId } = entry;
    await bob.request('conversation:join', { conversationId });
    expect(await bob.request('message:delivered', { conversationId, seq: 2 })).toMatchObject({
      cursor: { deliveredSeq: 2, readSeq: 0 },
    });
    expect(await bob.request('message:read', { conversationId, seq: 2 })).toMatchObject({
      cursor: { deliveredSeq: 2, readSeq: 2 },
    });
    expect(await bob.request('message:read', { conversationId, seq: 1 })).toMatchObject({
      cursor: { deliveredSeq: 2, readSeq: 2 },
    });
    const before = await until(
      'two receipts',
      () => ann.all('receipt:updated').length === 2 && ann.all('receipt:updated'),
    );
    expect(before.at(-1)).toMatchObject({ deliveredSeq: 2, readSeq: 2 });
    await bob.request('message:send', { conversationId, clientMessageId: 'n', text: 'note', visibility: 'staff' });
    expect(await bob.request('message:read', { conversationId, seq: 3 })).toMatchObject({
      cursor: { deliveredSeq: 3, readSeq: 3 },
    });
    await bob.event('receipt:updated', ({ readSeq }) => readSeq === 3);
    const { cursors } = await ann.request('conversation:join', { conversationId });
    expect(cursors).toEqual([{ userId: bob.all('session:ready')[0]?.userId, deliveredSeq: 2, readSeq: 2 }]);
    expect(ann.all('receipt:updated')).toHaveLength(2);
  });
});

describe('walls between tenants and between customers', () => {
  it('[WALL-2] every request on an id of another tenant answers as on one that does not exist, for every role', async () => {
    const ann = await connect(customer(someone()));
    const { entry } = await ann.request('message:send', { clientMessageId: 'm', text: 'Hello' });
    const own = ann.all('session:ready')[0]?.userId ?? '';
    for (const identity of [
      customer(own, { tenant: 'other' }),
      agent('x', { tenant: 'other' }),
      supervisor('y', { tenant: 'other' }),
      bot('z', { tenant: 'other' }),
    ]) {
      const foreign = await connect(identity);
      const there = payloadsFor(entry.conversationId, entry.id);
      const nowhere = payloadsFor('c_0000000000000000', 'c_0000000000000000-2');
      for (const [name, payload] of Object.entries(there)) {
        const error = await foreign.refused(name, payload);
        expect(error, `${identity.role} ${name}`).toEqual(await foreign.refused(name, nowhere[name as RequestName]));
        expect(['not_found', 'forbidden']).toContain(error.code);
        if (error.code === 'forbidden') expect(error.message).toContain('your role is');
      }
      if (identity.role !== 'bot') expect((await foreign.request('conversation:list', {})).conversations).toEqual([]);
      expect(foreign.received.map(({ event }) => event)).toEqual(['session:ready']);
    }
  });

  it('[WALL-3] a customer neither reads nor changes nor finds the conversation of another', async () => {
    const ann = await connect(customer(someone()));
    const eve = await connect(customer(someone()));
    const { entry } = await ann.request('message:send', { clientMessageId: 'm', text: 'Hello' });
    const there = payloadsFor(entry.conversationId, entry.id);
    const nowhere = payloadsFor('c_0000000000000000', 'c_0000000000000000-2');
    for (const [name, payload] of Object.entries(there)) {
      expect(await eve.refused(name, payload), name).toEqual(await eve.refused(name, nowhere[name as RequestName]));
    }
    expect((await eve.request('conversation:list', {})).conversations).toEqual([]);
    expect(await eve.refused('conversation:list', { customerId: ann.all('session:ready')[0]?.userId })).toMatchObject({
      code: 'forbidden',
    });
    await ann.request('message:send', { conversationId: entry.conversationId, clientMessageId: 'm2', text: 'two' });
    expect(eve.received.map(({ event }) => event)).toEqual(['session:ready']);
  });

  it('[CONV-2] lists page by page, each conversation once, newest first, by any filter', async () => {
    const tenant = someone();
    const bob = await connect(agent('bob', { tenant }));
    const ann = await connect(customer('ann', { tenant }));
    const ids: string[] = [];
    for (let index = 0; index < 25; index += 1) {
      ids.push(
        (
          await ann.request('conversation:open', {
            clientConversationId: `n${String(index)}`,
            department: index % 2 === 0 ? 'even' : 'odd',
          })
        ).conversation.id,
      );
    }
    await bob.request('assignment:claim', { conversationId: ids[3] ?? '' });
    await ann.request('conversation:close', { conversationId: ids[4] ?? '' });
    const all: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await bob.request('conversation:list', { limit: 7, ...(cursor === undefined ? {} : { cursor }) });
      all.push(...page.conversations.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(all).toEqual([...ids].reverse());
    const count = async (filter: object): Promise<number> =>
      (await bob.request('conversation:list', { limit: 100, ...filter })).conversations.length;
    expect(await count({ assignee: 'me' })).toBe(1);
    expect(await count({ assignee: 'none' })).toBe(24);
    expect(await count({ status: 'closed' })).toBe(1);
    expect(await count({ department: 'odd' })).toBe(12);
    expect(await count({ customerId: 'nobody' })).toBe(0);
    expect((await ann.request('conversation:list', { limit: 100 })).conversations).toHaveLength(25);
  });
});
