import { describe, expect, test } from 'vitest';
import type { QueuePlace } from '../../src/contract/schemas.ts';
import { daily, SmallFloor, userOf } from './small-floor.ts';

const line = (desk: SmallFloor, department: string | null): string[] =>
  [...desk.floor.places(department)].map(({ conversationId, place }) => {
    expect(desk.floor.place(conversationId)).toEqual(place);
    return `${String(place.position)} ${conversationId}`;
  });

const waitOf = (desk: SmallFloor, id: string): Omit<QueuePlace, 'position'> => {
  const place = desk.floor.place(id);
  if (place === null) throw new Error(`${id} does not wait`);
  const { position: _, ...wait } = place;
  return wait;
};

describe('a position', () => {
  test('[QUEUE-1] goes by priority, then age, then arrival, in each department for itself', () => {
    const desk = new SmallFloor('manual');
    desk.open({ id: 'c1', department: 'sales' });
    desk.open({ id: 'c2', department: 'sales' });
    desk.open({ id: 'c3' });
    desk.nowMs += 1;
    desk.open({ id: 'c4', department: 'sales', priority: 'low' });
    desk.open({ id: 'c5', department: 'sales', priority: 'urgent' });
    desk.open({ id: 'c6', department: 'sales', skills: ['de'], priority: 'high' });
    expect(line(desk, 'sales')).toEqual(['1 c5', '2 c6', '3 c1', '4 c2', '5 c4']);
    expect(line(desk, null)).toEqual(['1 c3']);
    expect(line(desk, 'support')).toEqual([]);
  });

  test('[QUEUE-1] goes by age where that and the arrival differ', () => {
    const desk = new SmallFloor('manual');
    desk.open({ id: 'c1' });
    desk.nowMs -= 1;
    desk.open({ id: 'c2' });
    expect(line(desk, null)).toEqual(['1 c2', '2 c1']);
  });

  test('[QUEUE-1] is the old one for who comes back to the queue', () => {
    const desk = new SmallFloor('manual');
    for (const id of ['c1', 'c2', 'c3']) desk.open({ id });
    desk.floor.sync(desk.log('c2').assign(userOf('ann')));
    expect(line(desk, null)).toEqual(['1 c1', '2 c3']);
    expect(desk.floor.place('c2')).toBeNull();
    desk.nowMs += 60_000;
    desk.open({ id: 'c4' });
    desk.floor.sync(desk.log('c2').release('agent_disconnected'));
    expect(line(desk, null)).toEqual(['1 c1', '2 c2', '3 c3', '4 c4']);
  });

  test('[QUEUE-1] is the last one for what was closed and is reopened', () => {
    const desk = new SmallFloor('manual');
    for (const id of ['c1', 'c2']) desk.open({ id });
    desk.floor.sync(desk.log('c1').close());
    expect(desk.floor.place('c1')).toBeNull();
    desk.nowMs += 1;
    desk.floor.sync(desk.log('c1').reopen());
    expect(line(desk, null)).toEqual(['1 c2', '2 c1']);
  });

  test('[QUEUE-1] follows a change of priority and of department', () => {
    const desk = new SmallFloor('manual');
    for (const id of ['c1', 'c2', 'c3']) desk.open({ id, department: 'sales' });
    desk.floor.sync(desk.log('c3').setPriority('high'));
    expect(line(desk, 'sales')).toEqual(['1 c3', '2 c1', '3 c2']);
    desk.nowMs += 1;
    desk.open({ id: 'c4', department: 'support' });
    desk.told.clear();
    desk.floor.sync(desk.log('c1').transferTo('support'));
    expect(line(desk, 'sales')).toEqual(['1 c3', '2 c2']);
    expect(line(desk, 'support')).toEqual(['1 c1', '2 c4']);
    expect(desk.told).toEqual(new Set(['sales', 'support']));
  });

  test('[QUEUE-1] is kept while an offer stands', () => {
    const desk = new SmallFloor('offer');
    for (const id of ['c1', 'c2']) desk.open({ id });
    desk.hire('ann');
    expect(desk.route()).toEqual(['c1 → ann']);
    expect(line(desk, null)).toEqual(['1 c1', '2 c2']);
  });
});

