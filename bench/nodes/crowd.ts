import { randomBytes, type KeyObject } from 'node:crypto';
import { LightClient } from '../client.ts';
import { Follower, type Followed, type Surroundings } from './follower.ts';
import { JOB_TIMEOUT_MS, SILENCE_MS, type CaughtUp, type CrowdShape, type NodesTarget } from './jobs.ts';
import { duePerTick } from './paced-run.ts';
import { messagePacket, packetHead } from './rooms.ts';
import { until } from '../until.ts';

/** Who send on each node they sit on; one connection's requests are answered in their order. */
const SPEAKERS_EACH = 16;
/** How many connect, or are opened, at the same time. */
const AT_ONCE = 50;
const TICK_MS = 2;
const BACK_TIMEOUT_MS = 60_000;

export interface CrowdOptions extends CrowdShape {
  /** Nodes on which those sit who send; they lose no connection. */
  readonly speakerNodes: readonly number[];
  readonly urlOf: Surroundings['urlOf'];
}

/** Followers of conversations, into which others send at a steady rate, whatever happens to the followers. */
export class Crowd {
  /** In everybody's name: nobody goes on with what one of an earlier crowd has said. */
  readonly #name = randomBytes(4).toString('hex');
  readonly #surroundings: Surroundings;
  readonly #conversations: Followed[] = [];
  readonly #heads: string[] = [];
  readonly #speakers: LightClient[] = [];
  readonly followers: Follower[] = [];
  #sentCount = 0;
  #acknowledgedCount = 0;
  #timer: NodeJS.Timeout | undefined;
  #failure: string | undefined;

  private constructor({ kind }: NodesTarget, key: KeyObject, { conversationCount, urlOf }: CrowdOptions) {
    const failed = (why: string): void => void (this.#failure ??= why);
    this.#surroundings = { kind, key, conversationCount, isCut: false, urlOf, failed };
  }

  static async open(target: NodesTarget, key: KeyObject, options: CrowdOptions): Promise<Crowd> {
    const crowd = new Crowd(target, key, options);
    for (const node of options.speakerNodes)
      for (let index = 0; index < SPEAKERS_EACH; index += 1)
        crowd.#speakers.push(
          await crowd.#speaker(target.urls[node] ?? '', `speaker-${String(node)}-${String(index)}-${crowd.#name}`),
        );
    for (let first = 0; first < options.conversationCount; first += AT_ONCE)
      await crowd.#openConversations(first, Math.min(options.conversationCount, first + AT_ONCE));
    await crowd.#connectFollowers(options.membersEach);
    return crowd;
  }

