import jwt from 'jsonwebtoken';
import { DeskwireError } from '../contract/errors.ts';
import type { Tokens } from '../ports/actor.ts';
import type { Clock } from '../ports/clock.ts';
import { readClaims } from './claims.ts';
import { createKeySet } from './jwks.ts';
import type { KeySource, PinnedKey } from './keys.ts';

export interface TokensOptions {
  readonly keys: KeySource;
  /** Expected `iss`. @default not looked at */
  readonly issuer?: string | undefined;
  /** Expected in `aud`. @default not looked at */
  readonly audience?: string | undefined;
  /**
   * How far an issuer's clock may run ahead of this one: a token whose `nbf` is that much in the future is accepted.
   * `exp` gets no such grace: the session ends at that very moment, so a later handshake could only end at once.
   */
  readonly clockSkewSeconds: number;
  readonly clock: Clock;
}

/** As long as `session:refresh` takes it. */
const MAX_TOKEN_LENGTH = 16_384;

/** What `jsonwebtoken` says, and what we say. Its own words may quote the token or what we expect. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^jwt signature is required/, 'it is not signed'],
  [/^invalid algorithm/, "it is signed with another algorithm than the one of this server's key"],
  [/^(invalid signature|invalid token)/, "its signature does not match this server's key"],
  [/^jwt not active/, 'it is not valid yet (nbf); check the clock of its issuer'],
  [/^jwt audience invalid/, 'its audience (aud) is not this server'],
  [/^jwt issuer invalid/, 'its issuer (iss) is not the one that this server trusts'],
  [/^invalid (exp|nbf) value/, 'its times (exp, nbf) must be numbers: seconds since 1970'],
  [/^jwt malformed/, 'it is not a JWT of three parts'],
];

const invalid = (reason: string, cause?: unknown): DeskwireError =>
  new DeskwireError('token_invalid', `The token was refused: ${reason}.`, { cause });

const EXPIRED = 'The token has expired; get a new one and connect again.';

/** The header, read before anything is verified: it may choose among our keys, never an algorithm. */
const readHeader = (token: string): { kid?: unknown } => {
  const decoded = jwt.decode(token, { complete: true });
  if (decoded === null) throw invalid('it is not a JWT of three parts');
  // RFC 7515 §4.1.11: an extension that must be understood and is not makes the token invalid.
  if ('crit' in decoded.header) throw invalid('its header demands an extension (crit) that this server does not have');
  return decoded.header;
};

/**
 * Verifies JWTs (RFC 7519) with one algorithm pinned per key (RFC 8725 §3.1).
 *
 * Errors: `token_missing` for none, `token_expired`, `unavailable` when a key set can't be fetched, and
 * `token_invalid` with the check that failed for everything else. No message quotes the token.
 */
export const createTokens = ({ keys, issuer, audience, clockSkewSeconds, clock }: TokensOptions): Tokens => {
  const keySet = keys.kind === 'jwks' ? createKeySet(keys.url, clock) : undefined;
  const only: PinnedKey | undefined =
    keys.kind === 'secret' ? { key: keys.key, algorithm: 'HS256' } : keys.kind === 'public-key' ? keys : undefined;

  const keyFor = async (token: string): Promise<PinnedKey> => {
    const { kid } = readHeader(token);
    if (only !== undefined) return only;
    if (kid !== undefined && typeof kid !== 'string') throw invalid('its header names a key (kid) that is not a text');
    if (keySet === undefined) throw new DeskwireError('internal');
    return keySet.find(kid);
  };

  const check = (token: string, { key, algorithm }: PinnedKey): unknown => {
    try {
      return jwt.verify(token, key, {
        algorithms: [algorithm],
        clockTolerance: clockSkewSeconds,
        clockTimestamp: Math.floor(clock.now() / 1000),
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
    } catch (error) {
      if (error instanceof jwt.TokenExpiredError) throw new DeskwireError('token_expired', EXPIRED, { cause: error });
      const message = error instanceof Error ? error.message : '';
      throw invalid(REASONS.find(([pattern]) => pattern.test(message))?.[1] ?? 'it could not be read', error);
    }
  };

  return {
    verify: async (token) => {
      if (token === undefined || token === null || token === '') {
        throw new DeskwireError('token_missing', 'No token was sent; expected a JWT in auth.token of the handshake.');
      }
      if (typeof token !== 'string') throw invalid(`found ${typeof token}, expected a text`);
      if (token.length > MAX_TOKEN_LENGTH) {
        throw invalid(`it is longer than ${String(MAX_TOKEN_LENGTH)} characters`);
      }
      const verified = readClaims(check(token, await keyFor(token)));
      if (verified.expiresAt <= clock.now()) throw new DeskwireError('token_expired', EXPIRED);
      return verified;
    },
  };
};
