import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { within } from '../../src/store/postgres/connect.ts';
import { Silence } from '../../src/store/postgres/silence.ts';
import { HandClock } from '../support/hand-clock.ts';

const SILENT_MS = 1_000;

const scene = () => {
  const clock = new HandClock();
  const confirmations: ((isSilent: boolean) => void)[] = [];
  let silences = 0;
  const silence = new Silence({
    clock,
    silentMs: SILENT_MS,
    confirm: () => new Promise((resolve) => confirmations.push(resolve)),
    onSilent: () => {
      silences += 1;
    },
  });
  return {
    clock,
    silence,
    /** How often it has asked whether there is silence. */
    doubts: () => confirmations.length,
    silences: () => silences,
    confirm: async (isSilent: boolean) => {
      confirmations.at(-1)?.(isSilent);
      await new Promise(setImmediate);
    },
  };
};

describe('silence of a database', () => {
  it('is that nothing is answered, and another connection neither', async () => {
    const { clock, silence, doubts, silences, confirm } = scene();
    silence.asked();
    clock.moveBy(SILENT_MS - 1);
    expect(doubts()).toBe(0);
    clock.moveBy(1);
    expect(doubts()).toBe(1);
    await confirm(true);
    expect(silences()).toBe(1);
  });

  it('is none while other statements are answered, or another connection', async () => {
    const { clock, silence, doubts, silences, confirm } = scene();
    silence.asked();
    silence.asked();
    clock.moveBy(SILENT_MS / 2);
    silence.answered();
    clock.moveBy(SILENT_MS - 1);
    expect(doubts()).toBe(0);
    clock.moveBy(1);
    await confirm(false);
    expect([doubts(), silences()]).toEqual([1, 0]);
    // It is listened to again.
    clock.moveBy(SILENT_MS);
    expect(doubts()).toBe(2);
  });

  it('is none when an answer comes while another connection, which takes longer, is still tried', async () => {
    const { clock, silence, silences, confirm } = scene();
    silence.asked();
    silence.asked();
    clock.moveBy(SILENT_MS);
    silence.answered();
    await confirm(true);
    expect(silences()).toBe(0);
    clock.moveBy(SILENT_MS);
    await confirm(true);
    expect(silences()).toBe(1);
  });
});

describe('a bound', () => {
  const late = () => new Error('late');

  it('ends what does not come', async () => {
    await expect(within(new Promise(() => undefined), 1, late)).rejects.toThrow('late');
  });

  it('takes what has arrived while the process was held up', async () => {
    // Timers are next, before whatever arrives.
    await new Promise(setImmediate);
    const answer = within(stat(import.meta.filename), 10, late);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    expect((await answer).isFile()).toBe(true);
  });
});
