import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Clients, clientId, type TestClient } from '../support/client.ts';
import { agent, customer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { COMES_BACK, Desk, Example, EXAMPLES, inOrder, MANUAL, PYTHON, spoken, wholeLog } from './support.ts';

const BACK_OFFICE = `${EXAMPLES}/python/back_office.py`;
const ASK = `${EXAMPLES}/python/ask.py`;

let desk: Desk;
let examples: Example[] = [];
const clients = new Clients();

const run = (example: Example): Example => {
  examples.push(example);
  return example;
};

beforeEach(async () => {
  desk = new Desk(MANUAL);
  await desk.start();
});
afterEach(async () => {
  clients.closeAll();
  for (const example of examples) await example.kill();
  examples = [];
  await desk.remove();
});

/** Sends until it is answered, as the examples do. */
const say = async (client: TestClient, text: string, conversationId?: string): Promise<string> => {
  const message = { clientMessageId: clientId(), text, ...(conversationId === undefined ? {} : { conversationId }) };
  for (;;) {
    const reply = await client.reply('message:send', message).catch(() => undefined);
    if (reply?.ok === true) return reply.data.entry.conversationId;
  }
};

const numbered = (lines: string[]): string[] => lines.filter((line) => /^\d+ /.test(line));

describe('the asynchronous Python client', () => {
  it('[CLIENT-3] takes a conversation that waits, sends, receives and shows who is typing', async () => {
    const ann = await clients.connect(desk.url, customer('ann', { name: 'Ann' }));
    const conversationId = await say(ann, 'Where is my order?');
    const office = run(Example.of(PYTHON, [BACK_OFFICE, desk.url], agent('carol', { name: 'Carol' })));
    await office.line('2 Ann: Where is my order?');
    await office.line('3 Carol answers');

    await ann.request('typing:start', { conversationId });
    await office.line('Ann is typing');
    office.type('On its way.');
    await ann.event('typing:started', ({ user }) => user.name === 'Carol');
    await ann.event('message:created', ({ text }) => text === 'On its way.');
    await office.line('stored as 4');
    office.endInput();
    expect(await office.exitCode()).toBe(0);
    expect(office.errors).toBe('');
  });

  it('[CLIENT-3] takes a conversation that is opened later; a customer opens one with the first line', async () => {
    const office = run(Example.of(PYTHON, [BACK_OFFICE, desk.url], agent('carol', { name: 'Carol' })));
    await office.line('ready as Carol');
    const ann = run(Example.of(PYTHON, [BACK_OFFICE, desk.url], customer('ann', { name: 'Ann' })));
    ann.type('Where is my order?');
    await office.line('2 Ann: Where is my order?');
    office.type('On its way.');
    await ann.line('4 Carol: On its way.');
    expect(numbered(ann.lines)).toEqual(['2 Ann: Where is my order?', '3 Carol answers', '4 Carol: On its way.']);
  });

  it('[CLIENT-3] [FEED-2] goes on after SIGKILL where it was: nothing lost, doubled or out of order', async () => {
    const ann = await clients.connect(desk.url, customer('ann', { name: 'Ann' }), COMES_BACK);
    const conversationId = await say(ann, 'one');
    const office = run(Example.of(PYTHON, [BACK_OFFICE, desk.url], agent('carol', { name: 'Carol' })));
    await office.line('3 Carol answers');

    for (let round = 0; round < 2; round += 1) {
      const words = ['before', 'during', 'after'].map((when) => `${when} ${String(round)}`);
      // On their way when the server dies: acknowledged or not, each has to be there in the end.
      const flood = words.map((text) => say(ann, text));
      office.type(`office ${String(round)}`);
      await desk.kill();
      office.type(`office, offline ${String(round)}`);
      await until('the disconnect', () => office.lines.filter((line) => line === 'disconnected').length > round);
      await desk.start();
      await Promise.all(flood);
      await office.line(new RegExp(`Carol: office, offline ${String(round)}$`));
    }
    await say(ann, 'the end');
    await office.line(/Ann: the end$/);

    const log = await wholeLog(ann, conversationId);
    expect(inOrder(log)).toBe(true);
    expect(numbered(office.lines).map((line) => line.replace(/^\d+ /, ''))).toEqual([
      'Ann: one',
      'Carol answers',
      ...spoken(log).slice(1),
    ]);
    const words = spoken(log);
    expect(new Set(words).size).toBe(words.length);
    expect(words).toHaveLength(12);
    expect(words.filter((line) => line.startsWith('Carol'))).toEqual([
      'Carol: office 0',
      'Carol: office, offline 0',
      'Carol: office 1',
      'Carol: office, offline 1',
    ]);
  });

  it('[CLIENT-3] says what is wrong with a token, and ends with 1', async () => {
    const stranger = run(new Example(PYTHON, [BACK_OFFICE, desk.url], 'not-a-token'));
    expect(await stranger.exitCode()).toBe(1);
    expect(stranger.errors).toMatch(/^refused: token_invalid: [^\n]+\n$/);
  });
});

describe('the synchronous Python client, over long-polling', () => {
  it('[CLIENT-4] asks, sees who answers and that he is typing, and ends with the answer', async () => {
    const bob = await clients.connect(desk.url, agent('bob', { name: 'Bob' }));
    await bob.request('agent:status', { status: 'online' });
    const ask = run(Example.of(PYTHON, [ASK, desk.url, 'Do you ship to Norway?'], customer('dave', { name: 'Dave' })));
    const { conversationId } = await bob.event('conversation:opened');
    await ask.line('stored as 2');
    await bob.request('assignment:claim', { conversationId });
    await bob.request('conversation:join', { conversationId });
    await ask.line('3 Bob answers');
    await bob.request('typing:start', { conversationId });
    await ask.line('Bob is typing');
    await say(bob, 'We do.', conversationId);
    await ask.line('4 Bob: We do.');
    expect(await ask.exitCode()).toBe(0);
    expect(ask.errors).toBe('');
  });

  it('[CLIENT-4] [FEED-2] reads after SIGKILL what was said meanwhile, in order and once', async () => {
    const bob = await clients.connect(desk.url, agent('bob', { name: 'Bob' }), COMES_BACK);
    await bob.request('agent:status', { status: 'online' });
    const dave = await clients.connect(desk.url, customer('dave', { name: 'Dave' }), COMES_BACK);
    const ask = run(Example.of(PYTHON, [ASK, desk.url, 'Do you ship to Norway?'], customer('dave', { name: 'Dave' })));
    const { conversationId } = await bob.event('conversation:opened');
    await ask.line('stored as 2');
    await desk.kill();
    await desk.start();
    // The customer's other device goes on while the script is still on its way back.
    for (const text of ['And', 'to', 'Iceland?']) await say(dave, text);
    await until(
      'the second connection',
      () => ask.lines.filter((line) => line === 'ready as Dave').length === 2,
      20_000,
    );
    await say(dave, 'Or Greenland?');
    const claim = await bob.request('assignment:claim', { conversationId });
    await say(bob, 'To all three.', conversationId);
    expect(await ask.exitCode()).toBe(0);

    const log = await wholeLog(bob, conversationId);
    expect(inOrder(log)).toBe(true);
    expect(claim.entry.seq).toBe(7);
    expect(numbered(ask.lines)).toEqual([
      '3 Dave: And',
      '4 Dave: to',
      '5 Dave: Iceland?',
      '6 Dave: Or Greenland?',
      '7 Bob answers',
      '8 Bob: To all three.',
    ]);
    expect(spoken(log).filter((line) => line === 'Dave: Do you ship to Norway?')).toHaveLength(1);
  });

  it('[CLIENT-4] asks once a server is there that was not when it began', async () => {
    await desk.kill();
    const ask = run(Example.of(PYTHON, [ASK, desk.url, 'Anybody there?'], customer('dave', { name: 'Dave' })));
    await until('a try', () => ask.errors.includes('not connected'), 20_000);
    await desk.start();
    await ask.line('stored as 2');
  });

  it('[CLIENT-4] says what is wrong with a token, and ends with 1', async () => {
    const stranger = run(new Example(PYTHON, [ASK, desk.url, 'Hello?'], 'not-a-token'));
    expect(await stranger.exitCode()).toBe(1);
    expect(stranger.errors).toMatch(/^refused: token_invalid: [^\n]+\n$/);
  });
});
