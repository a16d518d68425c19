import { describe, expect, it } from 'vitest';
import { endToEnd, onOneNode } from '../support/e2e.ts';
import { customer, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect, someone, server, clients } = endToEnd({
  limits: { sessionExpiringMs: 1_500, connectionsPerUser: 3 },
  env: { DESKWIRE_JWT_CLOCK_SKEW_SECONDS: '0' },
});

const refusal = async (auth: object) => {
  const client = clients.open(server().url, auth);
  const errors: (Error & { data?: unknown })[] = [];
  client.socket.on('connect_error', (error) => errors.push(error));
  return until('connect_error', () => errors[0]);
};

describe('a session', () => {
  it('[AUTH-2] is refused for good with an error object', async () => {
    expect((await refusal({})).data).toMatchObject({ code: 'token_missing', retryable: false });
    expect((await refusal({ token: 'nonsense' })).data).toMatchObject({ code: 'token_invalid', retryable: false });
    expect((await refusal({ token: 7 })).data).toMatchObject({ code: 'token_invalid' });
    expect((await refusal({ token: tokenFor(customer('late'), -10) })).data).toMatchObject({
      code: 'token_expired',
      retryable: false,
    });
  });

  it('[AUTH-3] says what it is, warns of its end, and ends at that moment', async () => {
    const started = Date.now();
    const client = await clients
      .open(server().url, { token: tokenFor(customer('ann', { name: 'Ann' }), 3) })
      .connected();
    expect(client.all('session:ready')[0]).toMatchObject({
      userId: 'ann',
      role: 'customer',
      tenant: 'default',
      name: 'Ann',
      protocol: 1,
    });
    const warned = await client.event('session:expiring');
    expect(Date.parse(warned.tokenExpiresAt) - Date.now()).toBeLessThanOrEqual(1_500);
    expect(await client.event('session:ended')).toEqual({ code: 'token_expired', reconnect: true });
    expect(Date.now() - started).toBeGreaterThanOrEqual(1_900);
    await until('the connection to end', () => client.socket.disconnected);
  });

  it('[AUTH-3] goes on in place with a new token of the same actor only', async () => {
    const client = await clients.open(server().url, { token: tokenFor(customer('ann'), 3) }).connected();
    const first = client.all('session:ready')[0]?.tokenExpiresAt ?? '';
    for (const other of [
      customer('eve'),
      customer('ann', { tenant: 'other' }),
      { sub: 'ann', role: 'agent' as const },
    ]) {
      expect(await client.refused('session:refresh', { token: tokenFor(other) })).toMatchObject({ code: 'forbidden' });
    }
    expect(await client.refused('session:refresh', { token: 'nonsense' })).toMatchObject({ code: 'token_invalid' });
    const { tokenExpiresAt } = await client.request('session:refresh', { token: tokenFor(customer('ann'), 3600) });
    expect(Date.parse(tokenExpiresAt)).toBeGreaterThan(Date.parse(first));
    await until('the first token to expire', () => Date.now() > Date.parse(first) + 200);
    expect(client.socket.connected).toBe(true);
    expect(client.all('session:ended')).toEqual([]);
    await client.request('conversation:list', {});
  });

  it.runIf(onOneNode)('[REQ-5] of one user too many is closed, and comes in when there is room', async () => {
    const sub = someone();
    const first = await Promise.all([connect(customer(sub)), connect(customer(sub)), connect(customer(sub))]);
    const fourth = clients.open(
      server().url,
      { token: tokenFor(customer(sub)) },
      { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 50 },
    );
    await until('the fourth to be closed', () =>
      server().logged.some(({ message }) => message === 'too many connections of one user'),
    );
    expect(fourth.all('session:ready')).toEqual([]);
    first[0].close();
    await fourth.connected();
  });

  it('[AUTH-2] works over long-polling and over the upgrade to WebSocket', async () => {
    for (const transports of [['polling'], ['polling', 'websocket']]) {
      const client = await connect(customer(someone()), { transports });
      const { entry } = await client.request('message:send', { clientMessageId: 'm', text: 'over polling' });
      await client.event('message:created', ({ id }) => id === entry.id);
      if (transports.includes('websocket'))
        await until('the upgrade', () => client.socket.io.engine.transport.name === 'websocket');
      expect(await client.request('message:send', { clientMessageId: 'n', text: 'again' })).toMatchObject({
        duplicate: false,
      });
    }
  });
});
