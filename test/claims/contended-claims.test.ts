import { describe, expect, it } from 'vitest';
import { seedOf } from '../support/random.ts';
import { claimRun } from './claim-run.ts';

/** TEST_CLAIMS=100000 takes longer. */
const CLAIMS = Number(process.env['TEST_CLAIMS'] ?? 30_000);
const KILLS = 4;

describe('claims by many agents of few conversations', () => {
  it('[ASSIGN-1] contended claims have one winner each time, raise the fence each time and are linearizable, through SIGKILLs', async () => {
    const seed = seedOf(4_000);
    const { broken, ...report } = await claimRun({
      seed,
      claimCount: CLAIMS,
      agentCount: 40,
      conversationCount: 5,
      killCount: KILLS,
    });
    const where = `seed ${String(seed)}: ${JSON.stringify(report)}`;
    expect(broken.slice(0, 20), where).toEqual([]);
    expect(report.claims, where).toBe(CLAIMS);
    expect(report.kills, where).toBe(KILLS);
    // Else the run would prove little: all of this has to have happened, and often.
    expect(report.won, where).toBeGreaterThan(CLAIMS / 50);
    expect(report.releases, where).toBeGreaterThan(CLAIMS / 50);
    expect(report.raced, where).toBeGreaterThan(CLAIMS / 50);
    expect(report.refusedReleases, where).toBeGreaterThan(CLAIMS / 200);
    expect(report.unknownClaims, where).toBeGreaterThan(KILLS);
  }, 180_000);
});
