import type { User } from '../contract/schemas.ts';
import { personKey, type Actor } from '../ports/actor.ts';

export interface Present {
  readonly id: string;
  actor: Actor;
  /** Conversations it has joined; made when needed, since most connections have few and idle ones none. */
  conversations: Set<string> | undefined;
}

const userKey = (tenant: string, user: User): string => `${tenant}\u0000${personKey(user)}`;

/** Who is connected to this process, and which conversations they have joined. */
export class Roster {
  readonly #connections = new Map<string, Present>();
  readonly #users = new Map<string, Set<string>>();
  readonly #conversations = new Map<string, Set<string>>();

  get connectionCount(): number {
    return this.#connections.size;
  }

  connect(id: string, actor: Actor): void {
    this.#connections.set(id, { id, actor, conversations: undefined });
    const key = userKey(actor.tenant, actor.user);
    const ids = this.#users.get(key);
    if (ids === undefined) this.#users.set(key, new Set([id]));
    else ids.add(id);
  }

  /** The same person with a new token. */
  renew(id: string, actor: Actor): void {
    const present = this.#connections.get(id);
    if (present !== undefined) present.actor = actor;
  }

  /** Forgets a connection; gives the conversations it had joined. */
  disconnect(id: string): string[] {
    const present = this.#connections.get(id);
    if (present === undefined) return [];
    const conversations = [...(present.conversations ?? [])];
    for (const conversationId of conversations) this.leave(id, conversationId);
    this.#connections.delete(id);
    const key = userKey(present.actor.tenant, present.actor.user);
    const ids = this.#users.get(key);
    ids?.delete(id);
    if (ids?.size === 0) this.#users.delete(key);
    return conversations;
  }

  connection(id: string): Present | undefined {
    return this.#connections.get(id);
  }

  connectionsOf(tenant: string, user: User): readonly string[] {
    return [...(this.#users.get(userKey(tenant, user)) ?? [])];
  }

  /** Whatever their tokens' role. */
  connectionsOfId(tenant: string, userId: string): Present[] {
    return (['customer', 'agent'] as const)
      .flatMap((role) => this.connectionsOf(tenant, { id: userId, name: '', role }))
      .flatMap((id) => this.#connections.get(id) ?? []);
  }

  isOnline(tenant: string, user: User): boolean {
    return this.#users.has(userKey(tenant, user));
  }

  joinedCount(id: string): number {
    return this.#connections.get(id)?.conversations?.size ?? 0;
  }

  hasJoined(id: string, conversationId: string): boolean {
    return this.#connections.get(id)?.conversations?.has(conversationId) ?? false;
  }

  /** True when this is the user's first connection in the conversation. */
  join(id: string, conversationId: string): boolean {
    const present = this.#connections.get(id);
    if (present === undefined) return false;
    const first = !this.#hasUser(conversationId, present.actor);
    (present.conversations ??= new Set()).add(conversationId);
    const ids = this.#conversations.get(conversationId);
    if (ids === undefined) this.#conversations.set(conversationId, new Set([id]));
    else ids.add(id);
    return first;
  }

  /** True when it had joined and no other connection of the user is left there. */
  leave(id: string, conversationId: string): boolean {
    const present = this.#connections.get(id);
    if (present?.conversations?.delete(conversationId) !== true) return false;
    const ids = this.#conversations.get(conversationId);
    ids?.delete(id);
    if (ids?.size === 0) this.#conversations.delete(conversationId);
    return !this.#hasUser(conversationId, present.actor);
  }

  /** Whether any connection has joined a conversation. */
  isFollowed(conversationId: string): boolean {
    return this.#conversations.has(conversationId);
  }

  /** The connections that have joined a conversation. */
  joined(conversationId: string): Present[] {
    return [...(this.#conversations.get(conversationId) ?? [])].flatMap((id) => this.#connections.get(id) ?? []);
  }

  #hasUser(conversationId: string, actor: Actor): boolean {
    const key = personKey(actor.user);
    return this.joined(conversationId).some(({ actor: { user } }) => personKey(user) === key);
  }
}
