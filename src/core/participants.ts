/** Who is here, as others see it. */
import type { Audience } from '../contract/roles.ts';
import type { Participant } from '../contract/schemas.ts';
import type { Actor } from '../ports/actor.ts';
import { allRoom, audienceRoom, userRooms } from '../ports/rooms.ts';
import type { ConversationState } from '../ports/store.ts';
import { isMember } from './access.ts';
import type { Caller, Desk } from './desk.ts';

/** To whom somebody's presence is shown: staff who only look on are no business of the customer, and supervisors watch unseen. */
const shownTo = (actor: Actor, state: ConversationState): 'all' | 'staff' | 'nobody' => {
  if (isMember(actor, state)) return 'all';
  return actor.role === 'agent' ? 'staff' : 'nobody';
};

const announce = (
  desk: Desk,
  actor: Actor,
  state: ConversationState,
  event: 'participant:joined' | 'participant:left',
): void => {
  const shown = shownTo(actor, state);
  if (shown === 'nobody') return;
  const room = shown === 'all' ? allRoom(state.id) : audienceRoom('staff', state.id);
  const target = { rooms: [room], except: userRooms(actor.tenant, actor.user.id) };
  desk.rooms.emit(target, event, { conversationId: state.id, user: actor.user }, { ephemeral: true });
};

/** Counts a connection in. */
export const arrive = (desk: Desk, { connectionId, actor }: Caller, state: ConversationState): void => {
  if (desk.roster.join(connectionId, state.id)) announce(desk, actor, state, 'participant:joined');
};

/** Counts a connection out, and ends what it had going on there. */
export const depart = (
  desk: Desk,
  connectionId: string,
  conversationId: string,
  reason: 'left' | 'disconnected',
): void => {
  const present = desk.roster.connection(connectionId);
  if (present === undefined) return;
  desk.typing.stopConnection(connectionId, conversationId, reason);
  desk.feeds.leave(connectionId, conversationId);
  const last = desk.roster.leave(connectionId, conversationId);
  const state = desk.journal.peek(conversationId);
  if (last && state !== undefined) announce(desk, present.actor, state, 'participant:left');
};

export const participants = (desk: Desk, audience: Audience, state: ConversationState): Participant[] => {
  const shown = new Map([state.customer, ...(state.assignee === null ? [] : [state.assignee])].map((user) => [user.id, user]));
  for (const { actor } of desk.roster.joined(state.id)) {
    const to = shownTo(actor, state);
    if (to === 'all' || (to === 'staff' && audience === 'staff')) shown.set(actor.user.id, actor.user);
  }
  return [...shown.values()].map((user) => ({ ...user, online: desk.roster.isOnline(state.tenant, user.id) }));
};
