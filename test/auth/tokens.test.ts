import { createHmac, generateKeyPairSync } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { describe, expect, test } from 'vitest';
import { publicKey, secretKey, type KeySource } from '../../src/auth/keys.ts';
import { signToken } from '../../src/auth/sign-token.ts';
import { createTokens, type TokensOptions } from '../../src/auth/tokens.ts';
import { DeskwireError } from '../../src/contract/errors.ts';
import { systemClock, type Clock } from '../../src/ports/clock.ts';

const SECRET = 'a secret for tests, of at least 32 bytes';
const keys: KeySource = { kind: 'secret', key: secretKey(SECRET) };
const NOW_S = 1_700_000_000;
const clock: Clock = { ...systemClock, now: () => NOW_S * 1000 };
const claims = { sub: 'ann', role: 'customer', exp: NOW_S + 60 };

const tokens = (options: Partial<TokensOptions> = {}) => createTokens({ keys, clockSkewSeconds: 5, clock, ...options });

const sign = (payload: object, options: jwt.SignOptions = {}, key = SECRET): string =>
  jwt.sign(payload, key, { noTimestamp: true, ...options });

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const refused = async (token: unknown, options: Partial<TokensOptions> = {}): Promise<DeskwireError> => {
  const outcome = await tokens(options)
    .verify(token)
    .catch((error: unknown) => error);
  if (!(outcome instanceof DeskwireError)) throw new Error(`expected a refusal, got ${JSON.stringify(outcome)}`);
  if (typeof token === 'string' && token.length > 0) expect(outcome.message).not.toContain(token);
  return outcome;
};

describe('a token that verifies', () => {
  test('[AUTH-1] names an actor, with defaults for what it leaves out', async () => {
    expect(await tokens().verify(sign(claims))).toEqual({
      actor: {
        tenant: 'default',
        user: { id: 'ann', name: 'ann', role: 'customer' },
        role: 'customer',
        audience: 'public',
        departments: [],
        skills: [],
        maxChats: undefined,
        issuedAt: undefined,
      },
      expiresAt: (NOW_S + 60) * 1000,
    });
  });

  test('carries all it says, and other claims are not looked at', async () => {
    const full = {
      ...claims,
      sub: 'bob',
      role: 'agent',
      tenant: 'acme',
      name: 'Bob',
      departments: ['billing'],
      skills: ['de'],
      maxChats: 0,
      email: 'x',
    };
    const { actor } = await tokens().verify(sign(full));
    expect(actor).toEqual({
      tenant: 'acme',
      user: { id: 'bob', name: 'Bob', role: 'agent' },
      role: 'agent',
      audience: 'staff',
      departments: ['billing'],
      skills: ['de'],
      maxChats: 0,
      issuedAt: undefined,
    });
  });

  test('says when it was issued, if it does', async () => {
    const issued = await tokens().verify(jwt.sign({ ...claims, iat: NOW_S - 0.5 }, SECRET));
    expect(issued.actor.issuedAt).toBe(NOW_S * 1000 - 500);
  });

  test('is what signToken makes', async () => {
    const about = { issuer: 'me', audience: 'you' };
    const { token, expiresAt } = signToken(keys.key, { sub: 'b', role: 'bot', name: 'B' }, 90, { ...about, clock });
    const verified = await tokens(about).verify(token);
    expect(verified.expiresAt).toBe(expiresAt);
    expect(verified.actor.user).toEqual({ id: 'b', name: 'B', role: 'bot' });
  });

  test.each([
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ] as const)('may be signed with %s and its public key', async (algorithm, pair) => {
    const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const token = jwt.sign(claims, pair.privateKey, { algorithm, noTimestamp: true });
    const verified = await tokens({ keys: { kind: 'public-key', ...publicKey(pem) } }).verify(token);
    expect(verified.actor.user.id).toBe('ann');
  });

  test('[AUTH-1] may start a little in the future, within the skew', async () => {
    await tokens().verify(sign({ ...claims, nbf: NOW_S + 4 }));
    expect((await refused(sign({ ...claims, nbf: NOW_S + 60 }))).message).toMatch(/not valid yet/);
  });
});

