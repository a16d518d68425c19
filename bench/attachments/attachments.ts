import { attachmentsReport, type AttachmentsMeasured } from './report.ts';
import { FULL, SMOKE } from './plan.ts';
import { measureAlone, measureCrowd, measureSteps, SITUATIONS, type Beside } from './round.ts';
import type { Built } from '../build.ts';

/** A run too short for its own windows would give figures of nothing. */
const checkBeside = ({ delays }: Beside): void => {
  for (const situation of SITUATIONS) {
    if (delays[situation].count === 0) throw new Error(`no small message was sent in the situation "${situation}"`);
  }
};

/**
 * Attachments beside a bare server that takes whole files, in turns. Every file is checked by its hash, every chunk and every
 * small message by its acknowledgement. Gives tables.
 */
export const benchAttachments = async (built: Built, roundCount: number, smoke: boolean): Promise<string> => {
  const plan = smoke ? SMOKE : FULL;
  const measuring = { built, plan };
  const measured: AttachmentsMeasured = {
    memory: { peer: [], deskwire: [] },
    beside: { peer: [], deskwire: [] },
    chunkings: [],
    few: [],
    steps: [],
  };
  for (let round = 1; round <= roundCount; round += 1) {
    const tell = (what: string): boolean =>
      process.stderr.write(`attachments, round ${String(round)} of ${String(roundCount)}: ${what}\n`);
    for (const kind of ['peer', 'deskwire'] as const) {
      tell(`many uploads at once, ${kind}`);
      const { memory, beside } = await measureCrowd(measuring, kind);
      checkBeside(beside);
      measured.memory[kind].push(memory);
      measured.beside[kind].push(beside);
    }
    tell('uploads alone: sizes of chunks, and what it costs');
    const { chunkings, few } = await measureAlone(measuring);
    measured.chunkings.push(chunkings);
    measured.few.push(few);
    measured.steps.push(await measureSteps(measuring));
  }
  if (smoke)
    return 'Every file arrived as it was sent, and every chunk and every message was acknowledged. Too short a run for timings.';
  return attachmentsReport(measured, plan, roundCount);
};
