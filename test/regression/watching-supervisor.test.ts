import { expect, it } from 'vitest';
import { assignedTo, Company, open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';

const { connect } = endToEnd();

it('[ASSIGN-7] a supervisor who watches is not told from what he reads or types either', async () => {
  const company = new Company(connect);
  const bob = await company.online('bob');
  const ann = await open(await company.customer('ann'), { message: { clientMessageId: 'hello', text: 'Hello?' } });
  const conversationId = ann.id;
  await assignedTo(ann.client, conversationId, 'bob');
  await bob.request('conversation:join', { conversationId });
  const boss = await company.supervisor('boss');
  await boss.request('conversation:join', { conversationId });
  await boss.request('message:delivered', { conversationId, seq: 2 });
  const { cursor } = await boss.request('message:read', { conversationId, seq: 2 });
  expect(cursor).toEqual({ userId: 'boss', deliveredSeq: 2, readSeq: 2 });
  await boss.request('typing:start', { conversationId, preview: 'Bob should' });
  await bob.event('typing:started');

  // What Bob does comes after what the supervisor did.
  await bob.request('message:read', { conversationId, seq: 2 });
  await ann.client.event('receipt:updated', ({ userId }) => userId === 'bob');
  for (const client of [ann.client, bob]) {
    expect(client.all('receipt:updated').filter(({ userId }) => userId === 'boss')).toEqual([]);
    const { cursors } = await client.request('conversation:join', { conversationId });
    expect(cursors.map(({ userId }) => userId)).toEqual(['bob']);
  }
  expect((await ann.client.request('conversation:join', { conversationId })).typing).toEqual([]);
  expect(ann.client.all('typing:started')).toEqual([]);
  // He himself finds where he was.
  const { cursors } = await boss.request('conversation:join', { conversationId });
  expect(cursors.map(({ userId }) => userId)).toContain('boss');
});

it('[CONV-1] a conversation is rated once it has been closed, and not before', async () => {
  const company = new Company(connect);
  const ann = await open(await company.customer('ann'));
  const conversationId = ann.id;
  const early = await ann.client.refused('conversation:rate', { conversationId, score: 1 });
  expect(early).toMatchObject({ code: 'forbidden' });
  await ann.client.request('conversation:close', { conversationId });
  await ann.client.request('conversation:rate', { conversationId, score: 5 });
});