describe('a token that does not verify', () => {
  test.each([undefined, null, ''])('is missing: %j', async (token) => {
    expect((await refused(token)).code).toBe('token_missing');
  });

  test.each([[42], [{}], [['x']], ['nonsense'], ['a.b.c'], ['...'], ['\u0000'], ['x'.repeat(20_000)]])(
    'is no JWT: %#',
    async (token) => {
      expect((await refused(token)).code).toBe('token_invalid');
    },
  );

  test('[AUTH-1] has expired, also within the skew: the session would end at once', async () => {
    expect((await refused(sign({ ...claims, exp: NOW_S - 3600 }))).code).toBe('token_expired');
    expect((await refused(sign({ ...claims, exp: NOW_S - 2 }))).code).toBe('token_expired');
    expect((await refused(sign({ ...claims, exp: NOW_S }))).code).toBe('token_expired');
  });

  test.each([
    ['no signature', `${base64({ alg: 'none', typ: 'JWT' })}.${base64(claims)}.`],
    ['alg none with a signature', `${base64({ alg: 'none' })}.${base64(claims)}.c2ln`],
    ['another secret', sign(claims, {}, 'another secret, also of at least 32 bytes')],
    ['another algorithm', sign(claims, { algorithm: 'HS512' })],
    [
      'a changed payload',
      sign(claims)
        .split('.')
        .map((part, at) => (at === 1 ? base64({ ...claims, role: 'supervisor' }) : part))
        .join('.'),
    ],
    ['an extension that must be understood', sign(claims, { header: { alg: 'HS256', crit: ['b64'] } })],
    ['a payload that is no object', `${base64({ alg: 'HS256' })}.${Buffer.from('"ann"').toString('base64url')}.x`],
  ])('%s', async (_title, token) => {
    expect((await refused(token)).code).toBe('token_invalid');
  });

  test('[AUTH-1] is an HS256 token signed with the text of our public key', async () => {
    const { publicKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = rsa.export({ type: 'spki', format: 'pem' }).toString();
    const head = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64(claims)}`;
    const forged = `${head}.${createHmac('sha256', pem).update(head).digest('base64url')}`;
    const error = await refused(forged, { keys: { kind: 'public-key', ...publicKey(pem) } });
    expect(error.code).toBe('token_invalid');
    expect(error.message).toMatch(/algorithm/);
  });

  test.each([
    ['exp', { ...claims, exp: undefined }],
    ['exp', { ...claims, exp: 'soon' }],
    ['iat', { ...claims, iat: 'now' }],
    ['exp', { ...claims, exp: 1e300 }],
    ['sub', { ...claims, sub: undefined }],
    ['sub', { ...claims, sub: '' }],
    ['sub', { ...claims, sub: 7 }],
    ['sub', { ...claims, sub: 'x'.repeat(129) }],
    ['sub', { ...claims, sub: 'a\nb' }],
    ['role', { ...claims, role: undefined }],
    ['role', { ...claims, role: 'admin' }],
    ['role', { ...claims, role: ['agent'] }],
    ['tenant', { ...claims, tenant: '' }],
    ['tenant', { ...claims, tenant: null }],
    ['name', { ...claims, name: 7 }],
    ['departments', { ...claims, departments: 'billing' }],
    ['skills', { ...claims, skills: [1] }],
    ['maxChats', { ...claims, maxChats: -1 }],
    ['maxChats', { ...claims, maxChats: 1.5 }],
  ])('has a wrong claim: %s %#', async (claim, payload) => {
    const body = base64(payload);
    const head = `${base64({ alg: 'HS256' })}.${body}`;
    const error = await refused(`${head}.${createHmac('sha256', SECRET).update(head).digest('base64url')}`);
    expect(error.code).toBe('token_invalid');
    expect(error.message).toContain(claim);
  });

  test('[AUTH-1] has the wrong issuer or audience, or none', async () => {
    const about = { issuer: 'https://id.example', audience: 'deskwire' };
    const right = { ...claims, iss: about.issuer, aud: ['other', about.audience] };
    await tokens(about).verify(sign(right));
    expect((await refused(sign({ ...right, iss: 'https://evil.example' }), about)).message).toMatch(/\(iss\)/);
    expect((await refused(sign({ ...right, iss: undefined }), about)).message).toMatch(/\(iss\)/);
    expect((await refused(sign({ ...right, aud: 'other' }), about)).message).toMatch(/\(aud\)/);
    expect((await refused(sign({ ...right, aud: undefined }), about)).message).toMatch(/\(aud\)/);
  });
});

describe('a public key', () => {
  const pem = (pair: { publicKey: { export(o: { type: 'spki'; format: 'pem' }): string | Buffer } }): string =>
    pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();

  test('that can not be used is refused with the reason', () => {
    expect(() => publicKey('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----')).toThrow(/no public key/);
    expect(() => publicKey(pem(generateKeyPairSync('rsa', { modulusLength: 1024 })))).toThrow(/1024 bits/);
    expect(() => publicKey(pem(generateKeyPairSync('ec', { namedCurve: 'P-384' })))).toThrow(/P-256/);
    expect(() => publicKey(pem(generateKeyPairSync('ed25519')))).toThrow(/ed25519/);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => publicKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())).toThrow(/private key/);
  });
});
