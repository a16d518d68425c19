import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Entry } from '../../src/contract/schemas.ts';
import { Clients, clientId, type TestClient } from '../support/client.ts';
import { agent, bot, customer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { BOTS_FIRST, COMES_BACK, Desk, Example, EXAMPLES, inOrder, spoken, wholeLog } from './support.ts';

const BOT = `${EXAMPLES}/node/bot.mjs`;

let desk: Desk;
let example: Example;
const clients = new Clients();

beforeEach(async () => {
  desk = new Desk(BOTS_FIRST);
  await desk.start();
  example = Example.of(process.execPath, [BOT, desk.url], bot('echo-bot', { name: 'Echo bot' }));
  await example.line('ready as Echo bot');
});
afterEach(async () => {
  clients.closeAll();
  await example.kill();
  await desk.remove();
});

/** A customer who sends again what was not answered. */
const ask = async (ann: TestClient, text: string): Promise<string> => {
  const clientMessageId = clientId();
  for (;;) {
    const reply = await ann.reply('message:send', { clientMessageId, text }).catch(() => undefined);
    if (reply?.ok === true) return reply.data.entry.conversationId;
  }
};

const answersTo = (client: TestClient, conversationId: string): string[] =>
  client
    .entries(conversationId)
    .flatMap((entry: Entry) =>
      entry.type === 'message:created' && entry.author?.role === 'bot' ? [entry.text ?? ''] : [],
    );

describe('the Node bot', () => {
  it('[CLIENT-2] takes a new conversation, is seen typing, and answers', async () => {
    const ann = await clients.connect(desk.url, customer('ann', { name: 'Ann' }));
    const conversationId = await ask(ann, 'Hello');
    const typing = await ann.event('typing:started');
    expect(typing.user.name).toBe('Echo bot');
    const answer = await ann.event('message:created', ({ author }) => author?.role === 'bot');
    expect(answer.text).toBe('You said: Hello');
    await ann.event('typing:stopped', ({ user }) => user.name === 'Echo bot');
    await example.line(`${conversationId} > You said: Hello`);
  });

  it('[CLIENT-2] [FEED-2] answers each message once and in order though the server is killed under it', async () => {
    const ann = await clients.connect(desk.url, customer('ann', { name: 'Ann' }), COMES_BACK);
    const conversationId = await ask(ann, 'one');
    await ann.event('message:created', ({ text }) => text === 'You said: one');

    // Killed while the bot thinks: the answer has no server to go to.
    await ask(ann, 'two');
    await example.line(`${conversationId} < two`);
    await desk.kill();
    await example.line(/^disconnected/);
    const three = ask(ann, 'three');
    await desk.start();
    await three;
    await ask(ann, 'four');
    await example.line(`${conversationId} > You said: four`);

    const log = await wholeLog(ann, conversationId);
    expect(inOrder(log)).toBe(true);
    const words = spoken(log);
    expect(words.filter((line) => line.startsWith('Ann'))).toEqual(['Ann: one', 'Ann: two', 'Ann: three', 'Ann: four']);
    expect(words.filter((line) => line.startsWith('Echo'))).toEqual(
      ['one', 'two', 'three', 'four'].map((text) => `Echo bot: You said: ${text}`),
    );
    expect(example.lines.filter((line) => line.includes(' > '))).toHaveLength(4);
  });

  it('[CLIENT-2] hands over to a person when asked to, and keeps silent then', async () => {
    const ann = await clients.connect(desk.url, customer('ann', { name: 'Ann' }));
    const bob = await clients.connect(desk.url, agent('bob', { name: 'Bob' }));
    await bob.request('agent:status', { status: 'online' });
    const conversationId = await ask(ann, 'Hello');
    await ann.event('message:created', ({ author }) => author?.role === 'bot');
    await ask(ann, 'May I talk to a person, please?');

    const released = await bob.event('conversation:released');
    expect(released).toMatchObject({ reason: 'bot_handoff', summary: 'Last words: May I talk to a person, please?' });
    await example.line(`${conversationId} left: handed over`);
    await bob.request('assignment:claim', { conversationId });
    await ask(ann, 'Are you there?');
    await bob.request('message:send', { conversationId, clientMessageId: clientId(), text: 'I am.' });
    await until('the end of it', () => ann.all('message:created').find(({ text }) => text === 'I am.'));
    expect(answersTo(ann, conversationId)).toEqual(['You said: Hello', 'I am calling a person.']);
    expect(example.lines.some((line) => line.includes('Are you there?'))).toBe(false);
  });

  it('[CLIENT-2] started anew, answers what an earlier run had taken and not answered', async () => {
    const ann = await clients.connect(desk.url, customer('ann', { name: 'Ann' }));
    await ask(ann, 'one');
    await ann.event('message:created', ({ text }) => text === 'You said: one');
    await ask(ann, 'two');
    await example.line(/ < two$/);
    await example.kill();
    example = Example.of(process.execPath, [BOT, desk.url], bot('echo-bot', { name: 'Echo bot' }));
    const conversationId = await ask(ann, 'three');
    await until('the end of it', () => answersTo(ann, conversationId).includes('You said: three'), 20_000);
    expect(answersTo(ann, conversationId)).toEqual(['You said: one', 'You said: two', 'You said: three']);
  });

  it('[CLIENT-2] claims where the server gives bots nothing', async () => {
    const plain = new Desk();
    try {
      await plain.start();
      const claimer = Example.of(process.execPath, [BOT, plain.url], bot('echo-bot', { name: 'Echo bot' }));
      try {
        await claimer.line('ready as Echo bot');
        const ann = await clients.connect(plain.url, customer('ann', { name: 'Ann' }));
        await ask(ann, 'Hello');
        const assigned = await ann.event('conversation:assigned');
        expect(assigned.reason).toBe('claimed');
        await ann.event('message:created', ({ text }) => text === 'You said: Hello');
      } finally {
        await claimer.kill();
      }
    } finally {
      await plain.remove();
    }
  });

  it('[CLIENT-2] says what is wrong with a token, and ends with 1', async () => {
    const stranger = new Example(process.execPath, [BOT, desk.url], 'not-a-token');
    expect(await stranger.exitCode()).toBe(1);
    expect(stranger.errors).toMatch(/^refused: token_invalid: \S/);
    const nobody = new Example(process.execPath, [BOT, desk.url], '');
    expect(await nobody.exitCode()).toBe(2);
    expect(nobody.errors).toMatch(/TOKEN/);
  });
});
