/** The times by which a desk is measured, as its entries carry them. */
import type { User } from '../contract/schemas.ts';
import type { ConversationState } from '../ports/store.ts';
import type { DraftOf } from './draft.ts';

const since = (openedAt: string, now: number): number => Math.max(0, now - Date.parse(openedAt));

/** How long the customer waited, if this is a person's first answer. */
export const firstResponse = (
  author: User,
  visibility: 'all' | 'staff',
  state: ConversationState,
  now: number,
): { firstResponseMs?: number } => {
  const answers = (author.role === 'agent' || author.role === 'supervisor') && visibility === 'all';
  return answers && state.firstResponseMs === null ? { firstResponseMs: since(state.openedAt, now) } : {};
};

/** @param author null: the server */
export const closedDraft = (
  state: ConversationState,
  author: User | null,
  reason: string | null,
  now: number,
): DraftOf<'conversation:closed'> => ({
  type: 'conversation:closed',
  author,
  visibility: 'all',
  reason,
  resolutionMs: since(state.openedAt, now),
  firstResponseMs: state.firstResponseMs,
});
