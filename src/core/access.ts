/** Who may do what in a conversation of their own tenant. Roles alone are checked by the dispatcher, from the contract. */
import { DeskwireError } from '../contract/errors.ts';
import { personKey, type Actor } from '../ports/actor.ts';
import type { ConversationState, StoredEntry } from '../ports/store.ts';

/** What of an actor a conversation knows. */
type Person = Pick<Actor, 'user' | 'role'>;

/** Word for word the same for what does not exist, is another tenant's, or may not be seen. */
export const notFound = (): DeskwireError => new DeskwireError('not_found');

export const isCustomer = (actor: Person, state: ConversationState): boolean =>
  actor.role === 'customer' && state.customer.id === actor.user.id;

/** Of a closed conversation the last assignee is still shown, but nobody acts as assignee. */
export const isAssignee = (actor: Person, state: ConversationState): boolean =>
  actor.role !== 'customer' && state.assignee?.id === actor.user.id;

export const isAuthor = (actor: Actor, { author }: StoredEntry): boolean =>
  author !== null && personKey(author) === personKey(actor.user);

export const isMember = (actor: Person, state: ConversationState): boolean =>
  isCustomer(actor, state) || isAssignee(actor, state);

/** Looks on without anybody being told of it. */
export const watches = (actor: Person, state: ConversationState): boolean =>
  actor.role === 'supervisor' && !isMember(actor, state);

export const mayRead = (actor: Actor, state: ConversationState): boolean =>
  actor.audience === 'staff' || isMember(actor, state);

/** @throws not_found */
export const requireReader = (actor: Actor, state: ConversationState): void => {
  if (!mayRead(actor, state)) throw notFound();
};

/**
 * For what is done in a conversation, not only read of it. A bot that was assigned and is not any more learns that the
 * conversation has moved on: that is how its late answers are kept out.
 *
 * @throws not_found, stale_fence
 */
export const requireParticipant = (actor: Actor, state: ConversationState): void => {
  if (mayRead(actor, state)) return;
  if (actor.role === 'bot' && state.formerAssignees.includes(actor.user.id)) throw staleFence(state);
  throw notFound();
};

export const staleFence = (state: ConversationState): DeskwireError =>
  new DeskwireError('stale_fence', undefined, { details: { fence: state.fence } });

/** @throws conversation_closed */
export const requireOpen = (state: ConversationState): void => {
  if (state.status === 'closed') throw new DeskwireError('conversation_closed');
};

/** A refusal that names one field of an otherwise well-formed payload. */
export const invalidField = (path: string, message: string): DeskwireError =>
  new DeskwireError('invalid_payload', `${path}: ${message}`, { details: [{ path, message }] });
