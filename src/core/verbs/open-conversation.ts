import { DeskwireError } from '../../contract/errors.ts';
import type { User } from '../../contract/schemas.ts';
import { invalidField } from '../access.ts';
import type { Caller, Verb } from '../desk.ts';
import { followOpened, openOrFind } from '../open-or-find.ts';
import { conversationView, entryView } from '../views.ts';

export const openConversation: Verb<'conversation:open'> = async (
  desk,
  caller,
  { customerId, message, ...opening },
) => {
  const customer = customerOf(caller, customerId);
  const opened = await openOrFind(desk, caller, customer, opening, message);
  const { audience } = caller.actor;
  await followOpened(desk, caller, opened);
  return {
    conversation: conversationView(desk, audience, desk.journal.peek(opened.state.id) ?? opened.state),
    duplicate: opened.found,
    ...(opened.message && { entry: entryView(desk, audience, opened.message) }),
  };
};

const customerOf = ({ actor }: Caller, customerId: string | undefined): User => {
  if (actor.role === 'customer') {
    if (customerId === undefined || customerId === actor.user.id) return actor.user;
    throw new DeskwireError('forbidden', 'customerId is for staff; customers open their own conversations.');
  }
  if (customerId === undefined)
    throw invalidField('customerId', 'expected the id of the customer on whose behalf you open');
  return { id: customerId, name: customerId, role: 'customer' };
};
