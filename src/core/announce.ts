import type { User } from '../contract/schemas.ts';
import { audienceOf, type Audience } from '../contract/roles.ts';
import { allRoom, pagingRoom, queueRoom, userRoom } from '../ports/rooms.ts';
import type { ConversationState, StoredEntry } from '../ports/store.ts';
import { mayRead } from './access.ts';
import type { Desk } from './desk.ts';
import { announceMembership, depart } from './participants.ts';
import { entryView } from './views.ts';

const MAY_END_MEMBERSHIP: ReadonlySet<string> = new Set([
  'conversation:assigned',
  'conversation:transferred',
  'conversation:released',
  'conversation:reopened',
]);

/**
 * What follows from a commit, of this node or another, for those on this node who have not joined, for typing, and for who may stay.
 *
 * @param offeredTo to whom it was offered until now: an assignment to somebody else ends that
 */
export const announceCommit = (
  desk: Desk,
  state: ConversationState,
  entries: readonly StoredEntry[],
  offeredTo: User | undefined,
): void => {
  for (const entry of entries) {
    switch (entry.type) {
      case 'message:created':
        // A note must not show in the reason for which its author's typing ends.
        if (entry.author !== null)
          desk.typing.stop(state.id, entry.author, entry.visibility === 'all' ? 'message' : 'stopped');
        break;
      case 'conversation:opened':
      case 'conversation:reopened':
        announce(desk, state, entry, []);
        break;
      case 'conversation:assigned':
      case 'conversation:transferred':
      case 'conversation:released': {
        const { assignee, previousAssignee } = entry;
        announce(
          desk,
          state,
          entry,
          [assignee, previousAssignee, offeredTo].filter((user) => user !== null && user !== undefined),
        );
        if (previousAssignee !== null) {
          desk.typing.stop(state.id, previousAssignee, 'reassigned');
          announceMembership(desk, state, previousAssignee, false);
        }
        if (assignee !== null) announceMembership(desk, state, assignee, true);
        break;
      }
      case 'conversation:closed':
        desk.typing.stopAll(state.id, 'closed');
        break;
      default:
    }
  }
  if (entries.some(({ type }) => MAY_END_MEMBERSHIP.has(type))) removeStrangers(desk, state);
};

/** To the agents concerned and, when the conversation waits, to those who take new work; not to who gets it from the feed. */
const announce = (
  desk: Desk,
  state: ConversationState,
  entry: StoredEntry<
    | 'conversation:opened'
    | 'conversation:reopened'
    | 'conversation:assigned'
    | 'conversation:transferred'
    | 'conversation:released'
  >,
  concerned: readonly User[],
): void => {
  const audiences: readonly Audience[] = ['staff', 'public'];
  for (const audience of audiences) {
    const rooms = concerned
      .filter(({ role }) => audienceOf(role) === audience)
      .map((user) => userRoom(audience, state.tenant, user));
    if (state.status === 'queued') rooms.push(queueRoom(audience, state.tenant, state.department));
    if (rooms.length === 0) continue;
    const target = { rooms, except: [allRoom(state.id), pagingRoom(state.id)] };
    // Each node tells its own connections: what has a seq must not hang on the bus.
    desk.rooms.emitHere(target, entry.type, entryView(desk, audience, entry));
  }
};

/** A bot that gave the conversation away is no member any more; it still gets the entry that says so. */
const removeStrangers = (desk: Desk, state: ConversationState): void => {
  for (const { id, actor } of desk.roster.joined(state.id)) {
    if (!mayRead(actor, state)) depart(desk, id, state.id, 'left');
  }
};
