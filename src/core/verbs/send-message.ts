import type { Payload, ReplyData } from '../../contract/contract.ts';
import { DeskwireError } from '../../contract/errors.ts';
import { invalidField } from '../access.ts';
import { appendMessage } from '../append-message.ts';
import type { Caller, Desk, Verb } from '../desk.ts';
import { checkMessage } from '../message-content.ts';
import { followOpened, openOrFind, type Opening } from '../open-or-find.ts';
import { conversationView, entryView } from '../views.ts';

export const sendMessage: Verb<'message:send'> = async (desk, caller, message) => {
  const { actor } = caller;
  const { conversationId } = message;
  checkMessage(actor, message);
  if (conversationId !== undefined) {
    try {
      const { entry, duplicate, reopened, state } = await appendMessage(desk, caller, conversationId, message);
      return {
        entry: entryView(desk, actor.audience, entry),
        duplicate,
        ...(reopened && { conversation: conversationView(desk, actor.audience, state) }),
      };
    } catch (error) {
      const closed = error instanceof DeskwireError && error.code === 'conversation_closed';
      if (!closed || actor.role !== 'customer') throw error;
      if (message.replyToSeq !== undefined) {
        throw invalidField(
          'replyToSeq',
          'expected nothing: the conversation is closed, and the message goes to another',
        );
      }
      const { department, skills, subject } = await desk.journal.read(actor.tenant, conversationId);
      const opening = { skills, ...(department && { department }), ...(subject && { subject }) };
      return sendUnaddressed(desk, caller, opening, message);
    }
  }
  if (actor.role !== 'customer')
    throw invalidField('conversationId', 'expected an id; only customers may leave it out');
  return sendUnaddressed(desk, caller, {}, message);
};

/** Into the customer's one open conversation without a name, which is opened if there is none. */
const sendUnaddressed = async (
  desk: Desk,
  caller: Caller,
  opening: Opening,
  { conversationId: _conversationId, ...message }: Payload<'message:send'>,
): Promise<ReplyData<'message:send'>> => {
  const { actor } = caller;
  const opened = await openOrFind(desk, caller, actor.user, opening, message, '');
  if (opened.message === undefined) throw new Error('a message was sent, so there is one');
  await followOpened(desk, caller, opened);
  return {
    entry: entryView(desk, actor.audience, opened.message),
    duplicate: opened.repeated,
    conversation: conversationView(desk, actor.audience, desk.journal.peek(opened.state.id) ?? opened.state),
  };
};
