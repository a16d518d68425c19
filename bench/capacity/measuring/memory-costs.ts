import { setTimeout as wait } from 'node:timers/promises';
import type { Costs } from '../costs.ts';
import { identities, openConversations } from './connection-costs.ts';
import { inBatches, type MeasuredDesk } from './desk.ts';

export interface MemorySizes {
  /** Connections, each with a conversation of its own. */
  readonly remembered: number;
  /** That came and went before, so that compiled code does not count. */
  readonly earlier: number;
}

const KIB = 1_024;
const SETTLE_MS = 1_500;

/** Of the first node, that has served nothing yet: what it takes from the system then is its own, not what was free before. */
export const measureMemory = async (
  desk: MeasuredDesk,
  { remembered: count, earlier }: MemorySizes,
): Promise<Partial<Costs>> => {
  const nodeBaseMib = (await desk.memoryBytes(0)) / KIB ** 2;
  const customersOf = async (ids: readonly string[], name: string) => ({
    ids,
    clients: await desk.connect(identities(ids.length, 'customer', name), 0),
  });
  const join = async ({ ids, clients }: Awaited<ReturnType<typeof customersOf>>): Promise<void> => {
    await inBatches(clients, (client, index) => client.request('conversation:join', { conversationId: ids[index] }));
  };
  const first = await openConversations(desk, earlier, 'early');
  const gone = await customersOf(first.ids, 'early');
  await join(gone);
  for (const client of [...first.agents, ...gone.clients]) client.close();
  await wait(SETTLE_MS);

  const atFirst = await desk.memoryBytes(0);
  const { agents, ids } = await openConversations(desk, count, 'remembered');
  await wait(SETTLE_MS);
  const withConversations = await desk.memoryBytes(0);
  const customers = await customersOf(ids, 'remembered');
  await wait(SETTLE_MS);
  const withConnections = await desk.memoryBytes(0);
  await join(customers);
  await wait(SETTLE_MS);
  const withFeeds = await desk.memoryBytes(0);
  for (const client of [...agents, ...customers.clients]) client.close();
  return {
    nodeBaseMib,
    nodeKibPerOpenConversation: (withConversations - atFirst) / count / KIB,
    nodeKibPerConnection: (withConnections - withConversations) / count / KIB,
    nodeKibPerFeed: (withFeeds - withConnections) / count / KIB,
  };
};
