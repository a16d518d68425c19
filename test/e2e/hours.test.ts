import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { secretKey } from '../../src/auth/keys.ts';
import { createTokens } from '../../src/auth/tokens.ts';
import { createMemoryBus } from '../../src/cluster/memory-bus.ts';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import type { EntryOf } from '../../src/contract/schemas.ts';
import { WEEKDAYS } from '../../src/core/business-hours.ts';
import { DEFAULT_RULES } from '../../src/core/departments.ts';
import { newConversationId } from '../../src/core/ids.ts';
import { Roster } from '../../src/core/roster.ts';
import { FeedHub } from '../../src/feed/feed-hub.ts';
import type { Actor } from '../../src/ports/actor.ts';
import { noMetrics } from '../../src/ports/metrics.ts';
import { openDesk } from '../../src/server/open-desk.ts';
import { createRooms } from '../../src/transport/socketio/rooms.ts';
import { createSocketServer } from '../../src/transport/socketio/socketio.ts';
import { temporaryAttachments } from '../support/attachments.ts';
import { afterRouting, assignedTo, Company, historyOf, open, stateOf, told } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { HandClock } from '../support/hand-clock.ts';
import { SECRET } from '../support/server.ts';
import { silentLog, temporaryStore } from '../support/store.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;
/** Far enough away that midnight does not pass it while the tests run. */
const OPENS_AT = new Date((Math.floor(Date.now() / DAY_MS) + 3) * DAY_MS);
const OPEN_DAY = WEEKDAYS[(OPENS_AT.getUTCDay() + 6) % 7] ?? 'mon';
const hours = { week: { [OPEN_DAY]: ['00:00-24:00'] } };
const NOTICE = 'We answer in three days.';

const { connect } = endToEnd({
  limits: { queueUpdateMs: 50 },
  env: {
    DESKWIRE_DEPARTMENTS: JSON.stringify({
      day: {},
      night: { hours, outOfHoursMessage: NOTICE },
      evening: { hours, fallback: 'day' },
    }),
  },
});

const notice = {
  author: null,
  visibility: 'all',
  text: NOTICE,
  format: 'plain',
  attachments: [],
  notice: 'out_of_hours',
  metadata: { opensAt: OPENS_AT.toISOString() },
};

const messages = async (client: Parameters<typeof historyOf>[0], conversationId: string) =>
  (await historyOf(client, conversationId)).filter(
    (entry): entry is EntryOf<'message:created'> => entry.type === 'message:created',
  );

