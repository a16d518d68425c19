import { DeskwireError } from '../../contract/errors.ts';
import type { Audience } from '../../contract/roles.ts';
import { isoTime } from '../../ports/clock.ts';
import { requireOpen, requireParticipant, watches } from '../access.ts';
import type { Caller, Desk, Verb } from '../desk.ts';
import type { ConversationState } from '../../ports/store.ts';

/** @throws not_found, stale_fence, forbidden */
const requireJoined = async (
  desk: Desk,
  { actor, connectionId }: Caller,
  conversationId: string,
): Promise<ConversationState> => {
  const hasJoined = desk.roster.hasJoined(connectionId, conversationId);
  // Who has joined was let in, and what is known here follows the log: typing is not worth a question to the store.
  const known = hasJoined ? desk.journal.peek(conversationId) : undefined;
  const state = known ?? (await desk.journal.read(actor.tenant, conversationId));
  requireParticipant(actor, state);
  if (!hasJoined) {
    throw new DeskwireError(
      'forbidden',
      'This connection has not joined the conversation; send conversation:join first.',
    );
  }
  return state;
};

export const startTyping: Verb<'typing:start'> = async (desk, caller, { conversationId, preview }) => {
  const state = await requireJoined(desk, caller, conversationId);
  requireOpen(state);
  const { connectionId, actor } = caller;
  const { tenant, user } = actor;
  // What a supervisor types who watches may be a note, and would give him away.
  const audiences: Audience[] = watches(actor, state) ? ['staff'] : ['staff', 'public'];
  const expiresAt = desk.typing.start({ connectionId, tenant, conversationId, user, audiences, preview });
  return { expiresAt: isoTime(expiresAt) };
};

export const stopTyping: Verb<'typing:stop'> = async (desk, caller, { conversationId }) => {
  await requireJoined(desk, caller, conversationId);
  desk.typing.stop(conversationId, caller.actor.user, 'stopped');
  return {};
};
