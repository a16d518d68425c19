import { describe, expect, test } from 'vitest';
import { ROUTING_STRATEGIES } from '../../src/contract/schemas.ts';
import { seedOf } from '../support/random.ts';
import { walk } from './routing-walk.ts';
import { SmallFloor } from './small-floor.ts';

/** One seed, when it is given: that of a failure. */
const seeds = (first: number, count: number): number[] =>
  process.env['SEED'] === undefined ? Array.from({ length: count }, (_, index) => first + index) : [seedOf(first)];

const STEPS = 100;

describe('capacity', () => {
  test('[ROUTE-1] is never exceeded, also when a hundred conversations open at once in a random day', () => {
    let placedCount = 0;
    for (const seed of seeds(1, 40))
      placedCount += walk(seed, ROUTING_STRATEGIES[seed % ROUTING_STRATEGIES.length]!, STEPS, 100);
    expect(placedCount).toBeGreaterThan(0);
  });

  test.each(['least-busy', 'round-robin', 'longest-idle', 'offer'] as const)(
    '[ROUTE-1] is filled and not exceeded by a hundred at once: %s',
    (strategy) => {
      const desk = new SmallFloor(strategy);
      const capacities = [0, 1, 2, 5, 20];
      const seats = capacities.map((capacity) => desk.hire(`agent${String(capacity)}`, { capacity }));
      for (let number = 1; number <= 100; number += 1) desk.open({ id: `c${String(number)}` });
      const loads = (): number[] => seats.map(({ load }) => load);
      // None is carried out yet: the places on their way are what counts.
      const placements = desk.drain();
      expect(loads()).toEqual(capacities);
      const [failed, made] = [placements.slice(0, 10), placements.slice(10)];
      made.forEach((placement) => desk.carryOut(placement));
      expect(desk.drain()).toEqual([]);
      failed.forEach((placement) => desk.floor.settle(placement, false));
      desk.route();
      expect(loads()).toEqual(capacities);
      expect(desk.floor.waitingCount).toBe(strategy === 'offer' ? 100 : 100 - 28);
      failed.forEach(({ conversationId }) => desk.floor.resume(conversationId));
      expect(desk.drain()).toEqual([]);
    },
  );
});

describe('the queue', () => {
  test('[ROUTE-2] no conversation waits while an agent who fits has room, and the first in line is served first', () => {
    const placedCounts = new Map<string, number>();
    for (const seed of seeds(1_001, 250)) {
      const strategy = ROUTING_STRATEGIES[seed % ROUTING_STRATEGIES.length]!;
      placedCounts.set(strategy, (placedCounts.get(strategy) ?? 0) + walk(seed, strategy, STEPS, 0));
    }
    // A walk in which nothing is ever placed would prove nothing.
    if (process.env['SEED'] === undefined)
      for (const strategy of ROUTING_STRATEGIES) expect(placedCounts.get(strategy), strategy).toBeGreaterThan(100);
  });

  test('[ROUTE-2] is one line across departments and skills', () => {
    const desk = new SmallFloor('least-busy');
    desk.open({ id: 'c1', department: 'sales' });
    desk.open({ id: 'c2', skills: ['de'] });
    desk.open({ id: 'c3', department: 'support', priority: 'high' });
    desk.nowMs += 1;
    desk.open({ id: 'c4', department: 'sales', priority: 'urgent' });
    desk.open({ id: 'c5', department: 'sales', priority: 'low' });
    desk.hire('ann', { departments: ['sales', 'support'], skills: ['de'], capacity: 4 });
    expect(desk.route()).toEqual(['c4 → ann', 'c3 → ann', 'c1 → ann', 'c2 → ann']);
  });

  test('[ROUTE-2] an offer withdrawn before its placement is reported leaves no place held', () => {
    const desk = new SmallFloor('offer');
    const ann = desk.hire('ann');
    const log = desk.open({ id: 'c1' });
    const [placement] = desk.drain();
    desk.floor.sync(log.offer(ann.user, placement!.decision));
    desk.floor.sync(log.endOffer('withdrawn'));
    desk.floor.settle(placement!, true);
    expect([...ann.held]).toEqual([]);
    expect(desk.route()).toEqual(['c1 → ann']);
  });

  test('[ROUTE-2] a placement that fails leaves alone what another offered meanwhile', () => {
    const desk = new SmallFloor('offer');
    desk.hire('ann');
    const log = desk.open({ id: 'c1' });
    const [placement] = desk.drain();
    const bob = desk.hire('bob');
    desk.floor.sync(log.offer(bob.user, placement!.decision));
    desk.floor.settle(placement!, false);
    desk.floor.resume('c1');
    expect(desk.route()).toEqual([]);
    expect([...bob.held]).toEqual(['c1']);
    desk.floor.sync(log.assign(bob.user, 'routed'));
    expect(bob.load).toBe(1);
  });

  test('[ROUTE-2] whoever passed is not asked again before the time has passed, and then is', () => {
    const desk = new SmallFloor('offer');
    desk.hire('ann');
    const log = desk.open({ id: 'c1' });
    expect(desk.route()).toEqual(['c1 → ann']);
    desk.floor.sync(log.endOffer('declined'));
    expect(desk.route()).toEqual([]);
    const until = desk.floor.waiting('c1')!.passedUntil.get('ann')!;
    desk.nowMs = until - 1;
    desk.floor.resume('c1');
    expect(desk.route()).toEqual([]);
    desk.nowMs = until;
    desk.floor.resume('c1');
    expect(desk.route()).toEqual(['c1 → ann']);
  });
});

describe('a decision', () => {
  test('[ROUTE-2] says of a bot that has no part in a department that it is a bot, not that it passed', () => {
    const desk = new SmallFloor('least-busy');
    desk.hire('ann', { departments: ['sales'] });
    desk.hire('bot', { departments: ['sales'] });
    desk.open({ id: 'c1', department: 'sales' });
    expect(desk.drain().map(({ decision }) => decision.skipped)).toEqual([[{ agentId: 'bot', reason: 'bot' }]]);
  });
});
