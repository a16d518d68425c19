import type { User } from '../contract/schemas.ts';
import type { ConversationState } from '../ports/store.ts';
import type { Desk } from './desk.ts';
import type { Draft } from './draft.ts';
import { outOfHoursDrafts } from './notices.ts';

/** Puts a closed conversation back into the queue; `said` is what it is reopened with. */
export const reopenedDrafts = (
  desk: Desk,
  author: User,
  state: ConversationState,
  said: readonly Draft[] = [],
): Draft[] => [
  { type: 'conversation:reopened', author, visibility: 'all', fence: state.fence + 1 },
  ...said,
  ...outOfHoursDrafts(desk, state.tenant, state.department),
];
