import jwt from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { endToEnd } from '../support/e2e.ts';
import { agent, customer, SECRET } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect, someone, clients, server } = endToEnd();
const LONE_SURROGATE = '\ud800';

describe('ids that are hard to write', () => {
  it('[REQ-3] a lone surrogate in a token is refused, and nobody else notices', async () => {
    const witness = await connect(customer(someone()));
    for (const claim of ['sub', 'tenant', 'departments']) {
      const claims = { sub: 'a', role: 'agent', [claim]: claim === 'departments' ? [LONE_SURROGATE] : LONE_SURROGATE };
      const client = clients.open(server().url, { token: jwt.sign(claims, SECRET, { expiresIn: 60 }) });
      const errors: (Error & { data?: unknown })[] = [];
      client.socket.on('connect_error', (error) => errors.push(error));
      expect((await until('connect_error', () => errors[0])).data).toMatchObject({ code: 'token_invalid' });
    }
    await witness.request('conversation:list', {});
  });

  it('[REQ-3] a lone surrogate in a department is refused, and leaves nothing', async () => {
    const ann = await connect(customer(someone()));
    expect(await ann.refused('conversation:open', { department: LONE_SURROGATE })).toMatchObject({
      code: 'invalid_payload',
    });
    expect((await ann.request('conversation:list', {})).conversations).toEqual([]);
  });

  it('[WALL-3] ids with separators of every kind keep people, tenants and departments apart', async () => {
    const strange = ['a:b', 'a%3Ab', 'a', '__proto__', 'constructor', '😀', 'a/b', '\\', '"'];
    for (const sub of strange) {
      const ann = await connect(customer(sub, { tenant: sub }));
      const bob = await connect(agent(`agent-${sub}`, { tenant: sub, departments: [sub] }));
      await bob.request('agent:status', { status: 'online' });
      const { entry } = await ann.request('message:send', { clientMessageId: sub, text: sub });
      await bob.event('conversation:opened', ({ conversationId }) => conversationId === entry.conversationId);
      expect((await bob.request('conversation:list', {})).conversations).toHaveLength(1);
      expect(bob.all('conversation:opened')).toHaveLength(1);
    }
  });
});

describe('the same sub as a customer and as an agent', () => {
  it('[WALL-1] is two people: neither edits, repeats, reads nor types for the other', async () => {
    const sub = someone();
    const asCustomer = await connect(customer(sub));
    const asAgent = await connect(agent(sub));
    const { entry } = await asCustomer.request('message:send', { clientMessageId: 'first', text: 'Hello' });
    const { conversationId } = entry;
    await asAgent.request('conversation:join', { conversationId });
    const note = await asAgent.request('message:send', {
      conversationId,
      clientMessageId: 'same',
      text: 'note',
      visibility: 'staff',
    });
    const sent = await asCustomer.request('message:send', { conversationId, clientMessageId: 'same', text: 'mine' });
    expect(sent).toMatchObject({ duplicate: false, entry: { text: 'mine' } });
    const answer = await asAgent.request('message:send', { conversationId, clientMessageId: 'answer', text: 'answer' });
    expect(
      await asCustomer.refused('message:edit', { conversationId, messageId: answer.entry.id, text: 'x' }),
    ).toMatchObject({ code: 'forbidden' });
    expect(await asCustomer.refused('message:delete', { conversationId, messageId: note.entry.id })).toMatchObject({
      code: 'not_found',
    });
    await asAgent.request('message:read', { conversationId, seq: 3 });
    const { cursors, participants } = await asCustomer.request('conversation:join', { conversationId });
    expect(cursors).toEqual([{ userId: sub, deliveredSeq: 2, readSeq: 2 }]);
    expect(participants.map(({ role }) => role)).toEqual(['customer']);
    await asCustomer.request('typing:start', { conversationId });
    await asAgent.event('typing:started');
  });
});

describe('a note', () => {
  it('[WALL-1] does not show in the reason for which its author stops typing', async () => {
    const ann = await connect(customer(someone()));
    const bob = await connect(agent(someone()));
    const { entry } = await ann.request('message:send', { clientMessageId: 'm', text: 'Hello' });
    const { conversationId } = entry;
    await bob.request('conversation:join', { conversationId });
    await bob.request('typing:start', { conversationId });
    await bob.request('message:send', { conversationId, clientMessageId: 'n', text: 'note', visibility: 'staff' });
    expect(await ann.event('typing:stopped')).toMatchObject({ reason: 'stopped' });
  });
});

describe('a cursor of a list', () => {
  it('[CONV-2] tells nothing of other tenants, and is refused when it is not one', async () => {
    const ann = await connect(customer(someone()));
    for (const name of ['one', 'two', 'three']) await ann.request('conversation:open', { clientConversationId: name });
    const { nextCursor, conversations } = await ann.request('conversation:list', { limit: 1 });
    expect(nextCursor).toBe(conversations[0]?.id);
    const other = await connect(customer(someone()));
    const { conversation } = await other.request('conversation:open', {});
    for (const cursor of ['x', '{}', `${String(nextCursor)}x`, conversation.id]) {
      expect(await ann.refused('conversation:list', { cursor })).toMatchObject({ code: 'invalid_payload' });
    }
  });
});
