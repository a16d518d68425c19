import { DeskwireError } from '../../contract/errors.ts';
import { isAssignee, mayRead, notFound, requireOpen, staleFence } from '../access.ts';
import type { Actor } from '../../ports/actor.ts';
import type { ConversationState } from '../../ports/store.ts';
import type { Verb } from '../desk.ts';
import { changed } from '../written.ts';

/** @throws stale_fence, not_found, forbidden */
const requireAssigneeOrSupervisor = (actor: Actor, state: ConversationState): void => {
  if (isAssignee(actor, state)) return;
  if (actor.role === 'supervisor' && state.assignee !== null) return;
  if (state.formerAssignees.includes(actor.user.id)) throw staleFence(state);
  if (!mayRead(actor, state)) throw notFound();
  throw new DeskwireError(
    'forbidden',
    state.assignee === null
      ? 'Nobody is assigned, so there is nothing to release.'
      : 'Only the assignee, or a supervisor, releases a conversation.',
  );
};

export const releaseConversation: Verb<'assignment:release'> = async (
  desk,
  caller,
  { conversationId, reason, summary },
) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireAssigneeOrSupervisor(actor, state);
    requireOpen(state);
    return {
      entries: [
        {
          type: 'conversation:released',
          author: actor.user,
          visibility: 'all',
          assignee: null,
          previousAssignee: state.assignee,
          fence: state.fence + 1,
          reason: actor.role === 'bot' ? 'bot_handoff' : 'released',
          ...(reason === undefined ? {} : { detail: reason }),
          ...(summary === undefined ? {} : { summary }),
        },
      ],
    };
  });
  return changed(desk, caller, result, 'conversation:released', 0);
};
