import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import jwt from 'jsonwebtoken';
import { expect, onTestFinished, test } from 'vitest';
import { createTokens } from '../../src/auth/tokens.ts';
import { systemClock, type Clock } from '../../src/ports/clock.ts';

const MINUTE_MS = 60_000;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const next = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = (key: KeyObject, kid: string, more: object = {}) => ({
  ...key.export({ format: 'jwk' }),
  kid,
  use: 'sig',
  ...more,
});

/** A real key set server, and a clock that the test moves. */
const start = async (keys: object[]) => {
  const set = { keys, status: 200, fetchCount: 0 };
  const server = createServer((_request, response) => {
    set.fetchCount += 1;
    response.writeHead(set.status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: set.keys }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const time = { nowMs: Date.now() };
  const clock: Clock = { ...systemClock, now: () => time.nowMs };
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/keys`;
  const tokens = createTokens({ keys: { kind: 'jwks', url }, clockSkewSeconds: 5, clock });
  const sign = (key: KeyObject, algorithm: 'RS256' | 'ES256' | 'PS256', keyid?: string): string =>
    jwt.sign({ sub: 'ann', role: 'customer', exp: Math.floor(time.nowMs / 1000) + 86_400 }, key, {
      algorithm,
      ...(keyid === undefined ? {} : { keyid }),
    });
  const codeOf = (token: string): Promise<string> =>
    tokens.verify(token).then(
      () => 'ok',
      (error: unknown) => (error as { code: string }).code,
    );
  return { set, time, sign, codeOf };
};

test('keys of a set verify, each with its own algorithm', async () => {
  const { set, sign, codeOf } = await start([jwk(rsa.publicKey, 'r', { alg: 'RS256' }), jwk(ec.publicKey, 'e')]);
  expect(
    await Promise.all([codeOf(sign(rsa.privateKey, 'RS256', 'r')), codeOf(sign(ec.privateKey, 'ES256', 'e'))]),
  ).toEqual(['ok', 'ok']);
  expect(await codeOf(sign(rsa.privateKey, 'PS256', 'r'))).toBe('token_invalid');
  expect(await codeOf(sign(ec.privateKey, 'ES256', 'r'))).toBe('token_invalid');
  expect(await codeOf(jwt.sign({ sub: 'a', role: 'customer' }, 'x'.repeat(32), { keyid: 'r', expiresIn: 60 }))).toBe(
    'token_invalid',
  );
  expect(set.fetchCount).toBe(1);
});

test('keys that can not be used do not take the others with them', async () => {
  const { sign, codeOf } = await start([
    jwk(generateKeyPairSync('ed25519').publicKey, 'ed'),
    jwk(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey, 'p384'),
    jwk(rsa.publicKey, 'enc', { use: 'enc' }),
    jwk(rsa.publicKey, 'ps', { alg: 'PS256' }),
    { kty: 'RSA', kid: 'broken', n: '!', e: '!' },
    jwk(ec.publicKey, 'e'),
  ]);
  expect(await codeOf(sign(ec.privateKey, 'ES256', 'e'))).toBe('ok');
  for (const kid of ['ed', 'p384', 'enc', 'ps', 'broken']) {
    expect(await codeOf(sign(rsa.privateKey, 'RS256', kid)), kid).toBe('token_invalid');
  }
});

test('a token without a key id is enough for a set of one key, and not for more', async () => {
  const { set, time, sign, codeOf } = await start([jwk(ec.publicKey, 'e')]);
  expect(await codeOf(sign(ec.privateKey, 'ES256'))).toBe('ok');
  set.keys = [jwk(ec.publicKey, 'e'), jwk(next.publicKey, 'n')];
  time.nowMs += 11 * MINUTE_MS;
  expect(await codeOf(sign(ec.privateKey, 'ES256'))).toBe('token_invalid');
});

test('a new key is found, a withdrawn one is refused, and made-up key ids cause no flood of fetches', async () => {
  const { set, time, sign, codeOf } = await start([jwk(ec.publicKey, 'e')]);
  expect(await codeOf(sign(ec.privateKey, 'ES256', 'e'))).toBe('ok');
  const madeUp = Array.from({ length: 50 }, (_, at) => codeOf(sign(rsa.privateKey, 'RS256', `made-up-${String(at)}`)));
  expect(new Set(await Promise.all(madeUp))).toEqual(new Set(['token_invalid']));
  expect(set.fetchCount).toBe(1);

  set.keys = [jwk(next.publicKey, 'n')];
  time.nowMs += 6_000;
  expect(await codeOf(sign(next.privateKey, 'ES256', 'n'))).toBe('ok');
  expect(await codeOf(sign(ec.privateKey, 'ES256', 'e'))).toBe('token_invalid');
  expect(set.fetchCount).toBe(2);
});

test('while the set can not be fetched, known keys serve for an hour, and unknown ones are unavailable', async () => {
  const { set, time, sign, codeOf } = await start([jwk(ec.publicKey, 'e')]);
  set.status = 500;
  expect(await codeOf(sign(ec.privateKey, 'ES256', 'e'))).toBe('unavailable');
  set.status = 200;
  time.nowMs += 6_000;
  expect(await codeOf(sign(ec.privateKey, 'ES256', 'e'))).toBe('ok');
  set.status = 500;
  time.nowMs += 11 * MINUTE_MS;
  expect(await codeOf(sign(ec.privateKey, 'ES256', 'e'))).toBe('ok');
  expect(await codeOf(sign(next.privateKey, 'ES256', 'n'))).toBe('unavailable');
  time.nowMs += 60 * MINUTE_MS;
  expect(await codeOf(sign(ec.privateKey, 'ES256', 'e'))).toBe('unavailable');
});
