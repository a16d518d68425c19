import { describe, expect, it } from 'vitest';
import {
  checkHistory,
  type AssigneeChange,
  type ConversationHistory,
  type Incarnation,
  type Kind,
  type LoggedEntry,
} from './history.ts';

const DIGEST = 1_000;

const message = (seq: number, author: string, number: number, more: Partial<LoggedEntry> = {}): LoggedEntry => ({
  seq,
  type: 'message:created',
  staff: false,
  author,
  clientId: `${author}-${String(number)}`,
  digest: DIGEST + seq,
  change: null,
  ...more,
});

const change = (seq: number, assignee: string | null, previous: string | null, fence: number): LoggedEntry => ({
  seq,
  type: assignee === null ? 'conversation:released' : 'conversation:assigned',
  staff: false,
  author: null,
  clientId: null,
  digest: DIGEST + seq,
  change: { assignee, previous, fence },
});

/** Ann asks, Bob answers, writes a note and hands over to Cleo; seq 5 is for staff. */
const LOG: readonly LoggedEntry[] = [
  { ...message(1, 'ann', 0), type: 'conversation:opened', clientId: null },
  message(2, 'ann', 0),
  change(3, 'bob', null, 1),
  message(4, 'bob', 0),
  message(5, 'bob', 1, { staff: true }),
  message(6, 'ann', 1),
  change(7, null, 'bob', 2),
  change(8, 'cleo', null, 3),
  message(9, 'ann', 2),
];

const got = (afterSeq: number, ...seqs: number[]): Incarnation => ({
  afterSeq,
  seqs,
  digests: seqs.map((seq) => DIGEST + seq),
});

const GOOD: ConversationHistory = {
  id: 'c1',
  log: LOG,
  state: { assignee: 'cleo', fence: 3 },
  shown: LOG.map(({ seq, digest }) => ({ seq, digest })),
  sent: new Map([
    ['ann-0', { member: 'ann', digest: DIGEST + 2 }],
    ['bob-0', { member: 'bob', digest: DIGEST + 4 }],
    ['bob-1', { member: 'bob', digest: DIGEST + 5 }],
    ['ann-1', { member: 'ann', digest: DIGEST + 6 }],
    ['ann-2', { member: 'ann', digest: DIGEST + 9 }],
    ['ann-3', { member: 'ann', digest: 77 }],
  ]),
  acknowledged: [
    { member: 'ann', clientId: 'ann-0', seq: 2, digest: DIGEST + 2, connection: 1, place: 2, duplicate: false },
    { member: 'bob', clientId: 'bob-0', seq: 4, digest: DIGEST + 4, connection: 1, place: 2, duplicate: false },
    { member: 'bob', clientId: 'bob-1', seq: 5, digest: DIGEST + 5, connection: 1, place: 3, duplicate: false },
    { member: 'ann', clientId: 'ann-2', seq: 9, digest: DIGEST + 9, connection: 2, place: 2, duplicate: false },
    // Sent first on the connection before; its answer was lost.
    { member: 'ann', clientId: 'ann-1', seq: 6, digest: DIGEST + 6, connection: 2, place: 3, duplicate: true },
  ],
  changes: [{ member: 'cleo', verb: 'assignment:claim', seq: 8, fence: 3, assignee: 'cleo' }],
  streams: [
    { member: 'ann', sees: 'public', incarnations: [got(0, 1, 2, 3), got(3), got(3, 4, 6, 7, 8, 9)] },
    { member: 'bob', sees: 'all', incarnations: [got(0, 1, 2, 3, 4, 5), got(5, 6, 7, 8, 9)] },
  ],
};

const withLog = (log: readonly LoggedEntry[]): ConversationHistory => ({
  ...GOOD,
  log,
  shown: log.map(({ seq, digest }) => ({ seq, digest })),
});

const withStream = (member: string, ...incarnations: Incarnation[]): ConversationHistory => ({
  ...GOOD,
  streams: GOOD.streams.map((stream) => (stream.member === member ? { ...stream, incarnations } : stream)),
});

const withChange = (seq: number, changed: AssigneeChange): ConversationHistory =>
  withLog(LOG.map((entry) => (entry.seq === seq ? { ...entry, change: changed } : entry)));

const expectFound = (history: ConversationHistory, kind: Kind, what: string): void => {
  const found = checkHistory(history);
  expect(found).toContainEqual({ kind, what: expect.stringContaining(what) as string });
  for (const violation of found) expect(violation.what).toMatch(/^c1: /);
};

/** Exactly that, and nothing else. */
const expectOnly = (history: ConversationHistory, kind: Kind, what: string): void => {
  expectFound(history, kind, what);
  expect(checkHistory(history)).toHaveLength(1);
};

