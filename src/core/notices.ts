/** What the server itself says in a conversation. */
import type { EntryOf } from '../contract/schemas.ts';
import { isoTime } from '../ports/clock.ts';
import type { Desk } from './desk.ts';
import type { DraftOf } from './draft.ts';
import { newNoticeId } from './ids.ts';

export const noticeDraft = (
  notice: NonNullable<EntryOf<'message:created'>['notice']>,
  text: string,
): DraftOf<'message:created'> => ({
  type: 'message:created',
  author: null,
  visibility: 'all',
  clientMessageId: newNoticeId(),
  text,
  format: 'plain',
  attachments: [],
  notice,
});

/** The answer of a department that is closed, for the entry that opens a conversation there; with when it opens, if it does. */
export const outOfHoursDrafts = (
  { departments, clock, router }: Pick<Desk, 'departments' | 'clock' | 'router'>,
  tenant: string,
  department: string | null,
): DraftOf<'message:created'>[] => {
  if (!router.floor(tenant).isOutOfHours(department)) return [];
  const opensAt = departments.opensAt(department, clock.now());
  const draft = noticeDraft('out_of_hours', departments.rules(department).outOfHoursMessage);
  return [opensAt === undefined ? draft : { ...draft, metadata: { opensAt: isoTime(opensAt) } }];
};
