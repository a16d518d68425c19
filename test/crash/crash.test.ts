import { describe, expect, it } from 'vitest';
import { seedOf } from '../support/random.ts';
import { crashRun } from './crash-run.ts';

describe('SIGKILL during traffic', () => {
  // `npm run crash` takes as many as one likes.
  it.each(Array.from({ length: 8 }, (_, run) => seedOf(1_000 + run)))(
    '[MSG-6] loses, doubles and disorders nothing that was acknowledged (seed %i)',
    async (seed) => {
      const report = await crashRun(seed);
      expect(report.broken, `seed ${String(seed)}`).toEqual([]);
      expect(report.acknowledged).toBe(240);
    },
    120_000,
  );
});
