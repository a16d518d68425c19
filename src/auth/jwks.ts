import { createPublicKey } from 'node:crypto';
import jwksRsa, { type JwksClient } from 'jwks-rsa';
import { DeskwireError } from '../contract/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { algorithmOf, type PinnedKey } from './keys.ts';

/** Finds the key that a token's header names. */
export interface KeySet {
  /**
   * @param kid the header's `kid`; undefined when it has none, which is enough for a set of one key.
   * @throws DeskwireError `token_invalid` for a key that is not in the set, `unavailable` when the set can't be fetched.
   */
  find(kid: string | undefined): Promise<PinnedKey>;
}

/** A set is fetched again when it is older than this: so long is a withdrawn key still accepted. */
const FRESH_MS = 10 * 60_000;
/** While the set can't be fetched, the last one serves up to this age. */
const USABLE_MS = 60 * 60_000;
/** Tokens with made-up key ids can't cause more fetches than one in this time. */
const MIN_FETCH_INTERVAL_MS = 5_000;
const FETCH_TIMEOUT_MS = 5_000;

const fetchSet = async (url: string): Promise<{ keys: unknown[] }> => {
  // A redirect is refused: the keys of this server come from the address that was configured, and from no other.
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS), redirect: 'error' });
  if (!response.ok) throw new Error(`found status ${String(response.status)}; expected 200`);
  return (await response.json()) as { keys: unknown[] };
};

/** Keys of the set that can verify RS256 or ES256, each with the one algorithm it is used with; others are left out. */
const readKeys = async (client: JwksClient): Promise<(PinnedKey & { kid: string | undefined })[]> => {
  const usable: (PinnedKey & { kid: string | undefined })[] = [];
  for (const found of await client.getSigningKeys()) {
    try {
      const key = createPublicKey(found.getPublicKey());
      const algorithm = algorithmOf(key);
      const stated = (found as { alg?: string }).alg;
      if (stated === undefined || stated === algorithm) usable.push({ key, algorithm, kid: found.kid });
    } catch {
      // A set may hold keys for other purposes; one that can't be used must not take the others with it.
    }
  }
  return usable;
};

/**
 * Keys of a JSON Web Key Set (RFC 7517 §5), fetched when first needed and kept.
 *
 * The cache is this module's own, by set and not by key: a fetch for one unknown key id renews all keys, and a flood
 * of unknown ones neither uses up a fetch budget that honest tokens need nor turns known keys out.
 */
export const createKeySet = (url: string, clock: Clock): KeySet => {
  const client = jwksRsa({ jwksUri: url, cache: false, fetcher: fetchSet });
  let keys: readonly (PinnedKey & { kid: string | undefined })[] = [];
  let fetchedAt = -Infinity;
  let triedAt = -Infinity;
  let failure: unknown;
  let underWay: Promise<void> | undefined;

  const refresh = (): Promise<void> => {
    if (underWay !== undefined) return underWay;
    if (clock.now() - triedAt < MIN_FETCH_INTERVAL_MS) return Promise.resolve();
    triedAt = clock.now();
    underWay = readKeys(client)
      .then((found) => {
        keys = found;
        fetchedAt = clock.now();
        failure = undefined;
      })
      .catch((error: unknown) => {
        // Kept, not thrown: whether it matters depends on whether the last set still has the key.
        failure = error;
      })
      .finally(() => {
        underWay = undefined;
      });
    return underWay;
  };

  const lookUp = (kid: string | undefined): PinnedKey | undefined => {
    if (clock.now() - fetchedAt > USABLE_MS) return undefined;
    return kid === undefined ? (keys.length === 1 ? keys[0] : undefined) : keys.find((key) => key.kid === kid);
  };

  return {
    find: async (kid) => {
      if (clock.now() - fetchedAt <= FRESH_MS) {
        const known = lookUp(kid);
        if (known !== undefined) return known;
      }
      await refresh();
      const key = lookUp(kid);
      if (key !== undefined) return key;
      if (failure !== undefined) {
        throw new DeskwireError(
          'unavailable',
          "The keys that verify tokens can't be fetched now; connect again in a moment.",
          { cause: failure, retryAfterMs: MIN_FETCH_INTERVAL_MS },
        );
      }
      throw new DeskwireError(
        'token_invalid',
        kid === undefined
          ? "The token's header names no key (kid), and the key set has more than one; have the issuer set it."
          : "The token's header names a key (kid) that is not in the key set, or not one for RS256 or ES256.",
      );
    },
  };
};
