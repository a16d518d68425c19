import { invalidField } from '../access.ts';
import { appendMessage } from '../append-message.ts';
import type { Verb } from '../desk.ts';
import { checkMessage } from '../message-content.ts';
import { followOpened, openOrFind } from '../open-or-find.ts';
import { conversationView, entryView } from '../views.ts';

export const sendMessage: Verb<'message:send'> = async (desk, caller, message) => {
  const { actor } = caller;
  const { conversationId } = message;
  checkMessage(actor, message);
  if (conversationId !== undefined) {
    const { entry, duplicate } = await appendMessage(desk, caller, conversationId, message);
    return { entry: entryView(actor.audience, entry), duplicate };
  }
  if (actor.role !== 'customer')
    throw invalidField('conversationId', 'expected an id; only customers may leave it out');
  const opened = await openOrFind(desk, caller, actor.user, {}, message);
  if (opened.message === undefined) throw new Error('a message was sent, so there is one');
  await followOpened(desk, caller, opened);
  return {
    entry: entryView(actor.audience, opened.message),
    duplicate: opened.repeated,
    conversation: conversationView(actor.audience, desk.journal.peek(opened.state.id) ?? opened.state),
  };
};
