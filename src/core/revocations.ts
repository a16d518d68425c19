import { DeskwireError } from '../contract/errors.ts';
import type { Actor } from '../ports/actor.ts';
import type { Bus } from '../ports/bus.ts';
import { isoTime, type Clock } from '../ports/clock.ts';
import type { Rooms } from '../ports/rooms.ts';
import type { Revocation, Store } from '../ports/store.ts';
import type { Roster } from './roster.ts';

export interface RevocationsOptions {
  readonly store: Store;
  readonly bus: Bus;
  readonly roster: Roster;
  readonly rooms: Rooms;
  readonly clock: Clock;
}

const keyOf = (tenant: string, userId: string): string => `${tenant}\u0000${userId}`;

/**
 * Whose tokens are not taken any more. `iat` (RFC 7519 §4.1.6) has whole seconds: a token of the very second in which its bearer was revoked
 * is refused too, and so is one that does not say when it was issued.
 */
export class Revocations {
  readonly #options: RevocationsOptions;
  /** Milliseconds since 1970. A person has one, so this has as many as there are people who were ever revoked. */
  readonly #revokedAt = new Map<string, number>();

  constructor(options: RevocationsOptions) {
    this.#options = options;
    options.bus.onRevocation((revocation) => this.learn(revocation));
  }

  isRevoked({ tenant, user, issuedAt }: Actor): boolean {
    const revokedAt = this.#revokedAt.get(keyOf(tenant, user.id));
    return revokedAt !== undefined && (issuedAt === undefined || issuedAt <= revokedAt);
  }

  /** @throws token_revoked */
  check(actor: Actor): void {
    if (this.isRevoked(actor)) throw new DeskwireError('token_revoked');
  }

  /** Gives when. On this node it counts from now on, on others once they hear of it: at once, or a second later. */
  async revoke(tenant: string, userId: string): Promise<string> {
    const { store, clock, bus } = this.#options;
    const revocation = { tenant, userId, revokedAt: isoTime(clock.now()) };
    await store.saveRevocation(revocation);
    bus.revoke(revocation);
    // Who revokes himself is answered first.
    clock.after(0, () => this.learn(revocation));
    return revocation.revokedAt;
  }

  learn({ tenant, userId, revokedAt }: Revocation): void {
    const key = keyOf(tenant, userId);
    this.#revokedAt.set(key, Math.max(Date.parse(revokedAt), this.#revokedAt.get(key) ?? 0));
    const { roster, rooms } = this.#options;
    for (const { id, actor } of roster.connectionsOfId(tenant, userId)) {
      if (this.isRevoked(actor)) rooms.endRevoked(id);
    }
  }
}
