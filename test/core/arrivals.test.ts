import { describe, expect, it } from 'vitest';
import { Arrivals } from '../../src/core/arrivals.ts';

const bob = { id: 'bob', name: 'Bob', role: 'agent' } as const;
const customer = { id: 'bob', name: 'Bob', role: 'customer' } as const;

describe('arrivals', () => {
  it('are news to each audience once, until the person has left or nobody is here any more', () => {
    const arrivals = new Arrivals();
    const joined = (...audiences: ('staff' | 'public')[]) => arrivals.joined('c', bob, audiences);
    expect(joined('staff')).toEqual(['staff']);
    expect(joined('staff')).toEqual([]);
    expect(joined('staff', 'public')).toEqual(['public']);
    arrivals.left('c', bob, ['public']);
    expect(joined('staff', 'public')).toEqual(['public']);
    arrivals.left('c', bob, ['staff', 'public']);
    expect(joined('staff', 'public')).toEqual(['staff', 'public']);
    arrivals.forget('c');
    expect(joined('public')).toEqual(['public']);
  });

  it('are each person’s and conversation’s own', () => {
    const arrivals = new Arrivals();
    arrivals.joined('c', bob, ['public']);
    expect(arrivals.joined('c', customer, ['public'])).toEqual(['public']);
    expect(arrivals.joined('d', bob, ['public'])).toEqual(['public']);
    arrivals.left('d', bob, ['public']);
    arrivals.left('e', bob, ['public']);
    expect(arrivals.joined('c', bob, ['public'])).toEqual([]);
  });
});
