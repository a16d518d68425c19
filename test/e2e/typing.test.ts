import { describe, expect, it } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { endToEnd, onOneNode } from '../support/e2e.ts';
import { agent, bot, customer } from '../support/server.ts';
import { until } from '../support/until.ts';

const TYPING_MS = 700;
const { connect, someone } = endToEnd({ limits: { typingMs: TYPING_MS, typingRepeatMs: 200 } });

const room = async () => {
  const ann = await connect(customer(someone(), { name: 'Ann' }));
  const bob = await connect(agent(someone(), { name: 'Bob' }));
  const { entry } = await ann.request('message:send', { clientMessageId: 'm', text: 'Hello' });
  const { conversationId } = entry;
  await bob.request('assignment:claim', { conversationId });
  await bob.request('conversation:join', { conversationId });
  return { ann, bob, conversationId };
};

const stopped = (client: TestClient) => until('typing:stopped', () => client.all('typing:stopped')[0]);

describe('typing', () => {
  it('[TYPE-1] ends with stop, message, leave, disconnect, hand-over, closing or expiry, each once', async () => {
    const endings: Record<string, (typist: TestClient, conversationId: string) => unknown> = {
      stopped: (typist, conversationId) => typist.request('typing:stop', { conversationId }),
      message: (typist, conversationId) =>
        typist.request('message:send', { conversationId, clientMessageId: 'x', text: 'x' }),
      left: (typist, conversationId) => typist.request('conversation:leave', { conversationId }),
      disconnected: (typist) => {
        typist.close();
      },
      reassigned: (typist, conversationId) => typist.request('assignment:release', { conversationId }),
      closed: (typist, conversationId) => typist.request('conversation:close', { conversationId }),
      expired: () => undefined,
    };
    await Promise.all(
      Object.entries(endings).map(async ([reason, end]) => {
        const { ann, bob, conversationId } = await room();
        const { expiresAt } = await bob.request('typing:start', { conversationId });
        expect(await ann.event('typing:started')).toMatchObject({ user: { name: 'Bob' }, expiresAt });
        await end(bob, conversationId);
        expect(await stopped(ann)).toMatchObject({ conversationId, user: { name: 'Bob' }, reason });
        await until('the time of expiry to pass', () => Date.now() > Date.parse(expiresAt) + 100);
        expect(ann.all('typing:stopped')).toHaveLength(1);
        expect(bob.all('typing:stopped')).toEqual([]);
      }),
    );
  });

  it('[TYPE-1] on one device goes on when another device of the same person leaves', async () => {
    const { ann, bob, conversationId } = await room();
    const me = bob.all('session:ready')[0]?.userId ?? '';
    const phone = await connect(agent(me));
    await phone.request('conversation:join', { conversationId });
    await bob.request('typing:start', { conversationId });
    await ann.event('typing:started');
    phone.close();
    expect(await stopped(ann)).toMatchObject({ reason: 'expired' });
  });

  it('[TYPE-2] a preview of the customer reaches staff only, one of an agent never the customer', async () => {
    const { ann, bob, conversationId } = await room();
    const other = await connect(customer(ann.all('session:ready')[0]?.userId ?? ''));
    await other.request('conversation:join', { conversationId });
    await ann.request('typing:start', { conversationId, preview: 'my secret th' });
    expect(await bob.event('typing:started')).toMatchObject({ preview: 'my secret th' });
    await bob.request('typing:start', { conversationId, preview: 'he is annoying' });
    expect(await ann.event('typing:started')).not.toHaveProperty('preview');
    expect((await other.event('typing:started')).user.name).toBe('Bob');
    expect(JSON.stringify([ann.received, other.received])).not.toContain('annoying');
    expect(other.all('typing:started').filter(({ user }) => user.name === 'Ann')).toEqual([]);
  });

  it('[TYPE-2] reaches no bot with a preview', async () => {
    const ann = await connect(customer(someone()));
    const robot = await connect(bot(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    await robot.request('assignment:claim', { conversationId: conversation.id });
    await robot.request('conversation:join', { conversationId: conversation.id });
    await ann.request('typing:start', { conversationId: conversation.id, preview: 'secret' });
    expect(await robot.event('typing:started')).not.toHaveProperty('preview');
  });

  it('[TYPE-2] repeats are throttled, and do not put off the end', async () => {
    const { ann, bob, conversationId } = await room();
    const first = await bob.request('typing:start', { conversationId });
    for (let repeat = 0; repeat < 20; repeat += 1) {
      expect(await bob.request('typing:start', { conversationId })).toEqual(first);
    }
    expect((await stopped(ann)).reason).toBe('expired');
    expect(ann.all('typing:started').length).toBe(1);
  });

  it.runIf(onOneNode)('[TYPE-1] is listed on joining and refused where one has not joined', async () => {
    const { ann, bob, conversationId } = await room();
    await ann.request('typing:start', { conversationId, preview: 'x' });
    const { typing } = await bob.request('conversation:join', { conversationId });
    expect(typing).toMatchObject([{ user: { name: 'Ann' } }]);
    expect((await ann.request('conversation:join', { conversationId })).typing).toEqual([]);
    const late = await connect(agent(someone()));
    expect(await late.refused('typing:start', { conversationId })).toMatchObject({ code: 'forbidden' });
  });
});

describe('participants', () => {
  it('[HERE-1] join with their first connection and leave with their last; who only looks on is not shown to the customer', async () => {
    const { ann, bob, conversationId } = await room();
    const me = bob.all('session:ready')[0]?.userId ?? '';
    await ann.event('participant:joined', ({ user }) => user.id === me);
    const phone = await connect(agent(me));
    // A node that nobody else of the conversation is on asks the others who is there.
    const participants = await until('both to be shown as online', async () => {
      const joined = await phone.request('conversation:join', { conversationId });
      return joined.participants.every(({ online }) => online) && joined.participants;
    });
    expect(participants).toMatchObject([{ name: 'Ann' }, { id: me }]);
    phone.close();
    const lurker = await connect(agent(someone(), { name: 'Lurker' }));
    await lurker.request('conversation:join', { conversationId });
    await bob.event('participant:joined', ({ user }) => user.name === 'Lurker');
    expect((await bob.request('conversation:join', { conversationId })).participants.map(({ name }) => name)).toContain(
      'Lurker',
    );
    expect(
      (await ann.request('conversation:join', { conversationId })).participants.map(({ name }) => name),
    ).not.toContain('Lurker');
    bob.close();
    expect(await ann.event('participant:left')).toMatchObject({ user: { id: me } });
    expect(ann.all('participant:joined')).toHaveLength(1);
    expect(ann.all('participant:left')).toHaveLength(1);
    expect(JSON.stringify(ann.received)).not.toContain('Lurker');
  });
});
