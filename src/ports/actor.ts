import type { Audience, Role } from '../contract/roles.ts';
import type { User } from '../contract/schemas.ts';

/** Who a connection speaks for: what its token says, and nothing else. */
export interface Actor {
  readonly tenant: string;
  readonly user: User;
  readonly role: Role;
  readonly audience: Audience;
  readonly departments: readonly string[];
  readonly skills: readonly string[];
  /** The `maxChats` claim; undefined: `limits.agentCapacity`. */
  readonly maxChats: number | undefined;
  /** The `iat` claim, milliseconds since 1970; undefined: the token does not say. */
  readonly issuedAt: number | undefined;
}

/**
 * Tells people apart within a tenant. The same `sub` may come as a customer and as one of the staff: those are two authors.
 * Ids have no control characters, so the two kinds of key never meet.
 */
export const personKey = ({ id, role }: Pick<User, 'id' | 'role'>): string =>
  role === 'customer' ? id : `${STAFF_MARK}${id}`;

/** The id in a person's key. */
export const personId = (key: string): string => (key.startsWith(STAFF_MARK) ? key.slice(STAFF_MARK.length) : key);

const STAFF_MARK = '\u0001';

export interface VerifiedToken {
  readonly actor: Actor;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Tokens. In the contract: a token that verifies names exactly one actor; whatever else rejects with a
 * DeskwireError (`token_missing`, `token_invalid`, `token_expired`) or, when keys can't be fetched, `unavailable`.
 * Not in the contract: how keys are found.
 */
export interface Tokens {
  verify(token: unknown): Promise<VerifiedToken>;
}
