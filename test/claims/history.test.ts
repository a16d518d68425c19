import { describe, expect, it } from 'vitest';
import { Random, seedOf } from '../support/random.ts';
import { isLinearizable } from './brute-force.ts';
import { checkHistory, type LoggedChange, type Operation, type Outcome } from './history.ts';
import { randomHistory, tamper } from './random-history.ts';

const operation = (
  verb: Operation['verb'],
  agent: string,
  sentAt: number,
  answeredAt: number,
  outcome: Outcome,
): Operation => ({ verb, agent, sentAt, answeredAt, outcome });

/** Fence f stands at seq f + 1: behind the opening, with nothing between. */
const ok = (fence: number): Outcome => ({ kind: 'ok', fence, seq: fence + 1 });
const taken = (assignee: string, fence: number): Outcome => ({ kind: 'already_assigned', assignee, fence });
const stale = (fence: number): Outcome => ({ kind: 'stale_fence', fence });
const forbidden: Outcome = { kind: 'forbidden' };

const claim = (agent: string, sentAt: number, answeredAt: number, outcome: Outcome): Operation =>
  operation('claim', agent, sentAt, answeredAt, outcome);
const release = (agent: string, sentAt: number, answeredAt: number, outcome: Outcome): Operation =>
  operation('release', agent, sentAt, answeredAt, outcome);
const lost = (verb: Operation['verb'], agent: string, sentAt: number): Operation =>
  operation(verb, agent, sentAt, Infinity, { kind: 'unknown' });

/** `+ann -ann`: ann is assigned, then released. */
const logOf = (changes: string): LoggedChange[] =>
  changes
    .split(' ')
    .filter((change) => change !== '')
    .map((change, index) => ({
      kind: change.startsWith('+') ? 'assigned' : 'released',
      fence: index + 1,
      seq: index + 2,
      agent: change.slice(1),
      author: change.slice(1),
    }));

const found = (operations: readonly Operation[], log: readonly LoggedChange[]): string =>
  checkHistory(operations, log).join('\n');

describe('the log by itself', () => {
  const asked = [claim('ann', 1, 2, ok(1)), claim('bob', 3, 4, ok(2))];

  it('two assignees at once', () => {
    expect(found(asked, logOf('+ann +bob'))).toContain('two assignees at once');
  });

  it('a fence skipped, and one used twice', () => {
    const [first, second] = logOf('+ann -ann');
    expect(found([], [first!, { ...second!, fence: 3 }])).toContain('fence 3');
    expect(found([], [first!, { ...second!, fence: 1 }])).toContain('fence 1');
    expect(found([], logOf('+ann -ann').slice(1))).toContain('expected 1');
  });

  it('a release of nobody, of somebody else, and of one released before', () => {
    expect(found([], logOf('-ann'))).toContain('not assigned');
    expect(found([], logOf('+ann -bob'))).toContain('not assigned');
    expect(found([], logOf('+ann -ann -ann'))).toContain('not assigned');
  });

  it('an order of fences that is not that of seqs, and an entry by somebody else', () => {
    const [first, second] = logOf('+ann -ann');
    expect(found([], [first!, { ...second!, seq: 2 }])).toContain('after seq 2');
    expect(found([], [{ ...first!, author: 'bob' }])).toContain('but by bob');
    expect(found([], [{ ...first!, author: null }])).toContain('but by the server');
  });
});

