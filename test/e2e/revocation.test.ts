import { describe, expect, it } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { Company, open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { tokenFor, type Identity } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect, clients, server } = endToEnd();

const ended = (client: TestClient): Promise<unknown> =>
  until('the connection to end', () => client.socket.disconnected && client.all('session:ended')[0]);

const refusal = async (token: string): Promise<unknown> => {
  const client = clients.open(server().url, { token });
  const errors: (Error & { data?: unknown })[] = [];
  client.socket.on('connect_error', (error) => errors.push(error));
  return (await until('connect_error', () => errors[0])).data;
};

/** Signed once it is another second, as `iat` counts them. */
const laterToken = async (identity: Identity, revokedAt: string): Promise<string> => {
  const second = Math.floor(Date.parse(revokedAt) / 1_000);
  await until('the next second', () => Date.now() >= (second + 1) * 1_000);
  return tokenFor(identity);
};

describe('session:revoke', () => {
  it('[AUTH-5] ends all connections of the person, refuses his tokens, and takes one that is issued later', async () => {
    const company = new Company(connect);
    const boss = await company.supervisor('boss');
    const identity = company.identity('bob');
    const token = tokenFor(identity);
    const devices = [await company.agent('bob'), await company.agent('bob')];
    const { revokedAt } = await boss.request('session:revoke', { userId: 'bob' });
    for (const device of devices) expect(await ended(device)).toEqual({ code: 'token_revoked', reconnect: false });
    expect(await refusal(token)).toMatchObject({ code: 'token_revoked', retryable: false });

    const back = await clients.open(server().url, { token: await laterToken(identity, revokedAt) }).connected();
    expect(await back.refused('session:refresh', { token })).toMatchObject({ code: 'token_revoked' });
    await back.request('agent:status', { status: 'online' });
    // Repeated, it ends what was let in since.
    await boss.request('session:revoke', { userId: 'bob' });
    await ended(back);
  });

  it('[AUTH-5] is about one `sub` of one tenant, whatever his role, and takes nothing from what was said', async () => {
    const [company, other] = [new Company(connect), new Company(connect)];
    const boss = await company.supervisor('boss');
    const ann = await company.customer('ann');
    const bystanders = [await company.customer('anna'), await other.customer('ann'), boss];
    const { id } = await open(ann);
    await ann.request('message:send', { conversationId: id, clientMessageId: 'm', text: 'before' });
    await boss.request('session:revoke', { userId: 'ann' });
    await ended(ann);
    const { entries } = await boss.request('conversation:history', { conversationId: id, afterSeq: 0 });
    expect(entries.at(-1)).toMatchObject({ type: 'message:created', text: 'before' });
    for (const one of bystanders) {
      await one.request('conversation:list', {});
      expect(one.all('session:ended')).toEqual([]);
    }
  });

  it('answers who revokes himself before it ends his connection', async () => {
    const boss = await new Company(connect).supervisor('boss');
    await boss.request('session:revoke', { userId: 'boss' });
    await ended(boss);
  });

  it('is for supervisors', async () => {
    const company = new Company(connect);
    for (const one of [await company.agent('bob'), await company.customer('ann'), await company.bot('rob')]) {
      expect(await one.refused('session:revoke', { userId: 'boss' })).toMatchObject({ code: 'forbidden' });
    }
  });
});