describe('a department that is closed', () => {
  it('[HOURS-2] answers by itself, with the opening and in the same commit', async () => {
    const company = new Company(connect);
    const watcher = await company.online('watcher', 0, { departments: ['night'] });
    const ann = await company.customer('ann');
    const opening = { department: 'night', clientConversationId: 'one' };
    const message = { clientMessageId: 'm', text: 'Is anybody there?' };
    const { conversation, entry } = await ann.request('conversation:open', { ...opening, message });
    // The reply shows what the commit of the opening has made.
    expect(conversation).toMatchObject({ status: 'queued', lastSeq: 3 });
    expect(entry).toMatchObject({ seq: 2, text: message.text });
    const log = await historyOf(ann, conversation.id);
    expect(log).toMatchObject([{ type: 'conversation:opened' }, { seq: 2, text: message.text }, { seq: 3, ...notice }]);
    expect(new Set(log.map(({ at }) => at)).size).toBe(1);
    expect(await told(ann, conversation.id, 'message:created', ({ author }) => author === null)).toMatchObject(notice);
    expect(await historyOf(watcher, conversation.id)).toEqual(log);

    // Neither a repeat nor another message says it again.
    expect(await ann.request('conversation:open', { ...opening, message })).toMatchObject({ duplicate: true });
    await ann.request('message:send', { conversationId: conversation.id, clientMessageId: 'n', text: 'Hello?' });
    expect((await messages(ann, conversation.id)).map(({ text }) => text)).toEqual([message.text, NOTICE, 'Hello?']);
  });

  it('[HOURS-2] answers too when nothing was said yet, and when a conversation is reopened', async () => {
    const company = new Company(connect);
    const ann = await open(await company.customer('ann'), { department: 'night' });
    expect(await historyOf(ann.client, ann.id)).toMatchObject([{ type: 'conversation:opened' }, notice]);
    await ann.client.request('conversation:close', { conversationId: ann.id });
    await ann.client.request('message:send', { conversationId: ann.id, clientMessageId: 'm', text: 'One more thing' });
    expect(await historyOf(ann.client, ann.id)).toMatchObject([
      { type: 'conversation:opened' },
      notice,
      { type: 'conversation:closed' },
      { type: 'conversation:reopened', seq: 4 },
      { text: 'One more thing', seq: 5 },
      { ...notice, seq: 6 },
    ]);
  });

  it('[HOURS-2] one that is open says nothing', async () => {
    const company = new Company(connect);
    const ann = await open(await company.customer('ann'), { department: 'day' });
    expect((await historyOf(ann.client, ann.id)).map(({ type }) => type)).toEqual(['conversation:opened']);
  });

  it('[HOURS-2] is not routed to, though its agents are online; they may claim', async () => {
    const company = new Company(connect);
    const bob = await company.online('bob', 5, { departments: ['night', 'day'] });
    const ann = await open(await company.customer('ann'), { department: 'night' });
    const ben = await open(await company.customer('ben'), { department: 'day' });
    await assignedTo(ben.client, ben.id, 'bob');
    expect(await stateOf(bob, ann.id)).toMatchObject({
      status: 'queued',
      queue: { basis: 'out_of_hours', opensAt: OPENS_AT.toISOString() },
    });
    const to = { department: 'night' };
    expect(await bob.refused('assignment:transfer', { conversationId: ben.id, to })).toMatchObject({
      code: 'agent_unavailable',
      message: expect.stringContaining(OPENS_AT.toISOString()) as unknown,
    });
    expect((await stateOf(bob, ben.id)).assignee?.id).toBe('bob');
    await bob.request('assignment:claim', { conversationId: ann.id });
  });

  it('[HOURS-2] the agents of its fallback take over, and not its own', async () => {
    const company = new Company(connect);
    const own = await company.online('own', 5, { departments: ['evening'] });
    const ann = await open(await company.customer('ann'), { department: 'evening' });
    expect((await afterRouting(ann)).status).toBe('queued');
    await company.online('other', 5, { departments: ['day'] });
    const { reason } = await assignedTo(ann.client, ann.id, 'other');
    expect(reason).toBe('routed');
    expect(await stateOf(own, ann.id)).toMatchObject({ department: 'evening', assignee: { id: 'other' } });
  });
});