describe('acknowledgements against the log', () => {
  it('two winners of one fence', () => {
    const both = [claim('ann', 1, 4, ok(1)), claim('bob', 2, 3, ok(1))];
    expect(found(both, logOf('+ann'))).toContain('claim of bob [2, 3] → ok fence 1 seq 2: acknowledged');
  });

  it('two winners one after the other, of whom the log has one', () => {
    const both = [claim('ann', 1, 2, ok(1)), claim('bob', 3, 4, ok(2))];
    expect(found(both, logOf('+ann'))).toContain('the log has no fence 2');
  });

  it('an acknowledged claim or release that is lost', () => {
    expect(found([claim('ann', 1, 2, ok(1))], [])).toContain('the log has no fence 1');
    const released = [claim('ann', 1, 2, ok(1)), release('ann', 3, 4, ok(2))];
    expect(found(released, logOf('+ann'))).toContain('the log has no fence 2');
    expect(found(released, logOf('+ann -ann'))).toBe('');
  });

  it('an acknowledgement at another seq, or of another kind', () => {
    expect(found([claim('ann', 1, 2, { kind: 'ok', fence: 1, seq: 7 })], logOf('+ann'))).toContain('acknowledged, but');
    expect(found([release('ann', 1, 2, ok(1))], logOf('+ann'))).toContain('acknowledged, but');
  });

  it('a change that nobody asked for', () => {
    expect(found([], logOf('+ann'))).toContain('nobody asked');
    expect(found([claim('ann', 1, 2, ok(1))], logOf('+ann -ann'))).toContain('nobody asked');
    // One lost request makes one change at most.
    const once = [lost('claim', 'ann', 1), release('ann', 3, 4, ok(2))];
    expect(found(once, logOf('+ann -ann +ann'))).toContain('nobody asked');
    expect(found([...once, lost('claim', 'ann', 5)], logOf('+ann -ann +ann'))).toBe('');
  });

  it('one release acknowledged twice', () => {
    const twice = [claim('ann', 1, 2, ok(1)), release('ann', 3, 6, ok(2)), release('ann', 4, 5, ok(2))];
    expect(found(twice, logOf('+ann -ann'))).toContain('acknowledged before');
  });

  it('refusals that do not fit what stands at their fence', () => {
    const won = claim('ann', 1, 2, ok(1));
    expect(found([won, claim('bob', 3, 4, taken('cyd', 1))], logOf('+ann'))).toContain('refused, but');
    expect(found([won, claim('bob', 3, 4, taken('ann', 2))], logOf('+ann'))).toContain('refused, but');
    expect(found([won, claim('ann', 3, 4, taken('ann', 1))], logOf('+ann'))).toContain('refused, but');
    expect(found([won, release('ann', 3, 4, stale(1))], logOf('+ann'))).toContain('refused as a former assignee');
    expect(found([won, release('bob', 3, 4, stale(1))], logOf('+ann'))).toContain('refused as a former assignee');
  });
});

describe('time', () => {
  const turn = [claim('ann', 1, 2, ok(1)), release('ann', 5, 6, ok(2))];

  it('a refusal in its epoch, also at the edges of it', () => {
    for (const [sentAt, answeredAt] of [
      [3, 4],
      [1.5, 1.6],
      [5.4, 5.5],
      [0, 9],
    ] as const)
      expect(found([...turn, claim('bob', sentAt, answeredAt, taken('ann', 1))], logOf('+ann -ann'))).toBe('');
  });

  it('a stale read: refused with a fence that had ended before it was sent', () => {
    expect(found([...turn, claim('bob', 7, 8, taken('ann', 1))], logOf('+ann -ann'))).toContain('no place in time');
    const former = [...turn, claim('bob', 7, 8, ok(3)), release('ann', 9, 10, stale(2))];
    expect(found(former, logOf('+ann -ann +bob'))).toContain('no place in time');
  });

  it('a refusal with a fence that began after it was answered', () => {
    expect(found([...turn, claim('bob', 0.1, 0.2, taken('ann', 1))], logOf('+ann -ann'))).toContain('no place in time');
  });

  it('changes in an order against real time', () => {
    const swapped = [claim('ann', 7, 8, ok(1)), release('ann', 9, 10, ok(2)), claim('bob', 3, 4, ok(3))];
    expect(found(swapped, logOf('+ann -ann +bob'))).toContain('no place in time');
    const overlapping = [claim('ann', 1, 8, ok(1)), release('ann', 2, 10, ok(2)), claim('bob', 3, 4, ok(3))];
    expect(found(overlapping, logOf('+ann -ann +bob'))).toBe('');
  });

  it('two refusals that saw epochs in an order against real time', () => {
    const again = [claim('ann', 1, 20, ok(1)), release('ann', 2, 21, ok(2)), claim('bob', 3, 22, ok(3))];
    const readers = [claim('cyd', 5, 6, taken('bob', 3)), claim('dan', 7, 8, taken('ann', 1))];
    expect(found([...again, ...readers], logOf('+ann -ann +bob'))).toContain('no place in time');
    expect(found([...again, readers[0]!], logOf('+ann -ann +bob'))).toBe('');
  });

  it('forbidden after the first assignment', () => {
    expect(found([...turn, release('ann', 3, 4, forbidden)], logOf('+ann -ann'))).toContain('no place in time');
    expect(found([...turn, release('ann', 0.1, 1.5, forbidden)], logOf('+ann -ann'))).toBe('');
    expect(found([...turn, release('bob', 7, 8, forbidden)], logOf('+ann -ann'))).toBe('');
  });
});

