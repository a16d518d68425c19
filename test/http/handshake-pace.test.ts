import { describe, expect, it } from 'vitest';
import { createHandshakePace } from '../../src/transport/http/handshake-pace.ts';
import { HandClock } from '../support/hand-clock.ts';

/** An event loop that has nothing to do for a part of the time; time moves by hand. */
const scene = (idlePart: number) => {
  const clock = new HandClock(0);
  const loop = { idlePart, idle: 0, active: 0, at: 0 };
  const usage = () => {
    const passedMs = clock.now() - loop.at;
    loop.at = clock.now();
    loop.idle += passedMs * loop.idlePart;
    loop.active += passedMs * (1 - loop.idlePart);
    return { idle: loop.idle, active: loop.active };
  };
  const pace = createHandshakePace({ clock, usage });
  let inside = 0;
  const crowd = (count: number): void => {
    for (let index = 0; index < count; index += 1)
      pace.enter('::1', () => {
        inside += 1;
        return true;
      });
  };
  return { clock, loop, pace, crowd, inside: () => inside };
};

describe('the pace of handshakes', () => {
  it('lets a few in at once, and of a crowd one for each two milliseconds in which the event loop had nothing to do', () => {
    const { clock, crowd, inside, pace } = scene(0.5);
    crowd(3);
    expect(inside()).toBe(3);
    crowd(1_000);
    expect(inside()).toBe(8);
    clock.moveBy(200);
    expect(inside()).toBeGreaterThan(8 + 48);
    expect(inside()).toBeLessThanOrEqual(8 + 50);
    expect(pace.waitingCount).toBe(1_003 - inside());
  });

  it('lets a hundred a second in where there is never nothing to do', () => {
    const { clock, crowd, inside } = scene(0);
    crowd(500);
    clock.moveBy(1_000);
    expect(inside()).toBeGreaterThan(100);
    expect(inside()).toBeLessThanOrEqual(109);
    clock.moveBy(5_000);
    expect(inside()).toBe(500);
  });

  it('saves no more than a few places up in quiet times', () => {
    const { clock, crowd, inside } = scene(1);
    clock.moveBy(60_000);
    crowd(100);
    expect(inside()).toBe(8);
  });

  it('keeps the order, and counts nobody who has gone', () => {
    const { clock, pace } = scene(1);
    const came: number[] = [];
    for (let index = 0; index < 40; index += 1)
      pace.enter('::1', () => {
        came.push(index);
        return index < 8 || index >= 30;
      });
    expect(came).toHaveLength(8);
    clock.moveBy(16);
    // Eight places: those who have gone need none, and come before the next one who does.
    expect(came).toEqual(Array.from({ length: 38 }, (_, index) => index));
  });

  it('takes no more than 5 000 who wait', () => {
    const { clock, pace, crowd } = scene(1);
    crowd(5_008);
    expect(pace.waitingCount).toBe(5_000);
    expect(pace.enter('::1', () => true)).toBe(false);
    clock.moveBy(8);
    expect(pace.enter('::1', () => true)).toBe(true);
  });

  it('takes addresses in turns: a crowd from one does not keep somebody from another waiting', () => {
    const { clock, crowd, pace } = scene(1);
    crowd(3_000);
    expect(pace.waitingFrom('::1')).toBe(2_992);
    const came: string[] = [];
    for (const name of ['a', 'b', 'c'])
      pace.enter(name, () => {
        came.push(name);
        return true;
      });
    expect(pace.waitingFrom('a')).toBe(1);
    clock.moveBy(16);
    expect(came).toEqual(['a', 'b', 'c']);
    expect(pace.waitingFrom('a')).toBe(0);
    expect(pace.waitingCount).toBe(pace.waitingFrom('::1'));
  });
});
