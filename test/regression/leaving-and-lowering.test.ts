import { expect, it, onTestFinished } from 'vitest';
import type { AgentRecord } from '../../src/ports/store.ts';
import { startDesk } from '../process/desk-server.ts';
import { Clients } from '../support/client.ts';
import { afterRouting, assignedTo, Company, open, presenceOf } from '../support/company.ts';
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

it('[ASSIGN-2] a capacity that is lowered counts for what is routed before that is stored', async () => {
  let begun = false;
  let store: () => void = () => undefined;
  const stored = new Promise<void>((resolve) => (store = resolve));
  const { url } = await startDesk({
    routing: 'least-busy',
    wrap: (real) =>
      new Proxy(real, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name, target);
          if (name !== 'sayStatus') return typeof member === 'function' ? (member.bind(target) as unknown) : member;
          return async (record: AgentRecord): Promise<AgentRecord> => {
            begun = record.capacity === 1;
            if (begun) await stored;
            return target.sayStatus(record);
          };
        },
      }),
  });
  const clients = new Clients();
  onTestFinished(() => clients.closeAll());
  const company = new Company((identity, options) => clients.connect(url, identity, options));
  const bob = await company.online('bob', 3);
  const answer = bob.request('agent:status', { status: 'online', capacity: 1 });
  await until('it to be on its way to the store', () => begun);
  const opened = [];
  for (const name of ['ann', 'ben', 'cas']) opened.push(await open(await company.customer(name)));
  const [first, second, third] = opened;
  if (!first || !second || !third) throw new Error('three are opened');
  await assignedTo(first.client, first.id, 'bob');
  for (const waiting of [second, third]) expect((await afterRouting(waiting)).status).toBe('queued');
  store();
  expect(await answer).toMatchObject({ activeCount: 1, capacity: 1 });
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
