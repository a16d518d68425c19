import type { Conversation, Entry, QueuePlace } from '../../src/contract/schemas.ts';
import type { TestClient } from './client.ts';
import { agent, bot, customer, supervisor, type Identity } from './server.ts';
import { until } from './until.ts';

let companies = 0;

/** A tenant of its own: its queue and its agents are nobody else's, so that tests of one server don't meet. */
export class Company {
  readonly tenant = `company-${String((companies += 1))}`;
  readonly #connect: (identity: Identity, options?: Record<string, unknown>) => Promise<TestClient>;

  constructor(connect: (identity: Identity, options?: Record<string, unknown>) => Promise<TestClient>) {
    this.#connect = connect;
  }

  customer(sub: string, options?: Record<string, unknown>): Promise<TestClient> {
    return this.#connect(customer(sub, { tenant: this.tenant }), options);
  }
  /** Connected, and offline until it says otherwise. */
  agent(sub: string, more: Partial<Identity> = {}, options?: Record<string, unknown>): Promise<TestClient> {
    return this.#connect(this.identity(sub, more), options);
  }
  supervisor(sub: string): Promise<TestClient> {
    return this.#connect(supervisor(sub, { tenant: this.tenant }));
  }
  bot(sub: string, more: Partial<Identity> = {}): Promise<TestClient> {
    return this.#connect(bot(sub, { tenant: this.tenant, ...more }));
  }
  identity(sub: string, more: Partial<Identity> = {}): Identity {
    return agent(sub, { tenant: this.tenant, ...more });
  }
  /** An agent who is online, with room for so many conversations. */
  async online(sub: string, capacity = 10, more: Partial<Identity> = {}): Promise<TestClient> {
    const client = await this.agent(sub, more);
    await client.request('agent:status', { status: 'online', capacity });
    return client;
  }
}

/** A customer who has just opened a conversation, as he was answered. */
export interface Opened {
  readonly client: TestClient;
  readonly id: string;
  readonly conversation: Conversation;
}

export const open = async (
  client: TestClient,
  more: Parameters<typeof client.request<'conversation:open'>>[1] = {},
): Promise<Opened> => {
  const { conversation } = await client.request('conversation:open', more);
  return { client, id: conversation.id, conversation };
};

export const stateOf = async (client: TestClient, conversationId: string): Promise<Conversation> =>
  (await client.request('conversation:get', { conversationId })).conversation;

let sent = 0;
/** The conversation once a message stands behind whatever routing had begun to write when it was opened. */
export const afterRouting = async ({ client, id }: Opened): Promise<Conversation> => {
  sent += 1;
  await client.request('message:send', { conversationId: id, clientMessageId: `behind-${String(sent)}`, text: 'x' });
  return stateOf(client, id);
};

/** The place that the customer knows of: told last, or with the answer to his opening. */
export const placeOf = ({ client, id, conversation }: Opened): QueuePlace | null =>
  client.all('queue:updated').findLast(({ conversationId }) => conversationId === id) ?? conversation.queue;

export const historyOf = async (client: TestClient, conversationId: string): Promise<Entry[]> =>
  (await client.request('conversation:history', { conversationId, afterSeq: 0, limit: 200 })).entries;

/** The first entry of a type that the client has been told of in this conversation, and that fits. */
export const told = <T extends Entry['type']>(
  client: TestClient,
  conversationId: string,
  type: T,
  fits: (entry: Extract<Entry, { type: T }>) => boolean = () => true,
  timeoutMs?: number,
): Promise<Extract<Entry, { type: T }>> =>
  until(
    `${type} in ${conversationId}`,
    () =>
      client
        .entries(conversationId)
        .find((entry): entry is Extract<Entry, { type: T }> => entry.type === type && fits(entry as never)),
    timeoutMs,
  );

/** Waits until the conversation is with somebody, as the asked client sees it. */
export const assignedTo = (client: TestClient, conversationId: string, agentId: string, timeoutMs?: number) =>
  told(client, conversationId, 'conversation:assigned', ({ assignee }) => assignee?.id === agentId, timeoutMs);

/** What was said of an agent's presence so far, in order. */
export const presenceOf = (client: TestClient, agentId: string) =>
  client
    .all('agent:presence')
    .map(({ agent: shown }) => shown)
    .filter(({ id }) => id === agentId);

/** Waits until the last word on an agent is this status. */
export const seenAs = (client: TestClient, agentId: string, status: string, timeoutMs?: number) =>
  until(
    `${agentId} to be ${status}`,
    () => {
      const last = presenceOf(client, agentId).at(-1);
      return last?.status === status && last;
    },
    timeoutMs,
  );