describe('opening', () => {
  const MONDAY_9 = Date.UTC(2026, 0, 12, 9);
  const MINUTE_MS = 60_000;

  /** A desk with one department, open on Mondays from 9 to 17, and an agent of it who is online a minute before. */
  const deskBefore = async () => {
    const { store, remove } = await temporaryStore();
    const clock = new HandClock(MONDAY_9 - MINUTE_MS);
    // The lease outlasts the test: nobody answers probes here.
    const limits = { ...DEFAULT_LIMITS, agentLeaseMs: 10 * MINUTE_MS };
    const { parts, remove: removeAttachments } = await temporaryAttachments(store, { limits, clock });
    const rooms = createRooms(createSocketServer({ httpServer: createServer(), ...limits, allowedOrigins: [] }));
    const week = { mon: [{ fromMinute: 540, toMinute: 1020 }], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] };
    const sales = { ...DEFAULT_RULES, hours: { timeZone: 'UTC', week, closedOn: [] } };
    const desk = await openDesk({
      config: {
        limits,
        departments: { sales },
        routing: 'least-busy',
        closedConversations: 'reopen',
        inactivityMessage: '',
      },
      ...{ store, rooms, clock, log: silentLog, metrics: noMetrics, roster: new Roster(), ...parts },
      feeds: new FeedHub({ store, bus: createMemoryBus(), rooms, metrics: noMetrics, log: silentLog, ...parts }),
      tokens: createTokens({
        keys: { kind: 'secret', key: secretKey(SECRET) },
        ...{ issuer: undefined, audience: undefined, clockSkewSeconds: 0, clock },
      }),
    });
    onTestFinished(async () => {
      await desk.stop();
      await removeAttachments();
      await remove();
    });
    const bob: Actor = {
      tenant: 'default',
      user: { id: 'bob', name: 'Bob', role: 'agent' },
      ...{ role: 'agent', audience: 'staff', departments: ['sales'], skills: [], maxChats: 1 },
      issuedAt: undefined,
    };
    desk.roster.connect('connection', bob);
    desk.agents.connect('connection', bob);
    await desk.agents.setStatus(bob, 'online', undefined);
    const ask = async (customer: string): Promise<string> => {
      const id = newConversationId();
      const user = { id: customer, name: customer, role: 'customer' } as const;
      const opened = { type: 'conversation:opened', author: user, visibility: 'all', customer: user } as const;
      const rest = { clientConversationId: null, subject: null, priority: 'normal', metadata: {} } as const;
      await desk.journal.open('default', id, [{ ...opened, ...rest, skills: [], department: 'sales' }], undefined);
      return id;
    };
    return { desk, clock, bob, ask };
  };

  it('[HOURS-2] routes what waits, at that instant and in its order', async () => {
    const { desk, clock, ask } = await deskBefore();
    const floor = desk.router.floor('default');
    const first = await ask('first');
    const second = await ask('second');
    const opensAt = new Date(MONDAY_9).toISOString();
    expect(floor.place(first)).toMatchObject({ position: 1, basis: 'out_of_hours', opensAt });
    clock.moveTo(MONDAY_9 - 1);
    expect(floor.waiting(first)?.holder).toBeUndefined();
    expect(floor.place(second)).toMatchObject({ position: 2, basis: 'out_of_hours', opensAt });

    clock.moveTo(MONDAY_9);
    await until('the assignment', () => desk.journal.peek(first)?.status === 'assigned');
    expect(desk.journal.peek(first)).toMatchObject({ assignee: { id: 'bob' }, assignedAt: opensAt });
    expect(floor.place(second)).toMatchObject({ position: 1, basis: 'no_history' });
  });

  it('[HOURS-2] ends with closing: what comes then waits for the next day', async () => {
    const { desk, clock, bob, ask } = await deskBefore();
    clock.moveTo(MONDAY_9 + MINUTE_MS);
    const floor = desk.router.floor('default');
    const held = await ask('held');
    await until('the assignment', () => desk.journal.peek(held)?.status === 'assigned');
    const waits = await ask('waits');
    expect(floor.place(waits)).toMatchObject({ basis: 'no_history' });
    // Heard of all day long.
    for (let atMs = clock.now(); atMs < MONDAY_9 + 8 * 60 * MINUTE_MS; atMs += MINUTE_MS) {
      clock.moveTo(atMs);
      desk.leases.heard('connection');
    }
    clock.moveTo(MONDAY_9 + 8 * 60 * MINUTE_MS);
    const opensAt = new Date(MONDAY_9 + 7 * DAY_MS).toISOString();
    expect(floor.place(waits)).toMatchObject({ position: 1, basis: 'out_of_hours', opensAt });
    expect(desk.journal.peek(held)).toMatchObject({ status: 'assigned', assignee: { id: 'bob' } });
    expect(floor.seat('bob')?.available).toBe(true);
    // Room for it is not what it waits for.
    await desk.agents.setStatus(bob, 'online', 5);
    expect(floor.waiting(waits)?.holder).toBeUndefined();
  });
});
