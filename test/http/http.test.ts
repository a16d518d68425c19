import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { secretKey } from '../../src/auth/keys.ts';
import { createTokens } from '../../src/auth/tokens.ts';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { SECRET, startHttp } from './start.ts';

type Body = Record<string, unknown>;

const get = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: (): Body => JSON.parse(text) as Body };
};

const post = (url: string, body: string, headers: Record<string, string> = {}) =>
  get(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });

const expectProblem = (answer: Awaited<ReturnType<typeof get>>, status: number, code: string): Body => {
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  const body = answer.body();
  expect(body).toMatchObject({ status, code });
  expect(answer.status).toBe(status);
  expect(typeof body['title']).toBe('string');
  expect(typeof body['detail']).toBe('string');
  return body;
};

/** What the server answers to bytes that no HTTP client would send. */
const raw = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    socket.on('error', reject);
  });

describe('health', () => {
  test('lives, is ready, and has metrics', async () => {
    const { url } = await startHttp();
    expect((await get(`${url}/healthz`)).body()).toEqual({ status: 'ok' });
    expect((await get(`${url}/readyz`)).status).toBe(200);
    const metrics = await get(`${url}/metrics`);
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(metrics.text).toBe('up 1\n');
  });

  test('lives and is not ready, with the reasons', async () => {
    const reasons = ['draining', 'the store is out of reach'];
    const { url } = await startHttp({ readiness: () => Promise.resolve(reasons) });
    expect((await get(`${url}/healthz`)).status).toBe(200);
    expect(expectProblem(await get(`${url}/readyz`), 503, 'unavailable')).toMatchObject({ reasons });
  });

  test('a check that fails is a reason, and its cause is logged and not sent', async () => {
    const { url, lines } = await startHttp({ readiness: () => Promise.reject(new Error('hunter2')) });
    const answer = await get(`${url}/readyz`);
    expectProblem(answer, 503, 'unavailable');
    expect(answer.text).not.toContain('hunter2');
    expect(lines.map((line) => line.level)).toEqual(['error']);
  });
});

describe('documents and pages', () => {
  test('the document is there in both formats', async () => {
    const { url } = await startHttp();
    const yaml = await get(`${url}/asyncapi.yaml`);
    expect([yaml.headers.get('content-type'), yaml.text]).toEqual([
      'application/yaml; charset=utf-8',
      'asyncapi: 3.0.0\n',
    ]);
    const json = await get(`${url}/asyncapi.json`);
    expect(json.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(json.body()).toMatchObject({ asyncapi: '3.0.0' });
  });

  test('only /docs may compile code, and no page loads anything from elsewhere', async () => {
    const { url } = await startHttp();
    const policyOf = async (path: string) => (await get(url + path)).headers.get('content-security-policy') ?? '';
    expect(await policyOf('/docs')).toContain("'unsafe-eval'");
    for (const path of ['/', '/healthz', '/asyncapi.json', '/docs/assets/page.js', '/nowhere']) {
      expect(await policyOf(path), path).toContain("default-src 'none'");
      expect(await policyOf(path), path).not.toContain('unsafe');
      expect(await policyOf(path), path).not.toMatch(/https?:/);
    }
    for (const asset of ['asyncapi.js', 'asyncapi.css', 'page.js', 'page.css']) {
      expect((await get(`${url}/docs/assets/${asset}`)).status, asset).toBe(200);
    }
    const { headers } = await get(`${url}/healthz`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('strict-transport-security')).toBeNull();
  });

  test('nothing else of the disk is served', async () => {
    const { url, port } = await startHttp({ production: false });
    for (const path of ['/docs/assets/../../package.json', '/docs/assets/..%2f..%2fpackage.json', '/package.json']) {
      expect(await raw(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), path).toMatch(/ 40[04] /);
    }
    expect((await get(`${url}/docs/assets/`)).status).toBe(404);
  });

  test('in development / is the demo page, which needs nothing that the policy forbids', async () => {
    const { url } = await startHttp({ production: false });
    const { headers, text } = await get(url);
    expect(headers.get('content-type')).toContain('text/html');
    expect(text).not.toMatch(/<script(?![^>]*\ssrc=)|\son\w+=|<style|\sstyle=/);
    for (const [, path] of text.matchAll(/(?:src|href)="\.?\/?([^"]+\.(?:js|css))"/g)) {
      if (!path?.startsWith('socket.io/')) expect((await get(`${url}/${path ?? ''}`)).status, path).toBe(200);
    }
  });

  test('in production / says where the documents are', async () => {
    const { url } = await startHttp();
    expect((await get(url)).body()).toEqual({ name: 'deskwire', docs: '/docs' });
  });
});

