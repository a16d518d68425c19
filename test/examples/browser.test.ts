import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Clients } from '../support/client.ts';
import { agent, customer, supervisor, tokenFor } from '../support/server.ts';
import { openPage, side, startBrowser } from './browser.ts';
import { Desk, inOrder, MANUAL, spoken, wholeLog } from './support.ts';

const ANN = customer('ann', { name: 'Ann' });
const BOB = agent('bob', { name: 'Bob' });

let browser: Browser;
let context: BrowserContext;
let desk: Desk;
const clients = new Clients();

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
});
beforeEach(async () => {
  desk = new Desk(MANUAL);
  await desk.start();
  context = await browser.newContext();
});
afterEach(async () => {
  clients.closeAll();
  await context.close();
  await desk.remove();
});

/** Looks again until it holds. */
const soon = (look: () => Promise<void>): Promise<void> => vi.waitFor(look, { timeout: 15_000, interval: 20 });

const bothPanes = async () => {
  const opened = await openPage(context, `${desk.url}/#customer=${tokenFor(ANN)}&agent=${tokenFor(BOB)}`);
  const ann = side(opened.page, 'customer');
  const bob = side(opened.page, 'agent');
  await soon(async () => expect([await ann.state(), await bob.state()]).toEqual(['connected', 'connected']));
  return { ...opened, ann, bob };
};

const onlyAnn = async () => {
  const opened = await openPage(context, `${desk.url}/#customer=${tokenFor(ANN)}`);
  const ann = side(opened.page, 'customer');
  await soon(async () => expect(await ann.state()).toBe('connected'));
  return { ...opened, ann };
};

/** What the store has, read by somebody who sees all of it. */
const storedLog = async () => {
  const reader = await clients.connect(desk.url, supervisor('reader'));
  const { conversations } = await reader.request('conversation:list', {});
  expect(conversations).toHaveLength(1);
  return wholeLog(reader, conversations[0]?.id ?? '');
};

