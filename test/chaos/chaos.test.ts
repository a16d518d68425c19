import { describe, expect, it } from 'vitest';
import { seedOf } from '../support/random.ts';
import { chaosRun } from './chaos-run.ts';
import { FAULT_KINDS, readOptions } from './options.ts';
import { planFaults } from './plan.ts';

/** Fifteen seconds of it, and what settling takes. */
const TIMEOUT_MS = 240_000;

describe('faults of all kinds while messages flow over three nodes', () => {
  it.each([...new Set([seedOf(11), seedOf(12), seedOf(13)])])(
    '[NODE-1] SIGKILL and SIGSTOP of nodes, loss of Redis, restarts of Postgres and cut connections lose, double and disorder nothing that was acknowledged (seed %i)',
    async (seed) => {
      const args = ['--seed', String(seed), '--messages', '4500', '--seconds', '15', '--processes', '1'];
      const lines: string[] = [];
      const report = await chaosRun(readOptions([...args, '--conversations', '24', '--gap-ms', '1200']), (line) =>
        lines.push(line),
      );
      expect(report.violations, lines.join('\n')).toEqual([]);
      expect(report.acknowledged).toBe(4_500);
      expect(Object.keys(report.faults).every((kind) => FAULT_KINDS.some((known) => known === kind))).toBe(true);
      expect(Object.keys(report.faults).length, lines.join('\n')).toBeGreaterThanOrEqual(5);
    },
    TIMEOUT_MS,
  );
});

describe('the schedule of faults', () => {
  it('follows from the seed', () => {
    const options = readOptions(['--seed', '7']);
    expect(planFaults(options)).toEqual(planFaults(options));
    expect(planFaults(options)).not.toEqual(planFaults({ ...options, seed: 8 }));
  });

  it('never strikes one thing twice at a time, nor all nodes', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const plan = planFaults(readOptions(['--seed', String(seed), '--gap-ms', '300', '--nodes', '2']));
      for (const [index, fault] of plan.entries()) {
        const during = plan.slice(0, index).filter(({ atMs, durationMs }) => atMs + durationMs > fault.atMs);
        const nodes = during.map(({ node }) => node).filter((node) => node !== -1);
        if (fault.node !== -1) expect(nodes, `seed ${String(seed)}`).toEqual([]);
        else
          expect(
            during.filter(({ kind }) => kind.split('-')[0] === fault.kind.split('-')[0]),
            `seed ${String(seed)}`,
          ).toEqual([]);
      }
    }
  });
});
