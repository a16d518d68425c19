import { notFound, requireReader } from '../access.ts';
import type { Verb } from '../desk.ts';
import { depart } from '../participants.ts';

export const leaveConversation: Verb<'conversation:leave'> = async (
  desk,
  { actor, connectionId },
  { conversationId },
) => {
  if (!desk.roster.hasJoined(connectionId, conversationId)) {
    const state = await desk.journal.read(actor.tenant, conversationId).catch(() => undefined);
    if (state === undefined) throw notFound();
    requireReader(actor, state);
  }
  depart(desk, connectionId, conversationId, 'left');
  return {};
};
