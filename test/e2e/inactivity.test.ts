import { describe, expect, it } from 'vitest';
import type { EntryOf } from '../../src/contract/schemas.ts';
import type { TestClient } from '../support/client.ts';
import { assignedTo, Company, historyOf, open, seenAs, stateOf, told, type Opened } from '../support/company.ts';
import { endToEnd, type EndToEnd } from '../support/e2e.ts';
import { until } from '../support/until.ts';

const REMIND_MS = 400;
const CLOSE_MS = 600;
/** What a busy machine may add. */
const LATE_MS = 1_500;
const MESSAGE = 'Are you there?';

let messageCount = 0;
const say = async (client: TestClient, conversationId: string, visibility: 'all' | 'staff' = 'all') => {
  messageCount += 1;
  const clientMessageId = `m${String(messageCount)}`;
  const { entry } = await client.request('message:send', { conversationId, clientMessageId, text: 'x', visibility });
  return entry;
};

/** An agent with room, and customers who are with him as soon as they come. */
const desk = async ({ connect }: EndToEnd, capacity = 10) => {
  const company = new Company(connect);
  const bob = await company.online('bob', capacity);
  const comes = async (sub: string): Promise<Opened> => {
    const opened = await open(await company.customer(sub));
    await assignedTo(opened.client, opened.id, 'bob');
    return opened;
  };
  return { company, bob, comes };
};

const notices = async (client: TestClient, conversationId: string) =>
  (await historyOf(client, conversationId)).filter(
    (entry): entry is EntryOf<'message:created'> => entry.type === 'message:created' && entry.notice !== undefined,
  );

const reminded = ({ client, id }: Opened, after = 0) =>
  told(client, id, 'message:created', ({ notice, seq }) => notice === 'inactivity' && seq > after);
const closed = ({ client, id }: Opened) => told(client, id, 'conversation:closed');

const msBetween = (before: { at: string }, after: { at: string }): number =>
  Date.parse(after.at) - Date.parse(before.at);
const expectWithin = (ms: number, leastMs: number): void => {
  expect(ms).toBeGreaterThanOrEqual(leastMs);
  expect(ms).toBeLessThanOrEqual(leastMs + LATE_MS);
};

