import { DeskwireError } from '../../contract/errors.ts';
import type { Offer } from '../../contract/schemas.ts';
import type { Actor } from '../../ports/actor.ts';
import type { ConversationState } from '../../ports/store.ts';
import { isAssignee, requireOpen, requireReader } from '../access.ts';
import type { Verb } from '../desk.ts';
import { assignedDraft } from '../draft.ts';
import { conversationView } from '../views.ts';
import { assigned } from '../written.ts';

/** The standing offer, if it is this one and this actor's. @throws not_found, conversation_closed, forbidden, offer_expired */
const requireOffer = (actor: Actor, state: ConversationState, offerId: string): Offer => {
  const { offer } = state;
  if (offer?.offerId === offerId && offer.agent.id === actor.user.id) return offer;
  requireReader(actor, state);
  requireOpen(state);
  if (offer?.offerId === offerId) {
    throw new DeskwireError('forbidden', `The conversation is offered to ${offer.agent.name}, not to you.`);
  }
  throw new DeskwireError('offer_expired');
};

export const acceptOffer: Verb<'assignment:accept'> = async (desk, caller, { conversationId, offerId }) => {
  const { actor } = caller;
  await desk.peers.told(actor.tenant, actor.user.id);
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    if (state.status === 'assigned' && isAssignee(actor, state)) return undefined;
    const { decision } = requireOffer(actor, state, offerId);
    return {
      entries: [assignedDraft(state, { author: actor.user, assignee: actor.user, reason: 'routed', decision })],
      capacityGuard: { agentId: actor.user.id, capacity: desk.agents.seatOf(actor).capacity },
    };
  });
  return assigned(desk, caller, result);
};

export const declineOffer: Verb<'assignment:decline'> = async (desk, { actor }, { conversationId, offerId }) => {
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireOffer(actor, state, offerId);
    return {
      entries: [
        {
          type: 'conversation:updated',
          author: actor.user,
          visibility: 'staff',
          offer: null,
          offerOutcome: 'declined',
        },
      ],
    };
  });
  return { conversation: conversationView(desk, actor.audience, result.state) };
};
