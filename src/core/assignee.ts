/** Who may act as the assignee, and who may become it. */
import { DeskwireError } from '../contract/errors.ts';
import type { Actor } from '../ports/actor.ts';
import { isoTime } from '../ports/clock.ts';
import type { ConversationState } from '../ports/store.ts';
import { isAssignee, mayRead, notFound, staleFence } from './access.ts';
import type { Desk } from './desk.ts';
import type { Seat } from './routing/seat.ts';

/** @throws stale_fence, not_found, forbidden */
export const requireAssigneeOrSupervisor = (actor: Actor, state: ConversationState): void => {
  if (isAssignee(actor, state) || actor.role === 'supervisor') return;
  if (state.formerAssignees.includes(actor.user.id)) throw staleFence(state);
  if (!mayRead(actor, state)) throw notFound();
  throw new DeskwireError(
    'forbidden',
    state.assignee === null
      ? 'Nobody is assigned; claim the conversation first.'
      : 'Only the assignee, or a supervisor, hands a conversation on.',
  );
};

/**
 * Somebody of the tenant who can be given work by others. Whether he has room is decided by the store, with the write.
 *
 * @throws not_found, agent_unavailable
 */
export const requireAvailable = (desk: Desk, tenant: string, agentId: string): Seat => {
  const seat = desk.router.floor(tenant).seat(agentId);
  if (seat === undefined) throw notFound();
  if (seat.available) return seat;
  throw new DeskwireError(
    'agent_unavailable',
    `${seat.user.name} is ${seat.status}; choose somebody who is online (agent:list), or a department.`,
  );
};

/**
 * A department that takes work now: one that is configured, or that an agent of the tenant works in, and that is open.
 *
 * @throws not_found, agent_unavailable
 */
export const requireOpenDepartment = (desk: Desk, tenant: string, department: string): void => {
  const { departments, router, clock } = desk;
  const known =
    departments.isConfigured(department) ||
    [...router.floor(tenant).seats].some(({ facts }) => facts.departments.includes(department));
  if (!known) throw new DeskwireError('not_found', `There is no department ${JSON.stringify(department)}.`);
  const now = clock.now();
  if (departments.isOpen(department, now)) return;
  const opensAt = departments.opensAt(department, now);
  const when = opensAt === undefined ? '' : `; it opens at ${isoTime(opensAt)}`;
  throw new DeskwireError('agent_unavailable', `The department ${JSON.stringify(department)} is closed now${when}.`);
};
