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
}

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
