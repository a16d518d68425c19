import type { EventPayload } from '../contract/contract.ts';
import { audienceOf } from '../contract/roles.ts';
import type { Actor } from '../ports/actor.ts';
import { userRooms } from '../ports/rooms.ts';
import type { ConversationState } from '../ports/store.ts';
import type { Desk } from './desk.ts';
import { conversationView } from './views.ts';

const offered = (desk: Desk, state: ConversationState): EventPayload<'assignment:offered'> | undefined => {
  const { offer } = state;
  if (offer === null) return undefined;
  const conversation = conversationView(desk, audienceOf(offer.agent.role), state);
  return { offerId: offer.offerId, conversation, expiresAt: offer.expiresAt };
};

/** Tells an agent's connections on this node that a conversation is offered to him. */
export const announceOffer = (desk: Desk, state: ConversationState): void => {
  const event = offered(desk, state);
  if (event === undefined || state.offer === null) return;
  const target = { rooms: userRooms(state.tenant, state.offer.agent) };
  // Not ephemeral: somebody's time to answer runs.
  desk.rooms.emitHere(target, 'assignment:offered', event);
};

/** Tells a new connection what is offered to its agent already. */
export const offerAgain = (desk: Desk, connectionId: string, actor: Actor): void => {
  for (const conversationId of desk.agents.seatOf(actor).held) {
    void desk.journal.read(actor.tenant, conversationId).then(
      (state) => {
        const event = state.offer?.agent.id === actor.user.id ? offered(desk, state) : undefined;
        if (event !== undefined) desk.rooms.emitTo(connectionId, 'assignment:offered', event);
      },
      () => undefined,
    );
  }
};
