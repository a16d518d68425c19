import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LIMITS, type Limits } from '../../src/contract/limits.ts';
import { Links } from '../../src/core/attachments/links.ts';
import { type Clock, systemClock } from '../../src/ports/clock.ts';
import type { Log } from '../../src/ports/log.ts';
import { noMetrics } from '../../src/ports/metrics.ts';
import type { Store } from '../../src/ports/store.ts';
import { openAttachments } from '../../src/server/attachments.ts';
import { silentLog } from './store.ts';

/** Links for where no message has any. */
export const someLinks = (clock: Clock = systemClock): Links =>
  new Links({ secret: 'a-secret-of-a-test', publicUrl: '', linkMs: DEFAULT_LIMITS.linkMs, clock });

/** What a desk needs of attachments, in a folder of its own; `remove` ends and deletes it. */
export const temporaryAttachments = async (
  store: Store,
  { limits = DEFAULT_LIMITS, clock = systemClock, log = silentLog }: { limits?: Limits; clock?: Clock; log?: Log } = {},
) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'deskwire-attachments-'));
  const attachments = { kind: 'disk', folder: join(dataDir, 'attachments') } as const;
  const attachmentParts = await openAttachments({
    config: { attachments, attachmentTypes: ['image/*', 'text/plain'], scanner: undefined, limits, dataDir },
    ...{ store, clock, log, metrics: noMetrics },
  });
  return {
    parts: { ...attachmentParts, links: someLinks(clock) },
    remove: async () => {
      await attachmentParts.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