describe('an expected wait', () => {
  test('[QUEUE-1] is the position times the mean handling time, divided by the places of who is online', () => {
    const desk = new SmallFloor('manual');
    desk.hire('ann', { capacity: 1 });
    desk.hire('bob', { capacity: 2 });
    desk.handle('h1', 'ann', 60_000);
    desk.handle('h2', 'bob', 120_000);
    for (const id of ['c1', 'c2']) desk.open({ id });
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: 30_000, basis: 'handling_time' });
    expect(waitOf(desk, 'c2')).toEqual({ estimatedWaitMs: 60_000, basis: 'handling_time' });
    desk.presence('bob', false);
    expect(waitOf(desk, 'c2')).toEqual({ estimatedWaitMs: 180_000, basis: 'handling_time' });
  });

  test('[QUEUE-1] rests on the last fifty conversations of the department, and on people alone', () => {
    const desk = new SmallFloor('manual');
    desk.hire('ann', { departments: ['sales'], capacity: 1 });
    desk.handle('long', 'ann', 3_600_000, 'sales');
    desk.handle('elsewhere', 'ann', 3_600_000);
    desk.handle('quick', 'bot', 1, 'sales');
    for (let number = 1; number < 50; number += 1) desk.handle(`h${String(number)}`, 'ann', 1_000, 'sales');
    desk.open({ id: 'c1', department: 'sales' });
    expect(waitOf(desk, 'c1').estimatedWaitMs).toBe((3_600_000 + 49 * 1_000) / 50);
    desk.handle('h50', 'ann', 1_000, 'sales');
    expect(waitOf(desk, 'c1').estimatedWaitMs).toBe(1_000);
  });

  test('[QUEUE-1] cannot be said before a conversation of the department has ended', () => {
    const desk = new SmallFloor('manual');
    desk.hire('ann', { departments: ['sales'] });
    desk.handle('elsewhere', 'ann', 1_000);
    desk.open({ id: 'c1', department: 'sales' });
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: null, basis: 'no_history' });
    desk.told.clear();
    desk.handle('h1', 'ann', 1_000, 'sales');
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: 1_000, basis: 'handling_time' });
  });

  test('[QUEUE-1] rests on what is written, whenever a node hears of it', () => {
    const desk = new SmallFloor('manual');
    desk.hire('ann', { departments: ['sales'] });
    desk.open({ id: 'c1', department: 'sales' });
    const log = desk.open({ id: 'h1', department: 'sales' });
    desk.floor.sync(log.assign(userOf('ann')));
    desk.nowMs += 1_000;
    const closed = log.close();
    desk.nowMs += 240;
    desk.floor.sync(closed);
    expect(waitOf(desk, 'c1').estimatedWaitMs).toBe(1_000);
  });

  test('[QUEUE-1] is told anew when it rests on something new', () => {
    const desk = new SmallFloor('manual');
    desk.hire('ann', { departments: ['sales'] });
    desk.open({ id: 'c1', department: 'sales' });
    const log = desk.open({ id: 'h1', department: 'sales' });
    desk.floor.sync(log.assign(userOf('ann')));
    desk.nowMs += 1_000;
    desk.told.clear();
    desk.floor.sync(log.close());
    expect(desk.told).toEqual(new Set(['sales']));
  });

  test.each<[string, (desk: SmallFloor) => void]>([
    ['nobody is', () => undefined],
    ['those of another department are', (desk) => desk.hire('ann', { departments: ['support'] })],
    ['only a bot is', (desk) => desk.hire('bot', { departments: ['sales'] })],
    ['the only one is away', (desk) => desk.hire('ann', { departments: ['sales'], status: 'away' })],
    [
      'the lease of the only one has ended',
      (desk) => {
        desk.hire('ann', { departments: ['sales'] });
        desk.presence('ann', false);
      },
    ],
  ])('[QUEUE-1] cannot be said while nobody is online: %s', (_, prepare) => {
    const desk = new SmallFloor('manual', { sales: { botsFirst: true } });
    desk.handle('h1', 'cyd', 1_000, 'sales');
    prepare(desk);
    desk.open({ id: 'c1', department: 'sales' });
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: null, basis: 'nobody_online' });
  });

  test('[QUEUE-1] cannot be said out of hours, but when it opens can', () => {
    const desk = new SmallFloor('manual', { sales: { hours: daily(12, 18) } });
    desk.hire('ann', { departments: ['sales'] });
    desk.open({ id: 'c1', department: 'sales' });
    const opensAt = '2026-01-12T12:00:00.000Z';
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: null, basis: 'out_of_hours', opensAt });
    desk.nowMs = Date.parse(opensAt);
    desk.told.clear();
    desk.floor.hoursChanged();
    expect(desk.told).toEqual(new Set(['sales']));
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: null, basis: 'no_history' });
    desk.nowMs = Date.parse('2026-01-12T18:00:00.000Z');
    desk.floor.hoursChanged();
    expect(waitOf(desk, 'c1').opensAt).toBe('2026-01-13T12:00:00.000Z');
  });

  test('[QUEUE-1] has no opening to name where a department never opens', () => {
    const desk = new SmallFloor('manual', { sales: { hours: daily(0, 0) } });
    desk.open({ id: 'c1', department: 'sales' });
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: null, basis: 'out_of_hours' });
  });
});

