import { personKey } from '../ports/actor.ts';
import type { Audience } from '../contract/roles.ts';
import type { User } from '../contract/schemas.ts';
import type { EventPayload } from '../contract/contract.ts';
import { isoTime, type Clock } from '../ports/clock.ts';
import { allRoom, audienceRoom, userRooms, type Rooms } from '../ports/rooms.ts';

export type TypingEnd = EventPayload<'typing:stopped'>['reason'];

interface Typist {
  readonly tenant: string;
  readonly conversationId: string;
  readonly user: User;
  /** To whom it is shown. */
  readonly audiences: readonly Audience[];
  /** The connection that said so last: when it goes, its typing ends. */
  connectionId: string;
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
  readonly clock: Clock;
  readonly typingMs: number;
  readonly typingRepeatMs: number;
}

/**
 * Who is typing where. Every start is followed by one stop: said, by a message, leaving, disconnecting, hand-over, closing or
 * expiry, whichever is first.
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
    const { clock, typingMs, typingRepeatMs } = this.#options;
    const now = clock.now();
    const known = this.#typists.get(conversationId)?.get(personKey(user));
    if (known !== undefined) {
      known.connectionId = connectionId;
      if (now - known.announcedAt < typingRepeatMs) return known.expiresAt;
      known.cancelExpiry();
    }
    const typist: Typist = {
      tenant,
      conversationId,
      user,
      audiences,
      connectionId,
      announcedAt: now,
      expiresAt: now + typingMs,
      cancelExpiry: clock.after(typingMs, () => {
        this.stop(conversationId, user, 'expired');
      }),
    };
    const typists = this.#typists.get(conversationId) ?? new Map<string, Typist>();
    typists.set(personKey(user), typist);
    this.#typists.set(conversationId, typists);
    this.#announce(typist, preview);
    return typist.expiresAt;
  }

  stop(conversationId: string, user: User, reason: TypingEnd): void {
    const typists = this.#typists.get(conversationId);
    const typist = typists?.get(personKey(user));
    if (typists === undefined || typist === undefined) return;
    typist.cancelExpiry();
    typists.delete(personKey(user));
    if (typists.size === 0) this.#typists.delete(conversationId);
    this.#options.rooms.emit(
      { rooms: roomsOf(typist), except: userRooms(typist.tenant, user) },
      'typing:stopped',
      { conversationId, user: typist.user, reason },
      { ephemeral: true },
    );
  }

  stopAll(conversationId: string, reason: TypingEnd): void {
    for (const { user } of [...(this.#typists.get(conversationId)?.values() ?? [])])
      this.stop(conversationId, user, reason);
  }

  /** Ends what this connection started; what the user types on another device goes on. */
  stopConnection(connectionId: string, conversationId: string, reason: TypingEnd): void {
    for (const typist of [...(this.#typists.get(conversationId)?.values() ?? [])]) {
      if (typist.connectionId === connectionId) this.stop(conversationId, typist.user, reason);
    }
  }

  /** Whether somebody types in a conversation. */
  types(conversationId: string, user: User): boolean {
    return this.#typists.get(conversationId)?.has(personKey(user)) === true;
  }

  /** Who types in a conversation, as one audience sees it, but for one user. */
  list(conversationId: string, audience: Audience, except: User): { user: User; expiresAt: string }[] {
    return [...(this.#typists.get(conversationId)?.values() ?? [])]
      .filter(({ user, audiences }) => audiences.includes(audience) && personKey(user) !== personKey(except))
      .map(({ user, expiresAt }) => ({ user, expiresAt: isoTime(expiresAt) }));
  }

  #announce(typist: Typist, preview: string | undefined): void {
    const { tenant, conversationId, user, expiresAt, audiences } = typist;
    const event = { conversationId, user, expiresAt: isoTime(expiresAt) };
    const except = userRooms(tenant, user);
    const options = { ephemeral: true };
    const { rooms } = this.#options;
    if (preview === undefined) {
      rooms.emit({ rooms: roomsOf(typist), except }, 'typing:started', event, options);
      return;
    }
    if (audiences.includes('public'))
      rooms.emit({ rooms: [audienceRoom('public', conversationId)], except }, 'typing:started', event, options);
    rooms.emit(
      { rooms: [audienceRoom('staff', conversationId)], except },
      'typing:started',
      { ...event, preview },
      options,
    );
  }
}
