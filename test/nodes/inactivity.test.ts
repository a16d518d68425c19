import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Clients } from '../support/client.ts';
import { assignedTo, Company, open } from '../support/company.ts';
import { startNodes, type TestNodes } from '../support/nodes.ts';
import { ServerProcess } from '../support/process.ts';
import { until } from '../support/until.ts';

const LIMITS = { nodeLeaseMs: 1_500, inactivityRemindMs: 2_500 };
/** What a busy machine may add. */
const LATE_MS = 1_500;

let nodes: TestNodes;
let doomed: ServerProcess;
const clients = new Clients();
const url = (): string => nodes.servers[0]?.url ?? '';
beforeAll(async () => {
  nodes = await startNodes({ count: 1, limits: LIMITS });
  doomed = new ServerProcess({
    ...nodes.env,
    DATA_DIR: `${nodes.servers[0]?.dataDir ?? ''}-doomed`,
    DESKWIRE_LIMITS: JSON.stringify({ requestsPerSecond: 100_000, handshakesPerSecond: 100_000, ...LIMITS }),
  });
  await doomed.url();
  await until('both to know each other', async () =>
    (await (await fetch(`${url()}/metrics`)).text()).includes('deskwire_nodes 2'),
  );
});
afterEach(() => clients.closeAll());
afterAll(async () => {
  await doomed.end('SIGKILL');
  await nodes.stop();
});

it('[NODE-4] what falls due while its node dies is done as soon as another one has taken over', async () => {
  // Of so many tenants each node owns some.
  const all = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const company = new Company((identity, options) => clients.connect(url(), identity, options));
      const bob = await company.online('bob', 1);
      const ann = await open(await company.customer('ann'));
      await assignedTo(ann.client, ann.id, 'bob');
      return { bob, ann };
    }),
  );
  for (const { bob, ann } of all)
    await bob.request('message:send', { conversationId: ann.id, clientMessageId: 'answer', text: 'Hello' });
  const answeredAt = Date.now();
  const dueAt = answeredAt + LIMITS.inactivityRemindMs;
  await until('the reminders to be nearly due', () => Date.now() > dueAt - 300);
  doomed.child.kill('SIGKILL');
  const reminded = () =>
    all.every(({ ann }) =>
      ann.client
        .all('message:created')
        .some(({ notice, conversationId }) => notice !== undefined && conversationId === ann.id),
    );
  await until('all reminders', reminded, 10_000);
  expect(Date.now()).toBeLessThan(dueAt + LIMITS.nodeLeaseMs + LATE_MS);
});