describe('a reminder, then the end', () => {
  const limits = { inactivityRemindMs: REMIND_MS, inactivityCloseMs: CLOSE_MS, queueUpdateMs: 50 };
  const both = endToEnd({ limits, env: { DESKWIRE_INACTIVITY_MESSAGE: MESSAGE } });

  it('[IDLE-1] who is silent after an answer is reminded, then the conversation is closed and makes room', async () => {
    const { company, bob, comes } = await desk(both, 1);
    const ann = await comes('ann');
    const ben = await open(await company.customer('ben'));
    await bob.request('conversation:join', { conversationId: ann.id });
    await say(ann.client, ann.id);
    const answer = await say(bob, ann.id);
    const reminder = await reminded(ann);
    expectWithin(msBetween(answer, reminder), REMIND_MS);
    expect(reminder).toMatchObject({ author: null, visibility: 'all', text: MESSAGE, format: 'plain' });
    const end = await closed(ann);
    expectWithin(msBetween(reminder, end), CLOSE_MS);
    expect(end).toMatchObject({ author: null, reason: 'inactivity' });
    expect(await stateOf(ann.client, ann.id)).toMatchObject({ status: 'closed', assignee: { id: 'bob' } });
    expect(await told(bob, ann.id, 'conversation:closed')).toEqual(end);
    await assignedTo(ben.client, ben.id, 'bob');
    expect(await notices(bob, ann.id)).toHaveLength(1);
  });

  it('[IDLE-1] who waits for an answer is neither reminded nor closed, however long', async () => {
    const { company, bob, comes } = await desk(both);
    const asked = await comes('asked');
    await say(asked.client, asked.id);
    const silent = await comes('silent');
    const noted = await comes('noted');
    await say(noted.client, noted.id);
    const again = await comes('again');
    await say(bob, again.id);
    await say(again.client, again.id);
    // What staff say among themselves is no answer.
    await say(bob, noted.id, 'staff');
    await bob.request('agent:status', { status: 'away' });
    const queued = await open(await company.customer('queued'), { message: { clientMessageId: 'q', text: 'x' } });

    // Of another, begun later, the whole time passes.
    const other = await open(await company.customer('other'));
    await bob.request('assignment:claim', { conversationId: other.id });
    await say(bob, other.id);
    await closed(other);
    for (const { client, id } of [asked, silent, noted, again, queued]) {
      expect(await notices(client, id)).toEqual([]);
      expect((await stateOf(bob, id)).status).toBe(id === queued.id ? 'queued' : 'assigned');
    }
  });

  it('[IDLE-1] a message of the customer begins it anew, also after the reminder', async () => {
    const { bob, comes } = await desk(both);
    const ann = await comes('ann');
    await say(bob, ann.id);
    const first = await reminded(ann);
    await say(ann.client, ann.id);
    // He waits for an answer now, while another is reminded and closed.
    const other = await comes('other');
    await say(bob, other.id);
    await closed(other);
    expect((await stateOf(bob, ann.id)).status).toBe('assigned');
    const answer = await say(bob, ann.id);
    const second = await reminded(ann, first.seq);
    expectWithin(msBetween(answer, second), REMIND_MS);
    expectWithin(msBetween(second, await closed(ann)), CLOSE_MS);
    expect(await notices(bob, ann.id)).toHaveLength(2);
  });

  it('[IDLE-1] counts from the last answer', async () => {
    const { bob, comes } = await desk(both);
    const ann = await comes('ann');
    const first = await say(bob, ann.id);
    await until('half of the time', () => Date.now() - Date.parse(first.at) >= REMIND_MS / 2);
    const second = await say(bob, ann.id);
    const reminder = await reminded(ann);
    expectWithin(msBetween(second, reminder), REMIND_MS);
    // An answer after the reminder needs one of its own.
    const third = await say(bob, ann.id);
    const again = await reminded(ann, reminder.seq);
    expectWithin(msBetween(third, again), REMIND_MS);
    expectWithin(msBetween(again, await closed(ann)), CLOSE_MS);
  });

  it('[IDLE-1] who got another agent waits for an answer of that one, also after the reminder', async () => {
    const { company, bob, comes } = await desk(both);
    const ann = await comes('ann');
    await say(bob, ann.id);
    const first = await reminded(ann);
    await bob.request('agent:status', { status: 'offline' });
    await told(ann.client, ann.id, 'conversation:released');
    const cleo = await company.agent('cleo');
    const other = await open(await company.customer('other'));
    for (const { id } of [ann, other]) await cleo.request('assignment:claim', { conversationId: id });
    await say(cleo, other.id);
    await closed(other);
    expect((await stateOf(cleo, ann.id)).status).toBe('assigned');
    const answer = await say(cleo, ann.id);
    const second = await reminded(ann, first.seq);
    expectWithin(msBetween(answer, second), REMIND_MS);
    expectWithin(msBetween(second, await closed(ann)), CLOSE_MS);
  });

  it('[IDLE-1] an answer of a bot is one too, and a reopened conversation is looked after again', async () => {
    const { company, comes } = await desk(both, 1);
    const ann = await comes('ann');
    const robot = await company.bot('robot');
    const ben = await open(await company.customer('ben'));
    await robot.request('assignment:claim', { conversationId: ben.id });
    const answer = await say(robot, ben.id);
    const reminder = await reminded(ben);
    expectWithin(msBetween(answer, reminder), REMIND_MS);
    const end = await closed(ben);
    await say(ben.client, ben.id);
    await robot.request('assignment:claim', { conversationId: ben.id });
    const later = await say(robot, ben.id);
    expectWithin(msBetween(later, await reminded(ben, end.seq)), REMIND_MS);
    await told(ben.client, ben.id, 'conversation:closed', ({ seq }) => seq > end.seq);
    expect(await notices(ann.client, ann.id)).toEqual([]);
  });
});

describe('the one without the other', () => {
  const closesOnly = endToEnd({ limits: { inactivityCloseMs: CLOSE_MS } });
  const remindsOnly = endToEnd({ limits: { inactivityRemindMs: REMIND_MS } });
  const neither = endToEnd({ limits: { agentLeaseMs: 1_000 } });

  it('[IDLE-1] without reminders it is closed after the answer', async () => {
    const { bob, comes } = await desk(closesOnly);
    const waits = await comes('waits');
    await say(waits.client, waits.id);
    const ann = await comes('ann');
    const answer = await say(bob, ann.id);
    expectWithin(msBetween(answer, await closed(ann)), CLOSE_MS);
    expect(await notices(bob, ann.id)).toEqual([]);
    expect((await stateOf(bob, waits.id)).status).toBe('assigned');
  });

  it('[IDLE-1] without closing he is reminded once', async () => {
    const { bob, comes } = await desk(remindsOnly);
    const ann = await comes('ann');
    await say(bob, ann.id);
    const reminder = await reminded(ann);
    for (const sub of ['second', 'third']) {
      const other = await comes(sub);
      await say(bob, other.id);
      await reminded(other);
    }
    expect(await notices(bob, ann.id)).toEqual([reminder]);
    expect((await stateOf(bob, ann.id)).status).toBe('assigned');
  });

  it('[IDLE-1] with neither, as it comes, nothing is said or done', async () => {
    const { company, bob, comes } = await desk(neither);
    const ann = await comes('ann');
    await say(bob, ann.id);
    const cleo = await company.online('cleo', 0);
    cleo.close();
    await seenAs(bob, 'cleo', 'offline');
    expect(await notices(bob, ann.id)).toEqual([]);
    expect((await stateOf(bob, ann.id)).status).toBe('assigned');
  });
});
