import { describe, expect, it } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { endToEnd } from '../support/e2e.ts';
import { agent, bot, customer } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect, someone } = endToEnd();

/** Who is here, as a page makes it out that starts with the join's list and follows the events. */
const shown = (client: TestClient, conversationId: string, first: readonly string[]): string[] => {
  const here = new Set(first);
  for (const { event, payload } of client.received) {
    const { conversationId: where, user } = payload as { conversationId?: string; user?: { id: string } };
    if (where !== conversationId || user === undefined) continue;
    if (event === 'participant:joined') here.add(user.id);
    if (event === 'participant:left') here.delete(user.id);
  }
  return [...here].sort();
};

/** Who is here, when the customer asks. */
const listed = async (client: TestClient, conversationId: string): Promise<string[]> => {
  const { participants } = await client.request('conversation:join', { conversationId });
  return participants
    .filter(({ online }) => online)
    .map(({ id }) => id)
    .sort();
};

const sub = (client: TestClient): string => client.all('session:ready')[0]?.userId ?? '';

const room = async () => {
  const ann = await connect(customer(someone()));
  const { conversation } = await ann.request('conversation:open', {});
  return { ann, conversationId: conversation.id, first: await listed(ann, conversation.id) };
};

/** What the events say comes to be what the list says. */
const agrees = async (
  ann: TestClient,
  conversationId: string,
  first: readonly string[],
  expected: readonly string[],
): Promise<void> => {
  const wanted = [...expected].sort().join();
  expect((await listed(ann, conversationId)).join()).toBe(wanted);
  await until(`the events to show ${wanted}`, () => shown(ann, conversationId, first).join() === wanted, 1_000);
};

describe('who is here, by the events as by the list', () => {
  it('[HERE-1] an agent who was assigned, handed over and left', async () => {
    const { ann, conversationId, first } = await room();
    const bob = await connect(agent(someone()));
    await bob.request('assignment:claim', { conversationId });
    await bob.request('conversation:join', { conversationId });
    await agrees(ann, conversationId, first, [sub(ann), sub(bob)]);
    await bob.request('assignment:release', { conversationId });
    await bob.request('conversation:leave', { conversationId });
    await agrees(ann, conversationId, first, [sub(ann)]);
  });

  it('[HERE-1] an agent who looked on before he claimed', async () => {
    const { ann, conversationId, first } = await room();
    const bob = await connect(agent(someone()));
    await bob.request('conversation:join', { conversationId });
    await bob.request('assignment:claim', { conversationId });
    await agrees(ann, conversationId, first, [sub(ann), sub(bob)]);
  });

  it('[HERE-1] a bot that gave the conversation away', async () => {
    const { ann, conversationId, first } = await room();
    const robot = await connect(bot(someone()));
    await robot.request('assignment:claim', { conversationId });
    await robot.request('conversation:join', { conversationId });
    await robot.request('assignment:release', { conversationId });
    await agrees(ann, conversationId, first, [sub(ann)]);
  });
});
