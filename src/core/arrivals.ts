import type { Audience } from '../contract/roles.ts';
import type { User } from '../contract/schemas.ts';
import { personKey } from '../ports/actor.ts';

/**
 * Who was announced as being in a conversation, and to whom. With several nodes the same arrival is heard of twice: that somebody is
 * there from his node, that he is a member from the log, in any order.
 */
export class Arrivals {
  /** By conversation, then by person. */
  readonly #announced = new Map<string, Map<string, Set<Audience>>>();

  /** Gives those of the audiences to whom it is news. */
  joined(conversationId: string, user: User, audiences: readonly Audience[]): Audience[] {
    const people = this.#announced.get(conversationId) ?? new Map<string, Set<Audience>>();
    const known = people.get(personKey(user)) ?? new Set<Audience>();
    const news = audiences.filter((audience) => !known.has(audience));
    if (news.length === 0) return news;
    this.#announced.set(conversationId, people.set(personKey(user), new Set([...known, ...news])));
    return news;
  }

  left(conversationId: string, user: User, audiences: readonly Audience[]): void {
    const known = this.#announced.get(conversationId)?.get(personKey(user));
    for (const audience of audiences) known?.delete(audience);
  }

  /** Nobody is here any more who could be told. */
  forget(conversationId: string): void {
    this.#announced.delete(conversationId);
  }
}
