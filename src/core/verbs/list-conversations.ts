import { DeskwireError } from '../../contract/errors.ts';
import { DEFAULT_PAGE } from '../../contract/limits.ts';
import type { Verb } from '../desk.ts';
import { conversationView } from '../views.ts';

export const listConversations: Verb<'conversation:list'> = async (desk, { actor }, payload) => {
  const { assignee, limit, customerId, ...filters } = payload;
  const { audience, tenant, user } = actor;
  if (audience === 'public') {
    if (customerId !== undefined && customerId !== user.id) {
      throw new DeskwireError('forbidden', 'customerId names somebody else; customers list their own conversations.');
    }
    if (filters.tag !== undefined) throw new DeskwireError('forbidden', 'tag is for agents and supervisors; leave it out.');
  }
  const customer = audience === 'public' ? user.id : customerId;
  const { conversations, nextCursor } = await desk.store.listConversations({
    tenant,
    ...filters,
    limit: limit ?? Math.min(DEFAULT_PAGE, desk.limits.pageConversations),
    ...(customer === undefined ? {} : { customerId: customer }),
    ...(assignee === undefined ? {} : { assigneeId: assignee === 'none' ? null : assignee === 'me' ? user.id : assignee }),
  });
  return { conversations: conversations.map((state) => conversationView(audience, state)), nextCursor };
};
