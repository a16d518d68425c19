import type { TestClient } from '../support/client.ts';
import { closedForNow } from '../support/hours.ts';
import { agent, bot, customer, supervisor, type Identity, type TestServerOptions } from '../support/server.ts';
import { until } from '../support/until.ts';
import { FILES_SERVER, heldFiles, holdFiles, sendFiles } from './files.ts';

/** The server on which the scenario is played: agents are asked first, one department is closed, and files are scanned. */
export const SCENARIO_SERVER: TestServerOptions = {
  ...FILES_SERVER,
  env: {
    ...FILES_SERVER.env,
    DESKWIRE_ROUTING: 'offer',
    DESKWIRE_DEPARTMENTS: JSON.stringify({
      orders: {},
      fairs: { hours: closedForNow(), outOfHoursMessage: 'Back soon.' },
    }),
  },
};

export type Connect = (identity: Identity) => Promise<TestClient>;

/** The people of the scenario, and the conversations and files in the order in which they came. */
export interface Cast {
  readonly ann: TestClient;
  readonly bob: TestClient;
  readonly boss: TestClient;
  readonly robot: TestClient;
  readonly conversationIds: readonly string[];
  readonly attachmentIds: readonly string[];
}

const NOWHERE = { conversationId: 'nowhere' };

/** Sends without asking for an acknowledgement. */
const tell = ({ socket }: TestClient, event: string, payload: unknown): void => {
  (socket as { emit(event: string, payload: unknown): unknown }).emit(event, payload);
};

/** The offer of a conversation, once it stands. */
const offerOf = ({ bob }: Cast, conversationId: string, after = 0) =>
  until(
    'the offer',
    () => bob.all('assignment:offered').filter(({ conversation }) => conversation.id === conversationId)[after],
  );

/** Opening, with a name and without one, and where nobody is now; reading what there is. */
const opening = async (people: Cast): Promise<string[]> => {
  const { ann, bob } = people;
  await bob.request('agent:status', { status: 'online', capacity: 3 });
  await bob.refused('agent:status', { status: 'asleep' });
  await bob.request('agent:list', { department: 'orders' });
  await bob.refused('agent:list', { department: '' });

  const first = await ann.request('message:send', { clientMessageId: 'hello', text: 'Hello, where is my order?' });
  await ann.request('message:send', { clientMessageId: 'hello', text: 'Hello, where is my order?' });
  await ann.refused('message:send', { clientMessageId: 'hello', text: 'Something else' });
  // The log goes on with the offer; what is said next comes after it, over every transport.
  await offerOf(people, first.entry.conversationId);
  const { conversation } = await ann.request('conversation:open', {
    clientConversationId: 'order-1042',
    subject: 'Order 1042',
    priority: 'high',
    skills: ['parcels'],
    metadata: { order: { number: 1042, lines: [1, 'two', null] } },
    message: { clientMessageId: 'named', text: '*Late* again', format: 'markdown', metadata: { page: '/orders' } },
  });
  await ann.refused('conversation:open', { priority: 'immediately' });
  await bob.event('conversation:opened', ({ clientConversationId }) => clientConversationId === 'order-1042');
  await offerOf(people, conversation.id);
  const closed = await ann.request('conversation:open', { clientConversationId: 'fair', department: 'fairs' });
  await ann.event('queue:updated', ({ opensAt }) => opensAt !== undefined);

  const { conversationId } = first.entry;
  await ann.request('conversation:get', { conversationId });
  await ann.refused('conversation:get', NOWHERE);
  await ann.request('conversation:list', { limit: 1 });
  await ann.refused('conversation:list', { limit: 0 });
  await ann.request('conversation:history', { conversationId, beforeSeq: 3 });
  await ann.refused('conversation:history', { conversationId, beforeSeq: 3, afterSeq: 1 });
  return [conversationId, conversation.id, closed.conversation.id];
};

/** Offers, accepted and declined. */
const answering = async (people: Cast, conversationIds: readonly string[]): Promise<void> => {
  const { bob, boss } = people;
  const [conversationId = '', other = ''] = conversationIds;
  await boss.request('conversation:join', { conversationId, limit: 1 });
  await boss.request('conversation:join', { conversationId: other });
  const { offerId } = await offerOf(people, conversationId);
  await bob.refused('assignment:accept', { conversationId, offerId: 'another' });
  await bob.request('assignment:accept', { conversationId, offerId });
  await boss.event('conversation:assigned', ({ decision }) => decision !== undefined);
  const declined = await offerOf(people, other);
  await bob.request('assignment:decline', { conversationId: other, offerId: declined.offerId });
  await boss.event('conversation:updated', ({ offerOutcome }) => offerOutcome === 'declined');
  await bob.refused('assignment:decline', { conversationId: other, offerId: declined.offerId });
};

