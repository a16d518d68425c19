import { expect, it } from 'vitest';
import { assignedTo, Company, open, presenceOf } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { until } from '../support/until.ts';

const { connect } = endToEnd({ limits: { inactivityRemindMs: 300, inactivityCloseMs: 300, typingMs: 1_500 } });

it('[LEASE-1] who has left is shown without conversations once they are taken from him', async () => {
  const company = new Company(connect);
  const watcher = await company.agent('watcher');
  const bob = await company.online('bob', 3);
  const ann = await open(await company.customer('ann'));
  await assignedTo(ann.client, ann.id, 'bob');
  await bob.request('agent:status', { status: 'offline' });
  await until('the last word on bob', () => {
    const last = presenceOf(watcher, 'bob').at(-1);
    return last?.status === 'offline' && last.activeCount === 0;
  });
});

it('[ASSIGN-2] what is assigned while capacity is lowered stands in the answer', async () => {
  for (let round = 0; round < 20; round += 1) {
    const company = new Company(connect);
    const bob = await company.online('bob', 3);
    const customers = await Promise.all([1, 2, 3].map((index) => company.customer(`customer-${String(index)}`)));
    const opened = customers.map((client) => open(client));
    const answer = await bob.request('agent:status', { status: 'online', capacity: 1 });
    const ids = (await Promise.all(opened)).map(({ id }) => id);
    await bob.request('agent:list', {});
    const { conversations } = await bob.request('conversation:list', { status: 'assigned' });
    expect(conversations.length).toBeLessThanOrEqual(Math.max(answer.activeCount, 1));
    expect(ids).toHaveLength(3);
  }
});

it('[IDLE-1] a customer who is typing is neither reminded nor closed', async () => {
  const company = new Company(connect);
  const bob = await company.online('bob');
  const ann = await open(await company.customer('ann'));
  const conversationId = ann.id;
  await assignedTo(ann.client, conversationId, 'bob');
  await ann.client.request('typing:start', { conversationId });
  const { entry } = await bob.request('message:send', { conversationId, clientMessageId: 'a', text: 'Which order?' });
  const reminder = await until('the reminder', () =>
    ann.client.all('message:created').find(({ notice }) => notice === 'inactivity'),
  );
  expect(Date.parse(reminder.at) - Date.parse(entry.at)).toBeGreaterThan(1_000);
});
