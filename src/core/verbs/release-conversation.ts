import { DeskwireError } from '../../contract/errors.ts';
import { requireOpen } from '../access.ts';
import { requireAssigneeOrSupervisor } from '../assignee.ts';
import type { Verb } from '../desk.ts';
import { changed } from '../written.ts';

export const releaseConversation: Verb<'assignment:release'> = async (
  desk,
  caller,
  { conversationId, reason, summary },
) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireAssigneeOrSupervisor(actor, state);
    requireOpen(state);
    if (state.assignee === null)
      throw new DeskwireError('forbidden', 'Nobody is assigned, so there is nothing to release.');
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
  return changed(desk, caller, result, 0, 'conversation:released');
};