/** Claiming, joining, typing, messages and notes, receipts, edits and deletions. */
const talking = async ({ ann, bob, boss }: Cast, conversationId: string): Promise<void> => {
  await bob.request('assignment:claim', { conversationId });
  await boss.refused('assignment:claim', { conversationId });
  await bob.request('conversation:join', { conversationId, afterSeq: 1 });
  await bob.refused('conversation:join', NOWHERE);
  await ann.event('participant:joined');

  await bob.request('typing:start', { conversationId });
  await bob.refused('typing:start', NOWHERE);
  await bob.request('typing:stop', { conversationId });
  await bob.refused('typing:stop', NOWHERE);
  await ann.request('typing:start', { conversationId, preview: 'It was to come on' });
  const monday = { conversationId, clientMessageId: 'monday', text: 'It was to come on Monday.' };
  await ann.refused('message:send', { ...monday, attachmentIds: ['no-photo'] });
  await ann.request('message:send', monday);

  const answer = await bob.request('message:send', {
    conversationId,
    clientMessageId: 'answer',
    text: 'I look it **up**.',
    format: 'markdown',
    replyToSeq: 2,
    metadata: { template: 7 },
  });
  await bob.request('message:send', {
    conversationId,
    clientMessageId: 'note',
    text: 'Known to be late',
    visibility: 'staff',
  });
  await ann.request('message:delivered', { conversationId, seq: answer.entry.seq });
  await ann.refused('message:delivered', { conversationId, seq: -1 });
  await ann.request('message:read', { conversationId, seq: answer.entry.seq });
  await ann.refused('message:read', { ...NOWHERE, seq: 1 });

  const messageId = answer.entry.id;
  await bob.request('message:edit', { conversationId, messageId, text: 'I looked it up.' });
  await ann.refused('message:edit', { conversationId, messageId, text: 'Not mine' });
  await boss.request('message:delete', { conversationId, messageId });
  await ann.refused('message:delete', { conversationId, messageId });
  await boss.request('conversation:update', {
    conversationId,
    subject: 'Parcel',
    tags: ['late'],
    priority: 'urgent',
    metadata: { a: [] },
  });
  await boss.request('conversation:update', { conversationId, tags: ['late', 'parcel'] });
  await boss.refused('conversation:update', { conversationId });
  await boss.request('conversation:list', { customerId: 'ann', tag: 'late' });
};

/** To a supervisor, to an agent, to a department. */
const handingOver = async ({ bob, boss }: Cast, conversationId: string): Promise<void> => {
  await boss.request('assignment:assign', { conversationId, agentId: 'boss' });
  await boss.refused('assignment:assign', { conversationId, agentId: 'nobody' });
  await bob.refused('assignment:transfer', { conversationId, to: { department: 'orders' } });
  await boss.request('assignment:transfer', { conversationId, to: { agentId: 'bob' }, note: 'As you were.' });
  await bob.request('assignment:transfer', { conversationId, to: { department: 'orders' } });
  await bob.request('assignment:claim', { conversationId });
};

/** Leaving and coming back, a hand-over to a bot and back, closing, rating, reopening. */
const ending = async (people: Cast, conversationId: string): Promise<void> => {
  const { ann, bob, robot } = people;
  await bob.request('conversation:leave', { conversationId });
  await bob.refused('conversation:leave', NOWHERE);
  await ann.event('participant:left');
  await bob.request('conversation:join', { conversationId, afterSeq: 5 });

  await bob.request('assignment:release', { conversationId, reason: 'End of shift', summary: 'The parcel is late.' });
  await bob.refused('assignment:release', { conversationId });
  await robot.request('assignment:claim', { conversationId });
  await robot.request('conversation:join', { conversationId });
  await robot.request('assignment:release', { conversationId, summary: 'Wants a person' });
  await robot.refused('message:send', { conversationId, clientMessageId: 'late', text: 'One more thing' });
  await bob.request('assignment:claim', { conversationId });
  await bob.request('conversation:close', { conversationId, reason: 'Solved' });
  await bob.refused('conversation:close', NOWHERE);
  await bob.refused('message:send', { conversationId, clientMessageId: 'after', text: 'Wait' });
  await ann.request('conversation:rate', { conversationId, score: 4, comment: 'Quick and kind.' });
  await ann.refused('conversation:rate', { conversationId, score: 9 });
  await ann.request('conversation:reopen', { conversationId });
  await ann.refused('conversation:reopen', NOWHERE);
  await offerOf(people, conversationId, 1);

  tell(ann, 'conversation:get', NOWHERE);
  await ann.event('request:failed');
  await ann.refused('no:such', {});
};

/** A day of support work, one step after the other. Resolves when everybody has heard all that there is for him. */
export const playScenario = async (connect: Connect): Promise<Cast> => {
  const ann = await connect(customer('ann', { name: 'Ann' }));
  const bob = await connect(agent('bob', { name: 'Bob', departments: ['orders'], skills: ['parcels'], maxChats: 5 }));
  const boss = await connect(supervisor('boss', { name: 'Bo' }));
  const robot = await connect(bot('robot', { name: 'Robo' }));
  const people = { ann, bob, boss, robot, conversationIds: [], attachmentIds: [] };
  const conversationIds = await opening(people);
  const [conversationId = ''] = conversationIds;
  await answering(people, conversationIds);
  await talking(people, conversationId);
  const held = await holdFiles(ann, conversationId);
  const sentIds = await sendFiles(people, conversationId);
  await handingOver(people, conversationId);
  await ending(people, conversationId);
  const invoiceId = await heldFiles(ann, held);
  const { entry } = await ann.request('message:send', {
    ...{ conversationId, clientMessageId: 'end', text: 'The end', attachmentIds: [invoiceId] },
  });
  for (const client of [ann, bob, boss]) {
    await until('the end', () => client.entries(conversationId).some(({ seq }) => seq === entry.seq));
  }
  return { ...people, conversationIds, attachmentIds: [...sentIds, invoiceId, held.infectedId] };
};