describe('outcomes that nobody knows', () => {
  it('one that did not take effect', () => {
    expect(found([lost('claim', 'ann', 1), claim('bob', 2, 3, ok(1))], logOf('+bob'))).toBe('');
    expect(found([lost('claim', 'ann', 1), lost('release', 'ann', 2)], [])).toBe('');
  });

  it('ones that did, at once or much later', () => {
    const early = [lost('claim', 'ann', 1), claim('bob', 2, 3, taken('ann', 1)), lost('release', 'ann', 4)];
    expect(found(early, logOf('+ann'))).toBe('');
    expect(found(early, logOf('+ann -ann'))).toBe('');
    const late = [lost('claim', 'ann', 1), claim('bob', 2, 3, ok(1)), release('bob', 4, 5, ok(2))];
    expect(found(late, logOf('+bob -bob +ann'))).toBe('');
  });

  it('one whose effect was seen before it was sent', () => {
    const seen = [claim('bob', 1, 2, taken('ann', 1)), lost('claim', 'ann', 3)];
    expect(found(seen, logOf('+ann'))).toContain('which nobody asked for by 2');
  });

  it('a claim repeated after its answer was lost', () => {
    const repeated = [lost('claim', 'ann', 1), claim('bob', 2, 3, taken('ann', 1)), claim('ann', 4, 5, ok(1))];
    expect(found(repeated, logOf('+ann'))).toBe('');
    // Without the lost one, it was seen before it was sent.
    expect(found(repeated.slice(1), logOf('+ann'))).toContain('no place in time');
  });

  it('a lost claim goes to the change that has no other', () => {
    const both = [lost('claim', 'ann', 1), claim('ann', 2, 3, ok(1)), release('ann', 4, 5, ok(2))];
    expect(found([...both, claim('bob', 6, 7, taken('ann', 3))], logOf('+ann -ann +ann'))).toBe('');
    // Seen before the second was sent: the lost one made the first change, and nothing is left for the third.
    const seen = claim('bob', 1.1, 1.2, taken('ann', 1));
    expect(found([...both, seen], logOf('+ann -ann +ann'))).toContain('nobody asked');
  });
});

describe('the checker', () => {
  it('agrees with a search of all orders', () => {
    const seed = seedOf(7_000);
    const random = new Random(seed);
    const verdicts = { good: 0, bad: 0 };
    for (let run = 0; run < 20_000; run += 1) {
      const history = randomHistory(random, 3 + random.below(5));
      const where = `seed ${String(seed)}, run ${String(run)}`;
      expect(checkHistory(history.operations, history.log), where).toEqual([]);
      const other = tamper(random, history);
      const good = isLinearizable(other.operations, other.log);
      verdicts[good ? 'good' : 'bad'] += 1;
      if ((checkHistory(other.operations, other.log).length === 0) !== good)
        expect.fail(`${where}: the search says ${good ? 'good' : 'bad'} of ${JSON.stringify(other)}`);
    }
    expect(verdicts.good).toBeGreaterThan(1_000);
    expect(verdicts.bad).toBeGreaterThan(1_000);
  });
});
