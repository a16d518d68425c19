import type { Audience } from '../contract/roles.ts';
import type { User } from '../contract/schemas.ts';
import { personKey } from '../ports/actor.ts';
import type { Bus, TypingEnd, TypistNote } from '../ports/bus.ts';
import { isoTime, type Clock } from '../ports/clock.ts';
import { allRoom, audienceRoom, userRooms, type Rooms } from '../ports/rooms.ts';

interface Typist {
  readonly tenant: string;
  readonly conversationId: string;
  readonly user: User;
  /** To whom it is shown. */
  readonly audiences: readonly Audience[];
  readonly preview: string | undefined;
  /** The connection that said so last: when it goes, its typing ends. Or the node, when it is another. */
  from: { connectionId: string } | { nodeId: string };
  announcedAt: number;
  expiresAt: number;
  cancelExpiry: () => void;
}

export interface TypingStart {
  readonly connectionId: string;
  readonly tenant: string;
  readonly conversationId: string;
  readonly user: User;
  /** Staff at least. */
  readonly audiences: readonly Audience[];
  /** Shown to staff alone. */
  readonly preview: string | undefined;
}

const roomsOf = ({ conversationId, audiences }: Typist): string[] =>
  audiences.includes('public') ? [allRoom(conversationId)] : [audienceRoom('staff', conversationId)];

export interface TypingBoardOptions {
  readonly rooms: Rooms;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly typingMs: number;
  readonly typingRepeatMs: number;
}

/** How much later than its own node a typist of another expires: that node knows the reason. */
const REMOTE_GRACE_MS = 500;

/**
 * Who is typing where. Every start is followed by one stop: said, by a message, leaving, disconnecting, hand-over, closing or
 * expiry, whichever is first. Each node shows it to its own connections, also what is typed on others: so it ends here when a node
 * is gone that could say so.
 */
export class TypingBoard {
  readonly #options: TypingBoardOptions;
  /** By conversation, then by user. */
  readonly #typists = new Map<string, Map<string, Typist>>();

  constructor(options: TypingBoardOptions) {
    this.#options = options;
  }