  /** Sends at `messagesPerSecond` from now on. */
  speak(messagesPerSecond: number): void {
    const newlyDue = duePerTick(messagesPerSecond, performance.now());
    this.#timer = setInterval(() => {
      for (let left = newlyDue(); left > 0; left -= 1) this.#send();
    }, TICK_MS);
  }

  /** The line of all followers is gone, and nobody gets through. */
  cut(): void {
    this.#surroundings.isCut = true;
    for (const follower of this.followers) follower.cut();
  }

  heal(): void {
    this.#surroundings.isCut = false;
  }

  /** Resolves once all have joined again; of Deskwire's also once all have what they missed. @throws when that does not come about */
  async back(faultAt: number): Promise<void> {
    const isBack = ({ isLive, joinedAt, caughtUpAt }: Follower): boolean =>
      isLive && joinedAt > faultAt && (this.#surroundings.kind === 'peer' || caughtUpAt !== undefined);
    await this.#until('all followers to be back', () => this.followers.every(isBack), BACK_TIMEOUT_MS);
  }

  /** Nothing more is sent; resolves when all that was has come, or is lost. @throws when a stream of Deskwire's is not exact */
  async settle(): Promise<void> {
    clearInterval(this.#timer);
    await this.#until('every message to be acknowledged', () => this.#acknowledgedCount === this.#sentCount);
    const progress = (): number => this.followers.reduce((sum, { entryCount }) => sum + entryCount, 0);
    let last = progress();
    let lastAt = performance.now();
    const isOver = (): boolean => {
      if (this.followers.every(({ lastSeq, endSeq }) => lastSeq >= endSeq)) return true;
      if (progress() !== last) [last, lastAt] = [progress(), performance.now()];
      return performance.now() - lastAt > SILENCE_MS[this.#surroundings.kind];
    };
    await this.#until('the end of the streams', isOver, JOB_TIMEOUT_MS);
    const wrong = this.followers.filter((follower) => !this.#isExact(follower));
    if (this.#surroundings.kind === 'peer' || wrong.length === 0) return;
    const [one] = wrong;
    throw new Error(
      `${String(wrong.length)} streams are not exact; the first one has come to ${String(one?.lastSeq)} of ${String(one?.endSeq)}, with ${String(one?.lostCount)} lost and ${String(one?.doubledCount)} doubled`,
    );
  }

  /** What came of it, when all is settled; `healthyAt`: when they could come back. */
  outcome(faultAt: number, healthyAt: number): Omit<CaughtUp, 'clientLateP99Ms'> {
    const epoch = performance.timeOrigin;
    const { followers } = this;
    const allBackAt = Math.max(...followers.map(({ joinedAt }) => joinedAt));
    const caughtUp = followers.flatMap(({ caughtUpAt, acceptedAt, dialledAt }) =>
      caughtUpAt === undefined ? [] : [{ at: caughtUpAt, acceptedAt, dialledAt }],
    );
    return {
      clientCount: followers.length,
      allBackMs: allBackAt - healthyAt,
      allCaughtUpMs: caughtUp.length < followers.length ? null : Math.max(...caughtUp.map(({ at }) => at)) - healthyAt,
      caughtUpMs: caughtUp.map(({ at, acceptedAt }) => at - acceptedAt),
      dialledMs: caughtUp.map(({ at, dialledAt }) => at - dialledAt),
      missedCount: followers.reduce((sum, { missedCount }) => sum + missedCount, 0),
      exactCount: followers.filter((follower) => this.#isExact(follower)).length,
      lostCount: followers.reduce((sum, { lostCount, endSeq, lastSeq }) => sum + lostCount + endSeq - lastSeq, 0),
      window: { faultAtMs: epoch + faultAt, healthyAtMs: epoch + allBackAt },
    };
  }

  close(): void {
    clearInterval(this.#timer);
    for (const client of [...this.followers, ...this.#speakers]) client.close();
  }

  #isExact({ lastSeq, endSeq, lostCount, doubledCount }: Follower): boolean {
    return lastSeq === endSeq && lostCount === 0 && doubledCount === 0;
  }

  async #until(what: string, holds: () => boolean, timeoutMs?: number): Promise<void> {
    await until(
      what,
      () => {
        if (this.#failure !== undefined) throw new Error(this.#failure);
        return holds();
      },
      timeoutMs,
    );
  }

  async #speaker(url: string, sub: string): Promise<LightClient> {
    const { kind, key, failed, conversationCount } = this.#surroundings;
    const client = new LightClient({ sub, role: 'agent' }, { url, key, saysReady: kind === 'deskwire' });
    await client.ready();
    client.onClosed = () => failed('a node closed the connection of one who sends');
    client.onAcknowledged = (id, ok) => {
      const conversation = this.#conversations[id % conversationCount];
      if (!ok || conversation === undefined) failed(`message ${String(id)} was refused`);
      else conversation.acknowledged = Math.max(conversation.acknowledged, Math.floor(id / conversationCount) + 1);
      this.#acknowledgedCount += 1;
    };
    return client;
  }

  /** By one who leaves them at once, so that only their followers are told. */
  async #openConversations(first: number, end: number): Promise<void> {
    const indexes = Array.from({ length: end - first }, (_, offset) => first + offset);
    const opened = await Promise.all(
      indexes.map(async (index): Promise<Followed> => {
        const counts = { acknowledged: 0, sent: 0 };
        if (this.#surroundings.kind === 'peer')
          return { id: `room-${this.#name}-${String(index)}`, firstSeq: 0, ...counts };
        const speaker = this.#speakerOf(index);
        const { data } = await speaker.request('conversation:open', { customerId: this.#customerOf(index) });
        const { conversation } = data as { conversation: { id: string; lastSeq: number } };
        await speaker.request('conversation:leave', { conversationId: conversation.id });
        return { id: conversation.id, firstSeq: conversation.lastSeq, ...counts };
      }),
    );
    this.#conversations.push(...opened);
    this.#heads.push(...opened.map(({ id }) => packetHead(id)));
  }

  async #connectFollowers(membersEach: number): Promise<void> {
    for (let member = 0; member < membersEach; member += 1)
      for (const [index, conversation] of this.#conversations.entries()) {
        const agent = { sub: `agent-${String(index)}-${String(member)}-${this.#name}`, role: 'agent' } as const;
        const identity = member === 0 ? ({ sub: this.#customerOf(index), role: 'customer' } as const) : agent;
        const follower = new Follower(this.followers.length, identity, conversation, this.#surroundings);
        this.followers.push(follower);
        follower.dial();
        if (this.followers.length % AT_ONCE === 0) await this.#allLive();
      }
    await this.#allLive();
    for (const follower of this.followers) follower.missedCount = 0;
  }

  #allLive(): Promise<void> {
    return this.#until('followers to have joined', () => this.followers.every(({ isLive }) => isLive));
  }

  #customerOf(conversation: number): string {
    return `customer-${String(conversation)}-${this.#name}`;
  }

  #speakerOf(conversation: number): LightClient {
    const speaker = this.#speakers[conversation % this.#speakers.length];
    if (speaker === undefined) throw new Error('nobody sends');
    return speaker;
  }

  #send(): void {
    const id = this.#sentCount;
    const index = id % this.#conversations.length;
    const conversation = this.#conversations[index];
    if (conversation === undefined) throw new Error('no conversation is open');
    this.#sentCount += 1;
    conversation.sent += 1;
    this.#speakerOf(index).send(messagePacket(this.#heads[index] ?? '', id));
  }
}