describe('a good history', () => {
  it('passes', () => expect(checkHistory(GOOD)).toEqual([]));

  it('may have messages in the log whose answer was lost', () => {
    const [first, ...rest] = GOOD.acknowledged;
    expect(first).toBeDefined();
    expect(checkHistory({ ...GOOD, acknowledged: rest })).toEqual([]);
  });

  it('of nothing passes', () => {
    const nothing = {
      log: [],
      state: { assignee: null, fence: 0 },
      shown: [],
      acknowledged: [],
      changes: [],
      streams: [],
    };
    expect(checkHistory({ ...GOOD, ...nothing })).toEqual([]);
  });

  it('may have an assignment that takes over from somebody, if it says so', () => {
    const log = [...LOG, change(10, 'bob', 'cleo', 4)];
    const streams = [{ member: 'bob', sees: 'all' as const, incarnations: [got(0, ...log.map(({ seq }) => seq))] }];
    expect(checkHistory({ ...withLog(log), state: { assignee: 'bob', fence: 4 }, streams })).toEqual([]);
  });
});

describe('the log', () => {
  it('with a hole', () =>
    expectFound(withLog(LOG.filter(({ seq }) => seq !== 4)), 'lost', 'the log has a hole: seq 5 follows 3'));

  it('that does not begin with 1', () =>
    expectFound(withLog(LOG.slice(1)), 'lost', 'the log has a hole: seq 2 follows 0'));

  it('with a seq twice', () =>
    expectFound(
      {
        ...GOOD,
        log: [...LOG.slice(0, 6), LOG[5]!, ...LOG.slice(6)].map((entry, at) =>
          at === 6 ? { ...entry, clientId: null } : entry,
        ),
      },
      'doubled',
      'the log has seq 6 twice',
    ));

  it('out of order', () => {
    const log = [...LOG];
    [log[3], log[4]] = [LOG[4]!, LOG[3]!];
    expectFound(withLog(log), 'disordered', 'the log has seq 4 after 5');
  });

  it('with a message twice', () => {
    const log = [...LOG, message(10, 'ann', 1, { digest: DIGEST + 6 })];
    expectFound(withLog(log), 'doubled', 'the log has message ann-1 twice, at seq 6 and 10');
  });

  it('with a message that nobody sent', () => {
    const log = [...LOG.slice(0, 8), message(9, 'ann', 5)];
    expectFound(withLog(log), 'other', 'ann-5 of ann at seq 9, which he never sent');
  });

  it('with a message under another name', () => {
    const log = LOG.map((entry) => (entry.seq === 9 ? { ...entry, author: 'bob' } : entry));
    expectFound(withLog(log), 'other', 'ann-2 of bob at seq 9, which he never sent');
  });

  it('with another content than was sent', () => {
    const sent = new Map(GOOD.sent).set('ann-2', { member: 'ann', digest: 5 });
    expectOnly({ ...GOOD, sent }, 'other', 'message ann-2 at seq 9 is not what ann sent');
  });

  it('that is shown with something missing', () =>
    expectOnly({ ...GOOD, shown: GOOD.shown.slice(0, 8) }, 'lost', 'conversation:history shows 8 of 9 entries'));

  it('that is shown with something else in it', () => {
    const shown = GOOD.shown.map((entry) => (entry.seq === 7 ? { ...entry, digest: 1 } : entry));
    expectOnly({ ...GOOD, shown }, 'other', 'shows something else than the log from seq 7 on');
  });
});

describe('an acknowledgement', () => {
  const acknowledged = (more: Partial<ConversationHistory['acknowledged'][number]>): ConversationHistory => ({
    ...GOOD,
    acknowledged: GOOD.acknowledged.map((one) => (one.clientId === 'ann-2' ? { ...one, ...more } : one)),
  });

  it('of what the log does not have', () =>
    expectOnly(
      acknowledged({ clientId: 'ann-3' }),
      'lost',
      'message ann-3 was acknowledged to ann as seq 9, and the log has it nowhere',
    ));

  it('beyond the end of the log', () =>
    expectOnly(acknowledged({ seq: 10 }), 'disordered', 'as seq 10, and the log has it at seq 9'));

  it('with another seq', () =>
    expectOnly(acknowledged({ seq: 6 }), 'disordered', 'message ann-2 was acknowledged to ann as seq 6'));

  it('with another content', () =>
    expectOnly(acknowledged({ digest: 3 }), 'other', 'message ann-2 was acknowledged with another content'));

  it('out of the order in which one connection sent', () => {
    const all = GOOD.acknowledged.map((one) => (one.clientId === 'bob-0' ? { ...one, place: 4 } : one));
    expectOnly(
      { ...GOOD, acknowledged: all },
      'disordered',
      'bob, connection 1: bob-0 was sent after bob-1 and stands before it, at seq 4 and 5',
    );
  });
});

