/** Who is here, as others see it. */
import type { Audience, Role } from '../contract/roles.ts';
import type { Participant, User } from '../contract/schemas.ts';
import { personKey } from '../ports/actor.ts';
import { allRoom, audienceRoom, userRooms } from '../ports/rooms.ts';
import type { ConversationState } from '../ports/store.ts';
import { isMember } from './access.ts';
import type { Caller, Desk } from './desk.ts';

/** To whom somebody's presence is shown: staff who only look on are no business of the customer, and supervisors watch unseen. */
const shownTo = (role: Role, member: boolean): readonly Audience[] => {
  if (member) return ['staff', 'public'];
  return role === 'agent' ? ['staff'] : [];
};

const announce = (
  desk: Desk,
  state: ConversationState,
  user: User,
  audiences: readonly Audience[],
  event: 'participant:joined' | 'participant:left',
): void => {
  if (audiences.length === 0) return;
  const rooms =
    audiences.length === 2 ? [allRoom(state.id)] : audiences.map((audience) => audienceRoom(audience, state.id));
  const target = { rooms, except: userRooms(state.tenant, user) };
  desk.rooms.emit(target, event, { conversationId: state.id, user }, { ephemeral: true });
};

/** Somebody who is here became the assignee, or is it no more: others than before see him now. */
export const announceMembership = (desk: Desk, state: ConversationState, user: User, member: boolean): void => {
  if (!desk.roster.joined(state.id).some(({ actor }) => personKey(actor.user) === personKey(user))) return;
  const asMember = shownTo(user.role, true);
  const asStranger = shownTo(user.role, false);
  const changed = asMember.filter((audience) => !asStranger.includes(audience));
  announce(desk, state, user, changed, member ? 'participant:joined' : 'participant:left');
};

/** Counts a connection in. */
export const arrive = (desk: Desk, { connectionId, actor }: Caller, state: ConversationState): void => {
  if (!desk.roster.join(connectionId, state.id)) return;
  announce(desk, state, actor.user, shownTo(actor.role, isMember(actor, state)), 'participant:joined');
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
  if (!last || state === undefined) return;
  const { actor } = present;
  announce(desk, state, actor.user, shownTo(actor.role, isMember(actor, state)), 'participant:left');
};

export const participants = (desk: Desk, audience: Audience, state: ConversationState): Participant[] => {
  const shown = new Map(
    [state.customer, ...(state.assignee === null ? [] : [state.assignee])].map((user) => [personKey(user), user]),
  );
  for (const { actor } of desk.roster.joined(state.id)) {
    if (shownTo(actor.role, isMember(actor, state)).includes(audience)) shown.set(personKey(actor.user), actor.user);
  }
  return [...shown.values()].map((user) => ({ ...user, online: desk.roster.isOnline(state.tenant, user) }));
};
