import { LightClient, type ClientOptions } from './client.ts';
import type { Target } from './jobs.ts';
import { until } from './until.ts';

const TEXT = 'Where is my order? '.repeat(11).slice(0, 200);

interface Sender {
  readonly client: LightClient;
  readonly conversation: Conversation;
  /** A message's packet, but for its number in two places. */
  readonly head: string;
}

interface Conversation {
  readonly members: readonly LightClient[];
  sentCount: number;
}

const openConversation = async (target: Target, options: ClientOptions, index: number): Promise<Sender[]> => {
  const customer = new LightClient({ sub: `customer-${String(index)}`, role: 'customer' }, options);
  const agent = new LightClient({ sub: `agent-${String(index)}`, role: 'agent' }, options);
  const members = [customer, agent];
  await Promise.all(members.map((member) => member.ready()));
  let conversationId = `room-${String(index)}`;
  if (target.kind === 'relay') {
    await Promise.all(members.map((member) => member.request('join', { room: conversationId })));
  } else {
    const { data } = await customer.request('conversation:open', {});
    conversationId = (data as { conversation: { id: string } }).conversation.id;
    await agent.request('conversation:join', { conversationId });
  }
  const conversation = { members, sentCount: 0 };
  const payload = JSON.stringify(['message:send', { conversationId, text: TEXT, clientMessageId: '' }]);
  return members.map((client) => ({ client, conversation, head: payload.slice(0, -'"}]'.length) }));
};

/** How many are opened at the same time. */
const OPENING = 50;

/** Two-party conversations whose members take turns in sending. Every message is accounted for. */
export class Conversations {
  readonly #senders: Sender[] = [];
  #sentCount = 0;
  #entryCount = 0;
  #acknowledged = new Uint8Array(0);
  #acknowledgedCount = 0;
  #failure: Error | undefined;
  /** Gets the number of each message acknowledged. */
  onAcknowledged: (id: number) => void = () => undefined;

  static async open(
    target: Target,
    options: ClientOptions,
    count: number,
    messageLimit: number,
  ): Promise<Conversations> {
    const conversations = new Conversations();
    conversations.#acknowledged = new Uint8Array(messageLimit);
    for (let first = 0; first < count; first += OPENING) {
      const indexes = Array.from({ length: Math.min(OPENING, count - first) }, (_, offset) => first + offset);
      const opened = await Promise.all(indexes.map((index) => openConversation(target, options, index)));
      conversations.#senders.push(...opened.flat());
    }
    for (const { client } of conversations.#senders) conversations.#listen(client);
    return conversations;
  }

  get sentCount(): number {
    return this.#sentCount;
  }

  /** Sends the next message, from the next sender; gives its number. */
  send(): number {
    const id = this.#sentCount;
    // Neighbours in this order belong to different conversations.
    const half = this.#senders.length / 2;
    const turn = id % this.#senders.length;
    const sender = this.#senders[turn < half ? turn * 2 : (turn - half) * 2 + 1];
    if (sender === undefined) throw new Error('no conversation is open');
    this.#sentCount += 1;
    sender.conversation.sentCount += 1;
    const number = String(id);
    sender.client.send(`42${number}${sender.head}${number}"}]`);
    return id;
  }

  /** Resolves once every message sent is acknowledged once and both members have its event. @throws when that does not come about */
  async settled(): Promise<void> {
    const settled = (): boolean => {
      if (this.#failure !== undefined) throw this.#failure;
      return this.#acknowledgedCount === this.#sentCount && this.#entryCount >= 2 * this.#sentCount;
    };
    await until('every message to be acknowledged and delivered', settled).catch((error: unknown) => {
      const counts = `sent ${String(this.#sentCount)}, acknowledged ${String(this.#acknowledgedCount)}, delivered ${String(this.#entryCount)}`;
      throw new Error(`${String(error)}: ${counts}`, { cause: error });
    });
    for (const { client, conversation } of this.#senders) {
      if (client.entryCount === conversation.sentCount) continue;
      throw new Error(`a member got ${String(client.entryCount)} of ${String(conversation.sentCount)} messages`);
    }
  }

  close(): void {
    for (const { client } of this.#senders) client.close();
  }

  #listen(client: LightClient): void {
    client.onEntry = () => (this.#entryCount += 1);
    client.onClosed = () => (this.#failure ??= new Error('the server closed a connection'));
    client.onAcknowledged = (id, ok) => {
      if (!ok) this.#failure ??= new Error(`message ${String(id)} was refused`);
      if (this.#acknowledged[id] !== 0) this.#failure ??= new Error(`message ${String(id)} was acknowledged twice`);
      this.#acknowledged[id] = 1;
      this.#acknowledgedCount += 1;
      this.onAcknowledged(id);
    };
  }
}
