import { TestClient } from '../support/client.ts';
import type { Random } from '../support/random.ts';
import { agent, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';
import type { Course } from './course.ts';
import type { Outcome } from './history.ts';

/** Requests between a claim that was won and its release. */
const MAX_HELD_STEPS = 3;
/** How often a conversation is released by somebody who does not know of holding it. */
const STRAY_RELEASE = 0.03;

type Answer = Pick<Extract<Outcome, { kind: 'ok' }>, 'fence' | 'seq'>;

const connectedOf = ({ socket, received }: TestClient): boolean =>
  socket.connected && received.some(({ event }) => event === 'session:ready');

/** An agent who claims one conversation after the other, and comes back whenever the server does. */
export class Claimant {
  readonly #name: string;
  readonly #course: Course;
  readonly #random: Random;
  readonly #token: string;
  #client: TestClient | undefined;
  /** Conversations it knows it holds, and the requests left before it releases each. */
  readonly #held = new Map<string, number>();

  constructor(name: string, random: Random, course: Course) {
    this.#name = name;
    this.#course = course;
    this.#random = random;
    this.#token = tokenFor(agent(name));
  }

  /** Until the last claim is sent. */
  async run(): Promise<void> {
    while (!this.#course.over) {
      const client = await this.#connected();
      const due = [...this.#held].find(([, stepsLeft]) => stepsLeft === 0)?.[0];
      const conversationId = due ?? this.#random.pick(this.#course.conversationIds);
      if (due === undefined) for (const [id, stepsLeft] of this.#held) this.#held.set(id, stepsLeft - 1);
      const isStray = !this.#held.has(conversationId) && this.#random.chance(STRAY_RELEASE);
      await (due !== undefined || isStray
        ? this.#release(client, conversationId)
        : this.#claim(client, conversationId));
    }
  }

  close(): void {
    this.#client?.close();
  }

  async #claim(client: TestClient, conversationId: string): Promise<void> {
    // Others have claimed while this one was connecting.
    if (this.#course.over) return;
    const sentAt = this.#course.instant();
    const answering = client.reply('assignment:claim', { conversationId });
    this.#course.claimSent();
    // Rejected when the connection ends or nothing comes: nobody knows what became of it.
    const reply = await answering.catch(() => undefined);
    let outcome: Outcome = { kind: 'unknown' };
    if (reply?.ok === true) {
      outcome = this.#accepted(reply.data.conversation, reply.data.entry);
      if (!this.#held.has(conversationId)) this.#held.set(conversationId, this.#random.below(MAX_HELD_STEPS + 1));
    } else if (reply?.error.code === 'already_assigned') {
      const { assignee, fence } = reply.error.details as { assignee: { id: string }; fence: number };
      outcome = { kind: 'already_assigned', assignee: assignee.id, fence };
      this.#held.delete(conversationId);
    } else if (reply !== undefined && reply.error.code !== 'timeout') {
      throw new Error(`a claim was refused: ${JSON.stringify(reply.error)}`);
    }
    this.#done(conversationId, 'claim', sentAt, outcome);
  }

  async #release(client: TestClient, conversationId: string): Promise<void> {
    const sentAt = this.#course.instant();
    const reply = await client.reply('assignment:release', { conversationId }).catch(() => undefined);
    this.#held.delete(conversationId);
    let outcome: Outcome = { kind: 'unknown' };
    if (reply?.ok === true) {
      outcome = this.#accepted(reply.data.conversation, reply.data.entry);
    } else if (reply?.error.code === 'stale_fence') {
      outcome = { kind: 'stale_fence', fence: (reply.error.details as { fence: number }).fence };
    } else if (reply?.error.code === 'forbidden') {
      outcome = { kind: 'forbidden' };
    } else if (reply !== undefined && reply.error.code !== 'timeout') {
      throw new Error(`a release was refused: ${JSON.stringify(reply.error)}`);
    }
    this.#done(conversationId, 'release', sentAt, outcome);
  }

  #accepted(conversation: { fence: number }, { fence, seq }: Answer): Outcome {
    if (conversation.fence !== fence)
      throw new Error(
        `${this.#name} was answered with a conversation of fence ${String(conversation.fence)} and an entry of ${String(fence)}`,
      );
    return { kind: 'ok', fence, seq };
  }

  #done(conversationId: string, verb: 'claim' | 'release', sentAt: number, outcome: Outcome): void {
    const answeredAt = outcome.kind === 'unknown' ? Infinity : this.#course.instant();
    this.#course.done(conversationId, { agent: this.#name, verb, sentAt, answeredAt, outcome });
  }

  async #connected(): Promise<TestClient> {
    while (this.#client === undefined || !connectedOf(this.#client)) {
      this.#client?.close();
      const client = new TestClient(await this.#course.url(), { token: this.#token });
      this.#client = client;
      // Killed again in the meantime: there is another address to ask for.
      let isRefused = false;
      client.socket.on('connect_error', () => (isRefused = true));
      client.socket.on('disconnect', () => (isRefused = true));
      await until('a connection', () => isRefused || connectedOf(client));
    }
    return this.#client;
  }
}
