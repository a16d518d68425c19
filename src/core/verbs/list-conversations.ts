import { DeskwireError } from '../../contract/errors.ts';
import { DEFAULT_PAGE } from '../../contract/limits.ts';
import type { Actor } from '../../ports/actor.ts';
import { invalidField, mayRead } from '../access.ts';
import type { Desk, Verb } from '../desk.ts';
import { awaitPlaces, conversationView } from '../views.ts';

/** A cursor is the id of a conversation, so it is of a page only if one may see that. @throws invalid_payload */
const requireCursor = async (desk: Desk, actor: Actor, cursor: string): Promise<void> => {
  const state = await desk.journal.read(actor.tenant, cursor).catch((error: unknown) => {
    if (error instanceof DeskwireError && error.code === 'not_found') return undefined;
    throw error;
  });
  if (state === undefined || !mayRead(actor, state))
    throw invalidField('cursor', 'expected nextCursor of an earlier page');
};

export const listConversations: Verb<'conversation:list'> = async (desk, { actor }, payload) => {
  const { assignee, limit, customerId, ...filters } = payload;
  const { audience, tenant, user } = actor;
  if (audience === 'public') {
    if (customerId !== undefined && customerId !== user.id) {
      throw new DeskwireError('forbidden', 'customerId names somebody else; customers list their own conversations.');
    }
    if (filters.tag !== undefined)
      throw new DeskwireError('forbidden', 'tag is for agents and supervisors; leave it out.');
  }
  if (filters.cursor !== undefined) await requireCursor(desk, actor, filters.cursor);
  const customer = audience === 'public' ? user.id : customerId;
  const { conversations, nextCursor } = await desk.store.listConversations({
    tenant,
    ...filters,
    limit: limit ?? Math.min(DEFAULT_PAGE, desk.limits.pageConversations),
    ...(customer === undefined ? {} : { customerId: customer }),
    ...(assignee === undefined
      ? {}
      : { assigneeId: assignee === 'none' ? null : assignee === 'me' ? user.id : assignee }),
  });
  await awaitPlaces(desk, conversations);
  return { conversations: conversations.map((state) => conversationView(desk, audience, state)), nextCursor };
};
