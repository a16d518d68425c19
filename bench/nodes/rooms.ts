import { randomBytes, type KeyObject } from 'node:crypto';
import { LightClient, type Identity } from '../client.ts';
import { JOB_TIMEOUT_MS, SILENCE_MS, type NodesTarget, type RoomsShape } from './jobs.ts';
import { until } from '../until.ts';

const TEXT = 'Where is my order? '.repeat(11).slice(0, 200);
/** How many rooms are opened at the same time. */
const OPENING = 25;
/** Nothing is acknowledged any more. */
const STALLED_MS = 30_000;

interface Room {
  readonly members: readonly LightClient[];
  readonly sender: number;
  readonly head: string;
  sentCount: number;
}

/** A message's packet, but for its number in two places. */
export const packetHead = (conversationId: string): string =>
  JSON.stringify(['message:send', { conversationId, text: TEXT, clientMessageId: '' }]).slice(0, -'"}]'.length);

/** The packet of message `number`; its client id is the number. */
export const messagePacket = (head: string, number: number): string => `42${String(number)}${head}${String(number)}"}]`;

/**
 * Rooms whose members sit on nodes of one's choice. Messages go to one after the other, each room has one sender, and so the n-th
 * event that a member gets is the n-th message of his room: message number `n × rooms + room`. Every message is accounted for.
 */
export class Rooms {
  readonly #rooms: Room[] = [];
  readonly #kind: NodesTarget['kind'];
  readonly #acknowledged = new Set<number>();
  #sentCount = 0;
  #entryCount = 0;
  #lastEventAt = 0;
  #failure: Error | undefined;
  /** Gets the number of each message acknowledged. */
  onAcknowledged: (id: number) => void = () => undefined;
  /** Gets the number of each message that came to a member, the sender included. */
  onDelivered: (id: number, member: number) => void = () => undefined;

  private constructor(kind: NodesTarget['kind']) {
    this.#kind = kind;
  }

  static async open(target: NodesTarget, key: KeyObject, shape: RoomsShape): Promise<Rooms> {
    const rooms = new Rooms(target.kind);
    // A customer of an earlier run would go on in his conversation, and what he said then would count as said.
    const run = randomBytes(4).toString('hex');
    for (let first = 0; first < shape.roomCount; first += OPENING) {
      const indexes = Array.from({ length: Math.min(OPENING, shape.roomCount - first) }, (_, offset) => first + offset);
      rooms.#rooms.push(...(await Promise.all(indexes.map((index) => openRoom(target, key, shape, index, run)))));
    }
    for (const [index, room] of rooms.#rooms.entries())
      for (const [member, client] of room.members.entries()) rooms.#listen(index, member, client);
    return rooms;
  }

  get sentCount(): number {
    return this.#sentCount;
  }

  /** The one member whose deliveries are timed: of those who do not send, the first. */
  receiverOf(id: number): number {
    return this.#roomOf(id).sender === 0 ? 1 : 0;
  }

  /** Sends the next message, into the next room; gives its number. */
  send(): number {
    const id = this.#sentCount;
    const room = this.#roomOf(id);
    this.#sentCount += 1;
    room.sentCount += 1;
    room.members[room.sender]?.send(messagePacket(room.head, id));
    return id;
  }

  /** Keeps `inFlight` messages unanswered until `count` more are sent; gives how many events are missing when all is quiet. */
  async relay(inFlight: number, count: number): Promise<number> {
    const last = this.#sentCount + count;
    this.onAcknowledged = () => {
      if (this.#sentCount < last) this.send();
    };
    for (let index = 0; index < Math.min(inFlight, count); index += 1) this.send();
    return this.settled();
  }

  /**
   * Resolves once every message sent is acknowledged once and every member has its event.
   *
   * @returns how many events are missing: of Deskwire none may
   * @throws when a promise is broken
   */
  async settled(): Promise<number> {
    this.#lastEventAt = performance.now();
    const silentMs = (): number => {
      if (this.#failure !== undefined) throw this.#failure;
      return performance.now() - this.#lastEventAt;
    };
    const isAnswered = (): boolean => {
      if (silentMs() > STALLED_MS) throw new Error(`${String(this.#acknowledged.size)} messages are acknowledged`);
      return this.#acknowledged.size === this.#sentCount;
    };
    await until(`${String(this.#sentCount)} messages to be acknowledged`, isAnswered, JOB_TIMEOUT_MS);
    const expected = this.#rooms.reduce((sum, { members, sentCount }) => sum + members.length * sentCount, 0);
    const isQuiet = (): boolean => silentMs() > SILENCE_MS[this.#kind] || this.#entryCount >= expected;
    await until('every event', isQuiet, JOB_TIMEOUT_MS);
    if (this.#kind === 'peer') return expected - this.#entryCount;
    for (const [index, { members, sentCount }] of this.#rooms.entries())
      for (const [member, { entryCount }] of members.entries())
        if (entryCount !== sentCount)
          throw new Error(
            `member ${String(member)} of room ${String(index)} got ${String(entryCount)} of ${String(sentCount)} messages`,
          );
    return 0;
  }

  close(): void {
    for (const { members } of this.#rooms) for (const client of members) client.close();
  }

  #roomOf(id: number): Room {
    const room = this.#rooms[id % this.#rooms.length];
    if (room === undefined) throw new Error('no room is open');
    return room;
  }

  #listen(index: number, member: number, client: LightClient): void {
    client.onEntry = () => {
      this.#entryCount += 1;
      this.#lastEventAt = performance.now();
      this.onDelivered((client.entryCount - 1) * this.#rooms.length + index, member);
    };
    client.onClosed = () => (this.#failure ??= new Error('a node closed a connection'));
    client.onAcknowledged = (id, ok) => {
      if (!ok) this.#failure ??= new Error(`message ${String(id)} was refused`);
      if (this.#acknowledged.has(id)) this.#failure ??= new Error(`message ${String(id)} was acknowledged twice`);
      this.#acknowledged.add(id);
      this.#lastEventAt = performance.now();
      this.onAcknowledged(id);
    };
  }
}

/** The customer first, then agents; none of them is online, so that nothing is routed. */
const identityOf = (name: string, member: number): Identity =>
  member === 0
    ? { sub: `customer-${name}`, role: 'customer' }
    : { sub: `agent-${name}-${String(member)}`, role: 'agent' };

const openRoom = async (
  { kind, urls }: NodesTarget,
  key: KeyObject,
  { memberNodes, senders }: RoomsShape,
  index: number,
  run: string,
): Promise<Room> => {
  const name = `${run}-${String(index)}`;
  const options = { key, saysReady: kind === 'deskwire' };
  const members = memberNodes.map(
    (node, member) => new LightClient(identityOf(name, member), { url: urls[node] ?? '', ...options }),
  );
  await Promise.all(members.map((member) => member.ready()));
  let conversationId = `room-${name}`;
  if (kind === 'peer') {
    await Promise.all(members.map((member) => member.request('join', { room: conversationId })));
  } else {
    const [customer, ...agents] = members;
    const reply = await customer?.request('conversation:open', {});
    conversationId = (reply?.data as { conversation: { id: string } }).conversation.id;
    for (const agent of agents) await agent.request('conversation:join', { conversationId });
  }
  const sender = senders[index % senders.length] ?? 0;
  return { members, sender, head: packetHead(conversationId), sentCount: 0 };
};