  /** Gives when it expires. A repeat that comes too soon is not announced, and does not put off the end. */
  start({ connectionId, tenant, conversationId, user, audiences, preview }: TypingStart): number {
    const { clock, bus, typingMs, typingRepeatMs } = this.#options;
    const now = clock.now();
    const known = this.#find(conversationId, user);
    if (known !== undefined && !isRemote(known)) {
      known.from = { connectionId };
      if (now - known.announcedAt < typingRepeatMs) return known.expiresAt;
    }
    const typist = this.#put({
      ...{ tenant, conversationId, user, audiences, preview, from: { connectionId } },
      ...{ announcedAt: now, expiresAt: now + typingMs, expireInMs: typingMs },
    });
    bus.publish(conversationId, { kind: 'typing-started', typist: noteOf(typist) });
    return typist.expiresAt;
  }

  stop(conversationId: string, user: User, reason: TypingEnd): void {
    const typist = this.#find(conversationId, user);
    if (typist === undefined) return;
    this.#end(typist, reason);
    if (!isRemote(typist)) this.#options.bus.publish(conversationId, { kind: 'typing-stopped', user, reason });
  }

  stopAll(conversationId: string, reason: TypingEnd): void {
    for (const { user } of this.#in(conversationId)) this.stop(conversationId, user, reason);
  }

  /** Ends what this connection started; what the user types on another device goes on. */
  stopConnection(connectionId: string, conversationId: string, reason: TypingEnd): void {
    for (const { from, user } of this.#in(conversationId)) {
      if ('connectionId' in from && from.connectionId === connectionId) this.stop(conversationId, user, reason);
    }
  }

  /** Somebody types, says another node. */
  startRemote(nodeId: string, conversationId: string, note: TypistNote): void {
    const { clock, typingMs } = this.#options;
    const { tenant, user, staffOnly, preview, expiresAt } = note;
    const known = this.#find(conversationId, user);
    if (known !== undefined && !isRemote(known)) return;
    this.#put({
      ...{ tenant, conversationId, user, preview, from: { nodeId }, announcedAt: clock.now() },
      audiences: staffOnly ? ['staff'] : ['staff', 'public'],
      // As its own node tells it; but it ends by this node's clock, because the other's may be another.
      expiresAt: Date.parse(expiresAt),
      expireInMs: typingMs + REMOTE_GRACE_MS,
    });
  }

  /** Somebody does not type any more, says the node that said he did. */
  stopRemote(nodeId: string, conversationId: string, user: User, reason: TypingEnd): void {
    const typist = this.#find(conversationId, user);
    if (typist !== undefined && isFrom(typist, nodeId)) this.#end(typist, reason);
  }

  /** A node is gone, and with it everybody's connections. */
  forgetNode(nodeId: string): void {
    for (const typists of [...this.#typists.values()])
      for (const typist of [...typists.values()]) if (isFrom(typist, nodeId)) this.#end(typist, 'disconnected');
  }

  /** Nobody here follows the conversation any more. */
  forgetConversation(conversationId: string): void {
    for (const typist of this.#in(conversationId)) if (isRemote(typist)) this.#end(typist, 'left');
  }

  /** Those who type on this node. */
  ownNotes(conversationId: string): TypistNote[] {
    return this.#in(conversationId)
      .filter((typist) => !isRemote(typist))
      .map(noteOf);
  }

  /** Whether somebody types in a conversation. */
  types(conversationId: string, user: User): boolean {
    return this.#find(conversationId, user) !== undefined;
  }

  /** Who types in a conversation, as one audience sees it, but for one user. */
  list(conversationId: string, audience: Audience, except: User): { user: User; expiresAt: string }[] {
    return [...(this.#typists.get(conversationId)?.values() ?? [])]
      .filter(({ user, audiences }) => audiences.includes(audience) && personKey(user) !== personKey(except))
      .map(({ user, expiresAt }) => ({ user, expiresAt: isoTime(expiresAt) }));
  }

  #in(conversationId: string): Typist[] {
    return [...(this.#typists.get(conversationId)?.values() ?? [])];
  }

  #find(conversationId: string, user: User): Typist | undefined {
    return this.#typists.get(conversationId)?.get(personKey(user));
  }

  #put({ expireInMs, ...fields }: Omit<Typist, 'cancelExpiry'> & { expireInMs: number }): Typist {
    const { conversationId, user } = fields;
    this.#find(conversationId, user)?.cancelExpiry();
    const typist: Typist = {
      ...fields,
      cancelExpiry: this.#options.clock.after(expireInMs, () => this.stop(conversationId, user, 'expired')),
    };
    const typists = this.#typists.get(conversationId) ?? new Map<string, Typist>();
    typists.set(personKey(user), typist);
    this.#typists.set(conversationId, typists);
    this.#announce(typist);
    return typist;
  }

  #end(typist: Typist, reason: TypingEnd): void {
    const { tenant, conversationId, user } = typist;
    typist.cancelExpiry();
    const typists = this.#typists.get(conversationId);
    typists?.delete(personKey(user));
    if (typists?.size === 0) this.#typists.delete(conversationId);
    const target = { rooms: roomsOf(typist), except: userRooms(tenant, user) };
    this.#options.rooms.emitHere(target, 'typing:stopped', { conversationId, user, reason }, { ephemeral: true });
  }

  #announce(typist: Typist): void {
    const { tenant, conversationId, user, expiresAt, audiences, preview } = typist;
    const event = { conversationId, user, expiresAt: isoTime(expiresAt) };
    const except = userRooms(tenant, user);
    const options = { ephemeral: true };
    const { rooms } = this.#options;
    if (preview === undefined) {
      rooms.emitHere({ rooms: roomsOf(typist), except }, 'typing:started', event, options);
      return;
    }
    if (audiences.includes('public'))
      rooms.emitHere({ rooms: [audienceRoom('public', conversationId)], except }, 'typing:started', event, options);
    const toStaff = { rooms: [audienceRoom('staff', conversationId)], except };
    rooms.emitHere(toStaff, 'typing:started', { ...event, preview }, options);
  }
}

const isRemote = ({ from }: Typist): boolean => 'nodeId' in from;
const isFrom = ({ from }: Typist, nodeId: string): boolean => 'nodeId' in from && from.nodeId === nodeId;

const noteOf = ({ tenant, user, audiences, preview, expiresAt }: Typist): TypistNote => ({
  tenant,
  user,
  staffOnly: !audiences.includes('public'),
  ...(preview !== undefined && { preview }),
  expiresAt: isoTime(expiresAt),
});
