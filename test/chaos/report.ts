import type { ChaosReport } from './chaos-run.ts';

const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([what, count]) => `${what} ${String(count)}`)
    .join(', ') || 'none';

/** What a run found, line by line; the verdict and the command that repeats it come last. */
export const reportLines = (report: ChaosReport): string[] => {
  const { outside, inside } = report.ackMs;
  const perSecond = Math.round((report.acknowledged * 1_000) / report.sendingMs);
  const { lost, doubled, disordered, other } = report.counts;
  const more = lost + doubled + disordered + other - report.violations.length;
  return [
    '',
    `messages      ${String(report.acknowledged)} acknowledged in ${(report.sendingMs / 1_000).toFixed(1)} s (${String(perSecond)} a second); ${String(report.repeated)} times sent again, ${String(report.duplicates)} of them were there already`,
    `streams       ${String(report.streams)} in ${String(report.conversations)} conversations of ${String(report.entries)} entries; ${String(report.delivered)} entries delivered over ${String(report.reconnects)} reconnects`,
    `assignments   ${String(report.changes)} acknowledged; ${String(report.givenBack)} conversations taken from agents who were gone`,
    `faults        ${listed(report.faults)}`,
    `ack outside   p50 ${String(outside.p50)} ms, p99 ${String(outside.p99)} ms (${String(outside.count)})`,
    `ack in faults p50 ${String(inside.p50)} ms, p99 ${String(inside.p99)} ms (${String(inside.count)})`,
    `longest time  without any acknowledgement ${String(Math.round(report.longestSilenceMs))} ms; sending held back ${String(Math.round(report.heldBackMs))} ms`,
    `refusals      ${listed(report.refusals)}`,
    `nodes said    ${listed(report.complaints)}; starts that had to be repeated: ${String(report.failedStarts)}`,
    '',
    ...report.violations,
    ...(more > 0 ? [`… and ${String(more)} more`] : []),
    `${String(lost)} lost, ${String(doubled)} doubled, ${String(disordered)} out of order${other > 0 ? `, ${String(other)} other violations` : ''}`,
    report.command,
  ];
};
