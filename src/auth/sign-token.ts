import type { KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import type { Metadata } from '../contract/text.ts';
import type { Clock } from '../ports/clock.ts';
import { IdentityClaims } from './claims.ts';

export interface SignOptions {
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly clock: Clock;
  /** Carried as the claim `metadata`; this server does not read it again. */
  readonly metadata?: Metadata | undefined;
}

export interface SignedToken {
  readonly token: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Signs a token (HS256) that this server accepts.
 * @param secretKey as `secretKey()` makes it
 * @param ttlSeconds whole seconds from now to `exp`
 * @throws z.ZodError when a claim would be refused by the verifier
 */
export const signToken = (
  secretKey: KeyObject,
  claims: IdentityClaims,
  ttlSeconds: number,
  { issuer, audience, clock, metadata }: SignOptions,
): SignedToken => {
  const iat = Math.floor(clock.now() / 1000);
  const exp = iat + ttlSeconds;
  const payload = {
    ...IdentityClaims.parse(claims),
    ...(metadata === undefined ? {} : { metadata }),
    iat,
    exp,
  };
  const token = jwt.sign(payload, secretKey, {
    algorithm: 'HS256',
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  });
  return { token, expiresAt: exp * 1000 };
};
