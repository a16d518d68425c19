import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';

/** Algorithms this server accepts. Each key has exactly one, decided by the key and never by the token. */
export type Algorithm = 'HS256' | 'RS256' | 'ES256';

/** One key, made once: `jsonwebtoken` is 40 times slower when it is given the text of a key instead. */
export interface PinnedKey {
  readonly key: KeyObject;
  readonly algorithm: Algorithm;
}

/** Where the keys that verify tokens come from. Only a secret can sign as well. */
export type KeySource =
  | { readonly kind: 'secret'; readonly key: KeyObject }
  | ({ readonly kind: 'public-key' } & PinnedKey)
  | { readonly kind: 'jwks'; readonly url: string };

/** RFC 7518 §3.2: a key for HS256 is at least as long as the hash. */
export const MIN_SECRET_BYTES = 32;

/** RFC 7518 §3.3. */
const MIN_RSA_BITS = 2048;

/** The bytes of the text itself are the key, as every JWT library does it. */
export const secretKey = (text: string): KeyObject => createSecretKey(Buffer.from(text, 'utf8'));

/**
 * The one algorithm that a public key may be used with.
 * @throws Error with a sentence on why the key can't be used.
 */
export const algorithmOf = (key: KeyObject): Algorithm => {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'rsa') {
    const bits = details?.modulusLength ?? 0;
    if (bits >= MIN_RSA_BITS) return 'RS256';
    throw new Error(`found an RSA key of ${String(bits)} bits; expected at least ${String(MIN_RSA_BITS)}`);
  }
  if (key.asymmetricKeyType === 'ec') {
    if (details?.namedCurve === 'prime256v1') return 'ES256';
    throw new Error(`found a key on the curve ${details?.namedCurve ?? 'unknown'}; expected P-256`);
  }
  throw new Error(`found a key of type ${key.asymmetricKeyType ?? key.type}; expected RSA or EC P-256`);
};

/**
 * Reads a PEM text.
 * @throws Error with a sentence on what is wrong; the text is not part of it.
 */
export const publicKey = (pem: string): PinnedKey => {
  if (pem.includes('PRIVATE KEY')) {
    throw new Error('found a private key; only its public half belongs on this server');
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error('found a PEM text that holds no public key; expected an RSA or EC P-256 public key');
  }
  return { key, algorithm: algorithmOf(key) };
};
