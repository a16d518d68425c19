import { describe, expect, it } from 'vitest';
import { Pace } from '../../src/core/attachments/pace.ts';
import { HandClock } from '../support/hand-clock.ts';
import { Random, seedOf } from '../support/random.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A millisecond at a time, so that whoever waited sees the instant at which he was let through. */
const pass = async (clock: HandClock, ms: number): Promise<void> => {
  for (let passed = 0; passed < ms; passed += 1) {
    await settled();
    clock.moveBy(1);
  }
  await settled();
};

const start = (uploadBytesPerSecond: number, requestTimeoutMs = 10_000) => {
  const clock = new HandClock(0);
  const pace = new Pace(clock, { uploadBytesPerSecond, requestTimeoutMs });
  const taken: { name: string; atMs: number }[] = [];
  const refused: unknown[] = [];
  const take = (name: string, bytes: number): void => {
    pace.take(bytes, clock.now()).then(
      () => taken.push({ name, atMs: clock.now() }),
      (error: unknown) => refused.push(error),
    );
  };
  return { clock, taken, refused, take };
};

describe('the pace of all uploads together', () => {
  it('lets bytes through in their order, so many a second', async () => {
    const { clock, taken, take } = start(1_000);
    take('a', 500);
    take('b', 1_000);
    take('c', 100);
    await pass(clock, 2_000);
    expect(taken).toEqual([
      { name: 'a', atMs: 0 },
      { name: 'b', atMs: 500 },
      { name: 'c', atMs: 1_500 },
    ]);
  });

  it('does not make up for time in which nobody uploaded', async () => {
    const { clock, taken, take } = start(1_000);
    clock.moveBy(60_000);
    take('a', 500);
    take('b', 500);
    await settled();
    expect(taken.map(({ name }) => name)).toEqual(['a']);
  });

  it('refuses what could not be answered in time, and says when there is room', async () => {
    const { clock, taken, refused, take } = start(1_000, 10_000);
    take('a', 6_000);
    take('b', 100);
    await settled();
    expect(refused).toEqual([expect.objectContaining({ code: 'rate_limited', retryAfterMs: 3_500 })]);
    clock.moveBy(3_500);
    take('c', 100);
    await settled();
    clock.moveBy(2_500);
    await settled();
    // What was refused took no time of others.
    expect(taken).toEqual([
      { name: 'a', atMs: 0 },
      { name: 'c', atMs: 6_000 },
    ]);
  });

  it('holds for any chunks at any times: never more than a chunk ahead of the rate', async () => {
    const seed = seedOf(20_261_121);
    const random = new Random(seed);
    const bytesPerSecond = 100_000;
    const { clock, taken, take } = start(bytesPerSecond, 1_000_000);
    const sizes = new Map<string, number>();
    for (let index = 0; index < 300; index += 1) {
      const bytes = 1 + random.below(5_000);
      sizes.set(String(index), bytes);
      take(String(index), bytes);
      await pass(clock, random.below(60));
    }
    await pass(clock, 10_000);
    expect(taken.map(({ name }) => Number(name)).sort((a, b) => a - b)).toEqual([...sizes.keys()].map(Number));
    taken.forEach((first, from) => {
      let bytes = 0;
      for (const { name, atMs } of taken.slice(from)) {
        const allowed = ((atMs - first.atMs) * bytesPerSecond) / 1_000;
        // Waits below two milliseconds are not waited for; and time goes by in milliseconds here.
        expect(bytes, `seed ${String(seed)}`).toBeLessThanOrEqual(allowed + (3 * bytesPerSecond) / 1_000);
        bytes += sizes.get(name) ?? 0;
      }
    });
  });
});
