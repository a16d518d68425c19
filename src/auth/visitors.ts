import type { KeyObject } from 'node:crypto';
import { nanoid } from 'nanoid';
import type { Metadata } from '../contract/text.ts';
import type { Clock } from '../ports/clock.ts';
import { signToken } from './sign-token.ts';

export interface VisitorsOptions {
  readonly key: KeyObject;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly tenant: string;
  /** How long a visitor's token lasts, in seconds. */
  readonly ttlSeconds: number;
  readonly clock: Clock;
}

export interface VisitorRequest {
  readonly name?: string | undefined;
  readonly metadata?: Metadata | undefined;
}

export interface Visitor {
  readonly token: string;
  readonly userId: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Makes anonymous customers: each call a new one, whose id nobody can guess. Nothing is kept;
 * the token is all there is of a visitor until the first conversation.
 */
export const createVisitors =
  ({ key, issuer, audience, tenant, ttlSeconds, clock }: VisitorsOptions) =>
  ({ name, metadata }: VisitorRequest): Visitor => {
    const userId = `visitor-${nanoid()}`;
    const claims = { sub: userId, role: 'customer' as const, tenant, ...(name === undefined ? {} : { name }) };
    return { userId, ...signToken(key, claims, ttlSeconds, { issuer, audience, clock, metadata }) };
  };
