import { requireReader } from '../access.ts';
import type { Verb } from '../desk.ts';
import { awaitPlaces, conversationView } from '../views.ts';

export const getConversation: Verb<'conversation:get'> = async (desk, { actor }, { conversationId }) => {
  const state = await desk.journal.read(actor.tenant, conversationId);
  requireReader(actor, state);
  await awaitPlaces(desk, [state]);
  return { conversation: conversationView(desk, actor.audience, state) };
};
