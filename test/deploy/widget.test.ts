import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../support/redis.ts';
import { customer, tokenFor } from '../support/server.ts';
import { startDeployment, type Deployment } from './deployment.ts';
import { startLoadBalancer } from './load-balancer.ts';

const REQUESTS = 12;

let desk: Deployment;
let balancer: { stop(): Promise<void> };
let browser: Browser;
let shop = '';
let support = '';

/** `tryOut` gives how many of its requests were answered on one session. */
const page = (server: string): string => `<!doctype html><title>A shop</title>
<script src="${server}/socket.io/socket.io.js"></script>
<script>
  window.tryOut = (token, requests, options) => new Promise((resolve) => {
    const socket = io('${server}', { auth: { token }, reconnection: false, forceNew: true, ...options });
    let answered = 0;
    const end = () => { socket.disconnect(); resolve(answered); };
    socket.on('session:ready', async () => {
      while (answered < requests && socket.connected) {
        const reply = await socket.timeout(5000).emitWithAck('conversation:list', {}).catch(() => undefined);
        if (reply === undefined || !reply.ok) break;
        answered += 1;
      }
      end();
    });
    socket.on('connect_error', () => { if (!socket.active) end(); });
    socket.on('disconnect', end);
  });
</script>`;

beforeAll(async () => {
  const [port = 0] = await freePorts(1);
  shop = `https://shop.test:${String(port)}`;
  support = `https://support.test:${String(port)}`;
  desk = await startDeployment({ DESKWIRE_ALLOWED_ORIGINS: shop, DESKWIRE_TRUSTED_PROXIES: '2' });
  balancer = await startLoadBalancer(port, desk.proxy.port, { [`shop.test:${String(port)}`]: page(support) });
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--host-resolver-rules=MAP *.test 127.0.0.1', '--ignore-certificate-errors'],
      // As browsers do that keep sites apart: cookies of others only where they are made for that.
      '--test-third-party-cookie-phaseout',
    ],
  });
});
afterAll(async () => {
  await browser.close();
  await balancer.stop();
  await desk.stop();
});

const tryOut = async (options: Record<string, unknown>): Promise<{ answered: number; cookies: object[] }> => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  try {
    const tab = await context.newPage();
    await tab.goto(shop);
    const answered = await tab.evaluate(
      ([token, requests, more]) =>
        (globalThis as unknown as { tryOut(token: string, requests: number, options: object): Promise<number> }).tryOut(
          token,
          requests,
          more,
        ),
      [tokenFor(customer('ann')), REQUESTS, options] as const,
    );
    // Not by address: a cookie that is kept apart for a page's site does not belong to an address alone.
    const cookies = await context.cookies();
    return {
      answered,
      cookies: cookies.map(({ name, httpOnly, secure, partitionKey }) => ({ name, httpOnly, secure, partitionKey })),
    };
  } finally {
    await context.close();
  }
};

describe('a widget in a page of another site, in Chromium, over TLS that ends at a load balancer', () => {
  it('stays at its node over long-polling, by a cookie that a browser takes that refuses those of other sites', async () => {
    const { answered, cookies } = await tryOut({ transports: ['polling'], withCredentials: true });
    expect(answered).toBe(REQUESTS);
    expect(cookies).toEqual([
      { name: 'deskwire_node', httpOnly: true, secure: true, partitionKey: 'https://shop.test' },
    ]);
  });

  it('does not, without withCredentials', async () => {
    const tries = await Promise.all([1, 2, 3].map(() => tryOut({ transports: ['polling'] })));
    expect(tries.flatMap(({ cookies }) => cookies)).toEqual([]);
    expect(tries.some(({ answered }) => answered < REQUESTS)).toBe(true);
  });

  it('needs neither over WebSocket', async () => {
    expect(await tryOut({ transports: ['websocket'] })).toEqual({ answered: REQUESTS, cookies: [] });
  });

  it('works as docs/operations.md says', async () => {
    const { answered } = await tryOut({
      transports: ['websocket', 'polling'],
      ...{ tryAllTransports: true, withCredentials: true },
    });
    expect(answered).toBe(REQUESTS);
  });
});
