/** The times by which a desk is measured, as its entries carry them. */
import type { User } from '../contract/schemas.ts';
import type { ConversationState } from '../ports/store.ts';
import type { DraftOf } from './draft.ts';

const since = (openedAt: string, now: number): number => Math.max(0, now - Date.parse(openedAt));

/** How long the customer waited, if this is a person's first answer. */
export const firstResponseMs = (
  { author, visibility }: DraftOf<'message:created'>,
  state: ConversationState,
  now: number,
): number | undefined => {
  if (state.firstResponseMs !== null || visibility === 'staff') return undefined;
  const answers = author?.role === 'agent' || author?.role === 'supervisor';
  return answers ? since(state.openedAt, now) : undefined;
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