describe('the page', () => {
  it('[CLIENT-1] carries a conversation from the queue to its answers, with typing shown and gone', async () => {
    const { ann, bob, complaints } = await bothPanes();
    await ann.write('Where is my order?');
    await soon(async () => expect(await bob.work()).toEqual(['Take Ann']));
    await bob.press('Take Ann');
    await soon(async () => expect(await bob.messages()).toEqual(['Ann: Where is my order?']));
    await soon(async () => expect(await ann.log()).toContain('Bob answers'));

    await bob.begin('Let me');
    await soon(async () => expect(await ann.typing()).toBe('Bob is typing…'));
    await ann.begin('It is urg');
    await soon(async () => expect(await bob.typing()).toBe('Ann is typing: It is urg'));
    await ann.begin('');
    await soon(async () => expect(await bob.typing()).toBe(''));
    await bob.write('Let me look.');
    await soon(async () => expect(await ann.messages()).toEqual(['Where is my order?', 'Bob: Let me look.']));
    await soon(async () => expect(await ann.typing()).toBe(''));
    await soon(async () => expect(await bob.messages()).toEqual(['Ann: Where is my order?', 'Let me look.']));
    expect([await ann.pendingCount(), await bob.pendingCount()]).toEqual([0, 0]);
    expect(complaints).toEqual([]);
  });

  it('[CLIENT-1] [FEED-2] delivers what was typed while the server was down, and goes on with nothing lost or doubled', async () => {
    const { ann, bob } = await bothPanes();
    await ann.write('one');
    await soon(async () => expect(await bob.work()).toEqual(['Take Ann']));
    await bob.press('Take Ann');
    await soon(async () => expect(await bob.messages()).toEqual(['Ann: one']));

    // The first of these is on its way when the server dies, the others find none.
    await ann.write('two');
    await desk.kill();
    await soon(async () => expect([await ann.state(), await bob.state()]).toEqual(['reconnecting', 'reconnecting']));
    await ann.write('three');
    await bob.write('four');
    await ann.write('five');
    expect(await ann.pendingCount()).toBeGreaterThanOrEqual(2);
    expect(await bob.pendingCount()).toBe(1);
    await desk.start();

    await soon(async () => expect([await ann.pendingCount(), await bob.pendingCount()]).toEqual([0, 0]));
    await bob.write('six');
    await soon(async () => expect((await ann.messages()).at(-1)).toBe('Bob: six'));
    const log = await storedLog();
    expect(inOrder(log)).toBe(true);
    const words = spoken(log);
    expect([...words].sort()).toEqual(['Ann: five', 'Ann: one', 'Ann: three', 'Ann: two', 'Bob: four', 'Bob: six']);
    expect(words.filter((line) => line.startsWith('Ann'))).toEqual(['Ann: one', 'Ann: two', 'Ann: three', 'Ann: five']);
    // Each pane shows the log as it stands: the own words without a name, the others' with one.
    expect(await ann.messages()).toEqual(words.map((line) => line.replace(/^Ann: /, '')));
    expect(await bob.messages()).toEqual(words.map((line) => line.replace(/^Bob: /, '')));
  });

  it('[CLIENT-1] shows one conversation in two tabs of a customer, before and after SIGKILL', async () => {
    const { ann, bob } = await bothPanes();
    await ann.write('from the first tab');
    await soon(async () => expect(await bob.work()).toEqual(['Take Ann']));
    const { ann: second } = await onlyAnn();
    await soon(async () => expect(await second.messages()).toEqual(['from the first tab']));
    await second.write('from the second tab');
    await soon(async () => expect(await ann.messages()).toEqual(['from the first tab', 'from the second tab']));

    await desk.kill();
    await soon(async () => expect([await ann.state(), await second.state()]).toEqual(['reconnecting', 'reconnecting']));
    await Promise.all([ann.write('first, offline'), second.write('second, offline')]);
    await desk.start();
    await soon(async () => expect(await ann.messages()).toHaveLength(4));
    await soon(async () => expect(await second.messages()).toHaveLength(4));
    const words = spoken(await storedLog()).map((line) => line.replace('Ann: ', ''));
    expect(await ann.messages()).toEqual(words);
    expect(await second.messages()).toEqual(words);
    expect([...words.slice(2)].sort()).toEqual(['first, offline', 'second, offline']);
  });

  it('[CLIENT-1] opens one conversation when two tabs send their first message at once', async () => {
    const { ann } = await onlyAnn();
    const { ann: second } = await onlyAnn();
    await Promise.all([ann.write('one'), second.write('other')]);
    await soon(async () => expect(await ann.messages()).toHaveLength(2));
    await soon(async () => expect(await second.messages()).toHaveLength(2));
    expect(spoken(await storedLog())).toHaveLength(2);
    expect(await ann.messages()).toEqual(await second.messages());
  });

  it('[CLIENT-1] tells an agent that somebody else was faster, and what a refused token is refused for', async () => {
    const { ann, bob } = await bothPanes();
    await ann.write('Hello?');
    await soon(async () => expect(await bob.work()).toEqual(['Take Ann']));
    const carol = await clients.connect(desk.url, agent('carol', { name: 'Carol' }));
    const { conversations } = await carol.request('conversation:list', { status: 'queued' });
    await carol.request('assignment:claim', { conversationId: conversations[0]?.id ?? '' });
    await bob.press('Take Ann');
    await soon(async () => expect((await bob.log()).join()).toMatch(/assigned/));
    await soon(async () => expect(await bob.work()).toEqual([]));

    const { page } = await openPage(context, `${desk.url}/#customer=not-a-token`);
    await soon(async () => expect(await side(page, 'customer').state()).toBe('refused'));
    expect(await page.locator('#customer .state').textContent()).toMatch(/token was refused/);
  });

  it('[CLIENT-1] makes an anonymous customer of who comes without a token', async () => {
    const { page, complaints } = await openPage(context, desk.url);
    const visitor = side(page, 'customer');
    await soon(async () => expect(await visitor.state()).toBe('connected'));
    await visitor.write('Hello');
    await soon(async () => expect(await visitor.messages()).toEqual(['Hello']));
    await soon(async () => expect(await visitor.pendingCount()).toBe(0));
    expect(complaints).toEqual([]);
  });
});