describe('a fallback', () => {
  test('[QUEUE-1] takes over, in waits and in work, while nobody of the department is online', () => {
    const desk = new SmallFloor('least-busy', { sales: { fallback: 'support' } });
    desk.handle('h1', 'cyd', 60_000, 'sales');
    desk.hire('ann', { departments: ['sales'], capacity: 1 });
    desk.hire('bob', { departments: ['support'], capacity: 2 });
    desk.open({ id: 'c0', department: 'sales' });
    expect(desk.route()).toEqual(['c0 → ann']);
    desk.open({ id: 'c1', department: 'sales' });
    // Ann is there: it is hers, although she is full.
    expect(desk.route()).toEqual([]);
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: 60_000, basis: 'handling_time' });
    desk.told.clear();
    desk.presence('ann', false);
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: 30_000, basis: 'handling_time' });
    expect(desk.told.has('sales')).toBe(true);
    expect(desk.route()).toEqual(['c1 → bob']);
    desk.presence('ann', true);
    desk.open({ id: 'c2', department: 'sales' });
    expect(desk.route()).toEqual([]);
  });

  test('[QUEUE-1] takes over while who is online takes no conversations', () => {
    const desk = new SmallFloor('least-busy', { sales: { fallback: 'support' } });
    desk.hire('ann', { departments: ['sales'], capacity: 0 });
    desk.open({ id: 'c1', department: 'sales' });
    expect(waitOf(desk, 'c1').basis).toBe('nobody_online');
    desk.hire('bob', { departments: ['support'] });
    expect(desk.route()).toEqual(['c1 → bob']);
  });

  test('[QUEUE-1] takes over while the department is closed, unless it is closed itself', () => {
    const desk = new SmallFloor('least-busy', {
      sales: { fallback: 'support', hours: daily(14, 18) },
      support: { hours: daily(11, 18) },
    });
    desk.hire('ann', { departments: ['sales'] });
    desk.hire('bob', { departments: ['support'] });
    desk.open({ id: 'c1', department: 'sales' });
    desk.open({ id: 'c2', department: 'sales' });
    expect(desk.route()).toEqual([]);
    const opensAt = '2026-01-12T14:00:00.000Z';
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: null, basis: 'out_of_hours', opensAt });
    desk.nowMs = Date.parse('2026-01-12T11:00:00.000Z');
    desk.floor.hoursChanged();
    expect(waitOf(desk, 'c1')).toEqual({ estimatedWaitMs: null, basis: 'no_history' });
    expect(desk.route()).toEqual(['c1 → bob']);
    desk.nowMs = Date.parse(opensAt);
    desk.floor.hoursChanged();
    expect(desk.route()).toEqual(['c2 → ann']);
  });
});
