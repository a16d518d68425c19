import type { Payload } from '../contract/contract.ts';
import { DeskwireError } from '../contract/errors.ts';
import type { User } from '../contract/schemas.ts';
import { personKey } from '../ports/actor.ts';
import { pagingRoom } from '../ports/rooms.ts';
import type { ClientKey, ConversationState, StoredEntry } from '../ports/store.ts';
import { invalidField, notFound } from './access.ts';
import { appendMessage } from './append-message.ts';
import type { Caller, Desk } from './desk.ts';
import type { Draft } from './draft.ts';
import { follow } from './follow.ts';
import { newConversationId } from './ids.ts';
import { outOfHoursDrafts } from './notices.ts';
import { checkMessage, messageDraft, requireSameContent, type MessagePayload } from './message-content.ts';

export type Opening = Omit<Payload<'conversation:open'>, 'customerId' | 'message'>;

interface Opened {
  state: ConversationState;
  message: StoredEntry<'message:created'> | undefined;
  /** The conversation was there already. */
  found: boolean;
  /** The message was there already. */
  repeated: boolean;
}

/** Somebody else may open, or close, the conversation in between; each time that costs another look. */
const MAX_LOOKS = 20;

/**
 * Finds the customer's conversation, by its name or the one open conversation without a name, or opens it; with
 * `message`, sends that in. Of any number of these at the same instant one opens, the others find.
 *
 * @param messagePath where the message stands in the request, for a refusal that names a field of it
 */
export const openOrFind = async (
  desk: Desk,
  caller: Caller,
  customer: User,
  opening: Opening,
  message: MessagePayload | undefined,
  messagePath = 'message.',
): Promise<Opened> => {
  if (message !== undefined) checkMessage(caller.actor, message);
  // The connection is joined before the next request starts: two that join it at once would begin its stream twice.
  const alone = { ...caller, sequenced: () => undefined };
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const opened = await lookOnce(desk, alone, customer, opening, message, messagePath);
    if (opened !== undefined) return opened;
  }
  throw new DeskwireError(
    'unavailable',
    'The conversation is opened and closed faster than this request could reach it; try again.',
  );
};

const lookOnce = async (
  desk: Desk,
  caller: Caller,
  customer: User,
  opening: Opening,
  message: MessagePayload | undefined,
  messagePath: string,
): Promise<Opened | undefined> => {
  const { tenant } = caller.actor;
  const name = opening.clientConversationId;
  const clientKey = message && { authorId: personKey(caller.actor.user), clientMessageId: message.clientMessageId };
  if (name === undefined && clientKey !== undefined && caller.actor.role === 'customer') {
    const sent = await desk.store.messageByClientId({ tenant, ...clientKey });
    if (sent !== null) return repeated(desk, tenant, sent, message);
  }
  const known =
    name === undefined
      ? await desk.store.currentConversation(tenant, customer.id)
      : await desk.store.namedConversation(tenant, customer.id, name);
  if (known !== null) return found(desk, caller, known, message);

  const drafts = [
    openedDraft(caller.actor.user, customer, opening),
    ...(message ? [messageDraft(caller.actor.user, message)] : []),
    ...outOfHoursDrafts(desk, tenant, opening.department ?? null),
  ];
  if (message?.replyToSeq !== undefined)
    throw invalidField(`${messagePath}replyToSeq`, 'expected nothing: the conversation is new');
  if ((message?.attachmentIds ?? []).length > 0) throw notFound();
  const outcome = await openHere(desk, caller, drafts, clientKey);
  switch (outcome.kind) {
    case 'opened':
      return {
        state: outcome.state,
        message: message && (outcome.entries[1] as StoredEntry<'message:created'>),
        found: false,
        repeated: false,
      };
    case 'exists':
      return found(desk, caller, outcome.state, message);
    case 'duplicate':
      return repeated(desk, tenant, outcome.entry, message);
  }
};

/** Opens a conversation; to this connection it arrives by following it, not as new work of the department too. */
const openHere = async (desk: Desk, caller: Caller, drafts: readonly Draft[], clientKey: ClientKey | undefined) => {
  const conversationId = newConversationId();
  const room = pagingRoom(conversationId);
  desk.rooms.enter(caller.connectionId, room);
  try {
    return await desk.journal.open(caller.actor.tenant, conversationId, drafts, clientKey);
  } finally {
    desk.rooms.exit(caller.connectionId, room);
  }
};

const openedDraft = (author: User, customer: User, opening: Opening): Draft => ({
  type: 'conversation:opened',
  author,
  visibility: 'all',
  clientConversationId: opening.clientConversationId ?? null,
  customer,
  subject: opening.subject ?? null,
  department: opening.department ?? null,
  priority: opening.priority ?? 'normal',
  skills: opening.skills ?? [],
  metadata: opening.metadata ?? {},
});

const repeated = async (
  desk: Desk,
  tenant: string,
  entry: StoredEntry<'message:created'>,
  message: MessagePayload | undefined,
): Promise<Opened> => {
  if (message !== undefined) requireSameContent(entry, message);
  return { state: await desk.journal.read(tenant, entry.conversationId), message: entry, found: true, repeated: true };
};

/** Undefined when the unnamed conversation was closed just now: then there is another to find, or to open. */
const found = async (
  desk: Desk,
  caller: Caller,
  known: ConversationState,
  message: MessagePayload | undefined,
): Promise<Opened | undefined> => {
  if (message === undefined) return { state: known, message: undefined, found: true, repeated: false };
  try {
    // Without a name it was looked for because it was open; closed since, it is not the one that was meant.
    const reopens = known.clientConversationId !== null;
    const sent = await appendMessage(desk, caller, known.id, message, { reopens });
    return { state: sent.state, message: sent.entry, found: true, repeated: sent.duplicate };
  } catch (error) {
    const closed = error instanceof DeskwireError && error.code === 'conversation_closed';
    if (closed && known.clientConversationId === null) return undefined;
    throw error;
  }
};

/** Joins the opener, starting with what this request wrote. */
export const followOpened = (
  desk: Desk,
  caller: Caller,
  { state, message, found: known, repeated: again }: Opened,
): Promise<void> =>
  follow(desk, caller, state, known ? (message === undefined || again ? state.lastSeq : message.seq - 1) : 0);
