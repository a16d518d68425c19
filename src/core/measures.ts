import type { Metrics } from '../ports/metrics.ts';
import type { StoredEntry } from '../ports/store.ts';

/** Counts what entries say of the desk's work. */
export const measure = (metrics: Metrics, openedAt: string, entries: readonly StoredEntry[]): void => {
  for (const entry of entries) {
    switch (entry.type) {
      case 'message:created':
        if (entry.firstResponseMs !== undefined) metrics.firstResponse(entry.firstResponseMs);
        break;
      case 'conversation:assigned':
      case 'conversation:transferred':
      case 'conversation:released':
        metrics.assignment(entry.reason);
        if (entry.assignee !== null && entry.previousAssignee === null)
          metrics.queueWait(Math.max(0, Date.parse(entry.at) - Date.parse(openedAt)));
        break;
      case 'conversation:closed':
        if (entry.resolutionMs !== undefined) metrics.resolution(entry.resolutionMs);
        break;
      default:
    }
  }
};