describe('POST /v1/visitors', () => {
  const tokens = createTokens({
    keys: { kind: 'secret', key: secretKey(SECRET) },
    clockSkewSeconds: 5,
    clock: systemClock,
  });

  test('makes a customer of its own each time', async () => {
    const { url } = await startHttp();
    const answers = [
      await post(`${url}/v1/visitors`, '{"name":"Ann","metadata":{"page":"/prices"}}'),
      await post(`${url}/v1/visitors`, ''),
      await get(`${url}/v1/visitors`, { method: 'POST' }),
    ];
    const ids = new Set<unknown>();
    for (const [at, answer] of answers.entries()) {
      expect(answer.status).toBe(201);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      const { token, userId, expiresAt } = answer.body();
      const verified = await tokens.verify(token);
      expect(userId).toMatch(/^visitor-.{21}$/);
      expect(verified.actor).toMatchObject({
        tenant: 'default',
        role: 'customer',
        user: { id: userId, name: at === 0 ? 'Ann' : userId },
      });
      expect(new Date(verified.expiresAt).toISOString()).toBe(expiresAt);
      ids.add(userId);
    }
    expect(ids.size).toBe(3);
  });

  test.each([
    ['{"name":7}', 400, 'invalid_payload'],
    ['{"name":""}', 400, 'invalid_payload'],
    ['{"role":"agent"}', 400, 'invalid_payload'],
    ['{"__proto__":{"name":"x"}}', 400, 'invalid_payload'],
    ['[]', 400, 'invalid_payload'],
    ['{"name":', 400, 'invalid_payload'],
    [JSON.stringify({ metadata: { x: 'y'.repeat(9_000) } }), 413, 'payload_too_large'],
    [JSON.stringify({ metadata: { x: 'y'.repeat(20_000) } }), 413, 'payload_too_large'],
  ])('refuses %.40s', async (body, status, code) => {
    const { url } = await startHttp();
    expectProblem(await post(`${url}/v1/visitors`, body), status, code);
  });

  test('refuses another media type', async () => {
    const { url } = await startHttp();
    const answer = await post(`${url}/v1/visitors`, 'name=x', { 'content-type': 'application/x-www-form-urlencoded' });
    expectProblem(answer, 415, 'unsupported_media_type');
  });

  test('can be switched off', async () => {
    const { url } = await startHttp({ issueVisitor: undefined });
    expectProblem(await post(`${url}/v1/visitors`, '{}'), 404, 'not_found');
  });

  test('is limited by address, which a client can not choose', async () => {
    const clock = { ...systemClock, now: () => 1_700_000_000_500 };
    const limits = { ...DEFAULT_LIMITS, handshakesPerSecond: 3 };
    const { url } = await startHttp({ clock, limits });
    const answers = [];
    for (let at = 0; at < 5; at += 1) {
      answers.push(await post(`${url}/v1/visitors`, '{}', { 'x-forwarded-for': `192.0.2.${String(at)}` }));
    }
    expect(answers.map((answer) => answer.status)).toEqual([201, 201, 201, 429, 429]);
    const refused = answers[4];
    expect(refused?.headers.get('retry-after')).toBe('1');
    expect(refused?.body()).toMatchObject({ code: 'rate_limited', retryable: true, retryAfterMs: 500 });
  });

  test('a defect is answered without its cause', async () => {
    const { url, lines } = await startHttp({
      issueVisitor: () => {
        throw new Error('hunter2');
      },
    });
    const answer = await post(`${url}/v1/visitors`, '{}');
    expectProblem(answer, 500, 'internal');
    expect(answer.text).not.toContain('hunter2');
    expect(lines).toHaveLength(1);
  });
});

describe('pages of other origins', () => {
  const preflight = (url: string, origin: string) =>
    get(`${url}/v1/visitors`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });

  test.each([
    ['https://shop.example', 'https://shop.example'],
    ['https://shop.example.evil.test', null],
    ['http://shop.example', null],
    ['https://sub.shop.example', null],
    ['null', null],
  ])('%s', async (origin, allowed) => {
    const { url } = await startHttp();
    expect((await preflight(url, origin)).headers.get('access-control-allow-origin')).toBe(allowed);
    const answer = await post(`${url}/v1/visitors`, '{}', { origin });
    expect(answer.headers.get('access-control-allow-origin')).toBe(allowed);
  });

  test('none may read when none is configured', async () => {
    const { url } = await startHttp({ allowedOrigins: [] });
    const { headers } = await post(`${url}/v1/visitors`, '{}', { origin: 'https://shop.example' });
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('requests that fit nowhere', () => {
  test('an unknown address, without repeating it', async () => {
    const { url } = await startHttp();
    const answer = await get(`${url}/<script>hunter2`, { headers: { 'x-forwarded-host': 'hunter2.example' } });
    expectProblem(answer, 404, 'not_found');
    expect(answer.text).not.toContain('hunter2');
  });

  test('a known address with another method', async () => {
    const { url } = await startHttp();
    const answer = await get(`${url}/v1/visitors?x`, { method: 'GET' });
    expectProblem(answer, 405, 'not_found');
    expect(answer.headers.get('allow')).toBe('POST');
    expect((await get(`${url}/healthz`, { method: 'DELETE' })).headers.get('allow')).toBe('GET, HEAD');
  });

  test('an address that can not be decoded', async () => {
    const { url } = await startHttp();
    expectProblem(await get(`${url}/%zz`), 400, 'invalid_payload');
  });

  test('bytes that are no HTTP', async () => {
    const { port, url } = await startHttp();
    expect(await raw(port, 'HELLO\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 Bad Request\r\n[^]*problem\+json[^]*"status":400/,
    );
    expect(await raw(port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
    expect((await get(`${url}/healthz`)).status).toBe(200);
  });
});
