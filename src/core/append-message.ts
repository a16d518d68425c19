import { DeskwireError } from '../contract/errors.ts';
import { personKey } from '../ports/actor.ts';
import type { ConversationState, StoredEntry } from '../ports/store.ts';
import type { Caller, Desk } from './desk.ts';
import { checkMessageIn, messageDraft, requireSameContent, type MessagePayload } from './message-content.ts';

interface Sent {
  entry: StoredEntry<'message:created'>;
  duplicate: boolean;
  state: ConversationState;
}

/**
 * Writes a message, or finds the one that its client id made before: also when it could not be sent now, because the
 * conversation was closed or handed over since.
 *
 * @throws what checkMessageIn throws, duplicate_mismatch
 */
export const appendMessage = async (
  desk: Desk,
  caller: Caller,
  conversationId: string,
  message: MessagePayload,
): Promise<Sent> => {
  const { tenant, user } = caller.actor;
  const clientKey = { authorId: personKey(user), clientMessageId: message.clientMessageId };
  try {
    const result = await desk.journal.write(
      tenant,
      conversationId,
      (state) => {
        checkMessageIn(caller.actor, message, state);
        return { entries: [messageDraft(user, message)], clientKey };
      },
      { onSequenced: caller.sequenced },
    );
    if (result.kind === 'committed') {
      return { entry: result.entries[0] as StoredEntry<'message:created'>, duplicate: false, state: result.state };
    }
    if (result.kind === 'unchanged') throw new Error('a message is always written');
    requireSameContent(result.entry, message);
    return { entry: result.entry, duplicate: true, state: result.state };
  } catch (error) {
    const refused = error instanceof DeskwireError && REFUSED_BY_STATE.has(error.code);
    const entry = refused ? await desk.store.messageByClientId({ tenant, conversationId, ...clientKey }) : null;
    if (entry === null) throw error;
    requireSameContent(entry, message);
    return { entry, duplicate: true, state: await desk.journal.read(tenant, conversationId) };
  }
};

const REFUSED_BY_STATE: ReadonlySet<string> = new Set([
  'conversation_closed',
  'not_found',
  'stale_fence',
  'invalid_payload',
]);