describe('the assignee', () => {
  it('two at a time', () =>
    expectFound(
      withChange(7, { assignee: 'dan', previous: null, fence: 2 }),
      'other',
      'two assignees: conversation:released at seq 7 says dan follows null, while bob is assigned',
    ));

  it('with a fence that stays', () =>
    expectFound(
      withChange(7, { assignee: null, previous: 'bob', fence: 1 }),
      'other',
      'the fence does not rise: conversation:released at seq 7 has 1 after 1',
    ));

  it('with a fence that falls', () =>
    expectFound(
      withChange(8, { assignee: 'cleo', previous: null, fence: 1 }),
      'other',
      'the fence does not rise: conversation:assigned at seq 8 has 1 after 2',
    ));

  it('with a state that the log does not make', () => {
    const what = 'the state is not what the log makes: bob with fence 3, expected cleo with 3';
    expectOnly({ ...GOOD, state: { assignee: 'bob', fence: 3 } }, 'other', what);
    expectFound({ ...GOOD, state: { assignee: 'cleo', fence: 2 } }, 'other', 'cleo with fence 2, expected cleo with 3');
  });

  it('acknowledged, and not in the log', () => {
    const changes = [{ member: 'dan', verb: 'assignment:claim', seq: 9, fence: 4, assignee: 'dan' }];
    expectOnly(
      { ...GOOD, changes },
      'lost',
      'assignment:claim was acknowledged to dan as seq 9, fence 4, and the log has no such change there',
    );
  });

  it('acknowledged, and another is in the log', () => {
    const changes = [{ member: 'dan', verb: 'assignment:claim', seq: 8, fence: 3, assignee: 'dan' }];
    expectOnly({ ...GOOD, changes }, 'lost', 'and the log has fence 3 of cleo there');
  });
});

describe('a stream', () => {
  it('that misses an entry in the middle', () =>
    expectOnly(
      withStream('bob', got(0, 1, 2, 3, 5, 6, 7, 8, 9)),
      'lost',
      'the stream of bob, connection 1 (after seq 0) misses 1 entries from seq 4 on: 5 follows 3',
    ));

  it('that misses entries between two connections', () =>
    expectOnly(
      withStream('bob', got(0, 1, 2, 3), got(3, 6, 7, 8, 9)),
      'lost',
      'the stream of bob, connection 2 (after seq 3) misses 2 entries from seq 4 on: 6 follows 3',
    ));

  it('that does not come to the end', () =>
    expectOnly(
      withStream('ann', got(0, 1, 2, 3, 4, 6, 7)),
      'lost',
      'the stream of ann ends at seq 7: 2 entries never came, from seq 8 on',
    ));

  it('that has nothing', () => expectOnly(withStream('ann'), 'lost', 'ann ends at seq 0: 8 entries never came'));

  it('that has an entry twice', () =>
    expectOnly(
      withStream('bob', got(0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9)),
      'doubled',
      'the stream of bob, connection 1 (after seq 0) has seq 4 twice',
    ));

  it('that has an entry again after a reconnect', () =>
    expectOnly(
      withStream('bob', got(0, 1, 2, 3, 4), got(4, 4, 5, 6, 7, 8, 9)),
      'doubled',
      'connection 2 (after seq 4) has seq 4 twice',
    ));

  it('out of order', () =>
    expectFound(
      withStream('bob', got(0, 1, 2, 4, 3, 5, 6, 7, 8, 9)),
      'disordered',
      'the stream of bob, connection 1 (after seq 0) has seq 3 after 4',
    ));

  it('with what the log does not have', () =>
    expectOnly(
      withStream('bob', got(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
      'other',
      'has seq 10, which the log does not have',
    ));

  it('of a customer, with a note', () =>
    expectOnly(withStream('ann', got(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)), 'other', 'has seq 5, which is for staff'));

  it('with another content', () => {
    const stream = {
      ...got(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
      digests: LOG.map(({ seq }) => (seq === 6 ? 0 : DIGEST + seq)),
    };
    expectOnly(withStream('bob', stream), 'other', 'has something else at seq 6 than the log');
  });

  it('that was joined from somewhere else', () =>
    expectFound(withStream('bob', got(0, 1, 2, 3), got(4, 5, 6, 7, 8, 9)), 'other', 'was joined behind seq 3'));
});
