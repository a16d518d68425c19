import type { Verb } from '../desk.ts';
import { changed } from '../written.ts';

export const updateConversation: Verb<'conversation:update'> = async (desk, caller, { conversationId, ...change }) => {
  const { tenant, user } = caller.actor;
  // Tags are the staff's own labels, so a change of them alone is the staff's own business.
  const tagsOnly = change.tags !== undefined && Object.keys(change).length === 1;
  const tags = change.tags && [...new Set(change.tags)];
  const result = await desk.journal.write(tenant, conversationId, () => ({
    entries: [
      {
        type: 'conversation:updated',
        author: user,
        visibility: tagsOnly ? 'staff' : 'all',
        ...(change.subject === undefined ? {} : { subject: change.subject }),
        ...(tags === undefined ? {} : { tags }),
        ...(change.priority === undefined ? {} : { priority: change.priority }),
        ...(change.metadata === undefined ? {} : { metadata: change.metadata }),
      },
    ],
  }));
  return changed(desk, caller, result, 0, 'conversation:updated');
};
