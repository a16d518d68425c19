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
  if (event === 'participant:left') desk.arrivals.left(state.id, user, audiences);
  const told = event === 'participant:left' ? audiences : desk.arrivals.joined(state.id, user, audiences);
  if (told.length === 0) return;
  const rooms = told.length === 2 ? [allRoom(state.id)] : told.map((audience) => audienceRoom(audience, state.id));
  const target = { rooms, except: userRooms(state.tenant, user) };
  // Each node tells its own connections.
  desk.rooms.emitHere(target, event, { conversationId: state.id, user }, { ephemeral: true });
};

/** Somebody who is here became the assignee, or is it no more: others than before see him now. */
export const announceMembership = (desk: Desk, state: ConversationState, user: User, member: boolean): void => {
  const isHere = desk.roster.joined(state.id).some(({ actor }) => personKey(actor.user) === personKey(user));
  if (!isHere && !desk.elsewhere.has(state.id, user)) return;
  const asMember = shownTo(user.role, true);
  const asStranger = shownTo(user.role, false);
  const changed = asMember.filter((audience) => !asStranger.includes(audience));
  announce(desk, state, user, changed, member ? 'participant:joined' : 'participant:left');
};

/** Counts a connection in. */
export const arrive = (desk: Desk, { connectionId, actor }: Caller, state: ConversationState): void => {
  if (!desk.roster.join(connectionId, state.id)) return;
  desk.elsewhere.tell(state.id);
  if (desk.elsewhere.has(state.id, actor.user)) return;
  announce(desk, state, actor.user, shownTo(actor.role, isMember(actor, state)), 'participant:joined');
};

/** People came to a conversation, or left it, on other nodes. */
export const changedElsewhere = (
  desk: Desk,
  conversationId: string,
  came: readonly User[],
  went: readonly User[],
): void => {
  const state = desk.journal.peek(conversationId);
  if (state === undefined) return;
  const told = (user: User, event: 'participant:joined' | 'participant:left'): void =>
    announce(desk, state, user, shownTo(user.role, isMember({ user, role: user.role }, state)), event);
  for (const user of came) told(user, 'participant:joined');
  for (const user of went) told(user, 'participant:left');
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
  if (!last) return;
  desk.elsewhere.tell(conversationId);
  const { actor } = present;
  if (desk.elsewhere.has(conversationId, actor.user)) return;
  if (state === undefined) desk.arrivals.left(conversationId, actor.user, ['staff', 'public']);
  else announce(desk, state, actor.user, shownTo(actor.role, isMember(actor, state)), 'participant:left');
};

export const participants = (desk: Desk, audience: Audience, state: ConversationState): Participant[] => {
  const shown = new Map(
    [state.customer, ...(state.assignee === null ? [] : [state.assignee])].map((user) => [personKey(user), user]),
  );
  const joined = [...desk.roster.joined(state.id).map(({ actor }) => actor.user), ...desk.elsewhere.users(state.id)];
  for (const user of joined) {
    if (shownTo(user.role, isMember({ user, role: user.role }, state)).includes(audience))
      shown.set(personKey(user), user);
  }
  const isOnline = (user: User): boolean =>
    desk.roster.isOnline(state.tenant, user) ||
    desk.elsewhere.has(state.id, user) ||
    desk.agents.isConnectedElsewhere(state.tenant, user);
  return [...shown.values()].map((user) => ({ ...user, online: isOnline(user) }));
};