describe('the page on a desk that routes', () => {
  const cleo = agent('cleo', { name: 'Cleo', departments: ['billing'] });

  /** The server of every test is another one than what this describes. */
  const restart = async (env: Record<string, string>): Promise<void> => {
    await desk.remove();
    desk = new Desk(env);
    await desk.start();
  };

  it('[CLIENT-1] shows a customer his place, that nobody is online, and who answers; the agent takes a break', async () => {
    await restart({});
    const { ann, bob, complaints } = await bothPanes();
    await soon(async () => expect(await bob.status()).toBe('online'));
    await bob.click('online');
    await soon(async () => expect(await bob.status()).toBe('away'));
    const first = await clients.connect(desk.url, customer('ben', { name: 'Ben' }));
    await first.request('message:send', { clientMessageId: 'first', text: 'I was here first.' });
    await ann.write('Where is my order?');
    await soon(async () =>
      expect(await ann.standing()).toBe('Nobody is online at the moment. You are number 2 in the queue.'),
    );
    await bob.click('away');
    await soon(async () => expect(await ann.standing()).toBe('You are talking with Bob.'));
    await soon(async () => expect(await bob.work()).toHaveLength(2));

    await bob.press('Ann');
    await bob.click('Close');
    await soon(async () => expect(await ann.standing()).toBe('This conversation is closed.'));
    expect(complaints).toEqual([]);
  });

  it('[CLIENT-1] keeps a break over a reload, shows the place in the queue after one, and hands over', async () => {
    await restart({});
    const carol = await clients.connect(desk.url, cleo);
    await carol.request('agent:status', { status: 'online', capacity: 0 });
    const { page, ann, bob, complaints } = await bothPanes();
    await soon(async () => expect(await bob.status()).toBe('online'));
    await ann.write('My invoice is wrong.');
    await soon(async () => expect(await ann.standing()).toBe('You are talking with Bob.'));
    await soon(async () => expect(await bob.targets()).toEqual(['Cleo (0 of 0)', 'Department billing']));
    await bob.transferTo('Cleo (0 of 0)');
    await soon(async () => expect((await bob.log()).at(-1)).toMatch(/can hold 0/));
    await bob.transferTo('Department billing');
    await soon(async () => expect(await ann.standing()).toMatch(/You are next\.$/));
    await bob.click('online');
    await soon(async () => expect(await bob.status()).toBe('away'));
    await page.reload();
    await soon(async () => expect(await ann.standing()).toMatch(/You are next\.$/));
    await soon(async () => expect(await bob.status()).toBe('away'));
    await carol.request('agent:status', { status: 'online', capacity: 1 });
    await soon(async () => expect(await ann.standing()).toBe('You are talking with Cleo.'));
    expect(complaints).toEqual([]);
  });

  it('[CLIENT-1] offers a conversation, to be declined or accepted', async () => {
    await restart({ DESKWIRE_ROUTING: 'offer', DESKWIRE_LIMITS: JSON.stringify({ passMs: 100 }) });
    const { page, ann, bob } = await bothPanes();
    await ann.write('Hello?');
    await soon(async () =>
      expect(await page.locator('#agent .offers').textContent()).toMatch(/^Ann is offered to you/),
    );
    await bob.click('Decline');
    // There is nobody else, so it comes again.
    await soon(async () => expect(await page.locator('#agent .offers button').count()).toBe(2));
    await bob.click('Accept');
    await soon(async () => expect(await ann.standing()).toBe('You are talking with Bob.'));
    await soon(async () => expect(await bob.messages()).toEqual(['Ann: Hello?']));
    expect(await page.locator('#agent .offers button').count()).toBe(0);
  });

  it('[CLIENT-1] says until when the desk is closed, and what the server answers by itself', async () => {
    // Three days from now, so that it is closed whenever this runs.
    const day = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][(new Date().getUTCDay() + 3) % 7] ?? '';
    const week = { [day]: ['09:00-17:00'] };
    const closed = { '*': { hours: { week }, outOfHoursMessage: 'We are on holiday.' } };
    await restart({ DESKWIRE_DEPARTMENTS: JSON.stringify(closed) });
    const { ann } = await onlyAnn();
    await ann.write('Hello?');
    await soon(async () => expect(await ann.standing()).toMatch(/^We are closed until \w+.* Your message is kept\.$/));
    await soon(async () => expect(await ann.messages()).toEqual(['Hello?', 'Automatic answer: We are on holiday.']));
  });
});
