import { describe, expect, test } from 'vitest';
import { ROUTING_STRATEGIES } from '../../src/contract/schemas.ts';
import { best, STRATEGIES, type Candidate, type StrategyName } from '../../src/core/routing/strategies.ts';
import { SmallFloor } from './small-floor.ts';

/** Load of capacity, and what else is not the default. */
const candidate = (id: string, load: number, capacity: number, rest: Partial<Candidate> = {}): Candidate => ({
  id,
  load,
  capacity,
  routedAt: 0,
  idleSince: 0,
  ...rest,
});

const leastBusy: [title: string, candidates: Candidate[], chosen: string][] = [
  ['the fewest', [candidate('ann', 2, 5), candidate('bob', 1, 5), candidate('cyd', 3, 5)], 'bob'],
  ['the smallest share, not the fewest', [candidate('ann', 2, 4), candidate('bob', 3, 10)], 'bob'],
  ['nothing before something', [candidate('ann', 1, 1_000), candidate('bob', 0, 1)], 'bob'],
  [
    'of equal shares, who was served longer ago',
    [candidate('ann', 1, 2, { routedAt: 9 }), candidate('bob', 2, 4, { routedAt: 3 })],
    'bob',
  ],
  ['of equals, the first id', [candidate('bob', 1, 2), candidate('ann', 1, 2)], 'ann'],
];

const TABLE: Readonly<Record<StrategyName, typeof leastBusy>> = {
  'least-busy': leastBusy,
  'round-robin': [
    [
      'who was served longest ago, however busy',
      [candidate('ann', 0, 5, { routedAt: 7 }), candidate('bob', 4, 5, { routedAt: 2 })],
      'bob',
    ],
    [
      'who was never served before all',
      [candidate('ann', 0, 5, { routedAt: 1 }), candidate('bob', 4, 5, { routedAt: 0 })],
      'bob',
    ],
    ['of equals, the first id', [candidate('bob', 0, 5), candidate('ann', 4, 5)], 'ann'],
  ],
  'longest-idle': [
    [
      'who has been without work the longest',
      [candidate('ann', 0, 5, { idleSince: 200 }), candidate('bob', 0, 5, { idleSince: 100 })],
      'bob',
    ],
    [
      'who has nothing to do before who has',
      [candidate('ann', 1, 5, { idleSince: 100 }), candidate('bob', 0, 5, { idleSince: 200 })],
      'bob',
    ],
    [
      'of those at work, whose last conversation ended first',
      [candidate('ann', 1, 5, { idleSince: 200 }), candidate('bob', 3, 5, { idleSince: 100 })],
      'bob',
    ],
    [
      'of equals, who was served longer ago',
      [candidate('ann', 0, 5, { routedAt: 2 }), candidate('bob', 0, 5, { routedAt: 1 })],
      'bob',
    ],
    ['of equals in all, the first id', [candidate('bob', 0, 5), candidate('ann', 0, 5)], 'ann'],
  ],
  manual: leastBusy,
  offer: leastBusy,
};

describe.each(ROUTING_STRATEGIES)('%s', (name) => {
  test.each(TABLE[name])('[ROUTE-3] chooses %s', (_, candidates, chosen) => {
    expect(best(STRATEGIES[name], candidates)?.id).toBe(chosen);
    // Whatever the order in which they are looked at.
    expect(best(STRATEGIES[name], candidates.toReversed())?.id).toBe(chosen);
  });

  test('[ROUTE-3] chooses nobody of none', () => {
    const nobody: Candidate[] = [];
    expect(best(STRATEGIES[name], nobody)).toBeUndefined();
  });
});

/** Four conversations that open one after the other, at two agents with room for them. */
const four = (name: StrategyName): string[] => {
  const desk = new SmallFloor(name);
  desk.hire('ann', { capacity: 9 });
  desk.nowMs += 1_000;
  desk.hire('bob', { capacity: 3 });
  return ['c1', 'c2', 'c3', 'c4'].flatMap((id) => {
    desk.nowMs += 1_000;
    desk.open({ id });
    return desk.route();
  });
};

describe('on the floor', () => {
  test.each<[StrategyName, string[]]>([
    ['least-busy', ['c1 → ann', 'c2 → bob', 'c3 → ann', 'c4 → ann']],
    ['round-robin', ['c1 → ann', 'c2 → bob', 'c3 → ann', 'c4 → bob']],
    ['longest-idle', ['c1 → ann', 'c2 → bob', 'c3 → ann', 'c4 → ann']],
    ['manual', []],
    ['offer', ['c1 → ann', 'c2 → bob', 'c3 → ann', 'c4 → ann']],
  ])('[ROUTE-3] %s gives four conversations to two agents', (name, expected) => {
    expect(four(name)).toEqual(expected);
  });

  test('[ROUTE-3] offer asks people, and gives to bots', () => {
    const desk = new SmallFloor('offer', { '*': { botsFirst: true } });
    desk.hire('ann');
    desk.hire('bot');
    desk.open({ id: 'c1' });
    desk.open({ id: 'c2' });
    expect(desk.drain().map(({ seat, mode }) => [seat.id, mode])).toEqual([
      ['bot', 'assign'],
      ['ann', 'offer'],
    ]);
  });

  test('[ROUTE-3] manual leaves people alone, but not bots', () => {
    const desk = new SmallFloor('manual', { '*': { botsFirst: true } });
    desk.hire('ann', { capacity: 5 });
    desk.hire('bot');
    desk.open({ id: 'c1' });
    desk.open({ id: 'c2' });
    expect(desk.route()).toEqual(['c1 → bot']);
    desk.floor.sync(desk.log('c1').release('bot_handoff'));
    expect(desk.route()).toEqual(['c2 → bot']);
  });

  test('[ROUTE-3] longest-idle counts from when an agent came back, not from before he was gone', () => {
    const desk = new SmallFloor('longest-idle');
    desk.hire('ann');
    desk.presence('ann', false);
    desk.nowMs += 1_000;
    desk.hire('bob');
    desk.nowMs += 1_000;
    desk.presence('ann', true);
    desk.open({ id: 'c1' });
    expect(desk.route()).toEqual(['c1 → bob']);
  });

  test('[ROUTE-3] longest-idle counts from the end of the last conversation', () => {
    const desk = new SmallFloor('longest-idle');
    desk.hire('ann');
    desk.nowMs += 1_000;
    desk.hire('bob');
    desk.handle('c1', 'ann', 1_000);
    desk.open({ id: 'c2' });
    expect(desk.route()).toEqual(['c2 → bob']);
  });
});
