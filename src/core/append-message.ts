import { DeskwireError } from '../contract/errors.ts';
import { personKey } from '../ports/actor.ts';
import type { ConversationState, StoredEntry } from '../ports/store.ts';
import { isCustomer, requireOpen } from './access.ts';
import { attachmentsOf } from './attachments/in-messages.ts';
import type { KeptAttachment } from './attachments/links.ts';
import type { Change, Next } from './placing.ts';
import type { Caller, Desk } from './desk.ts';
import { firstResponseMs } from './desk-times.ts';
import { checkMessageIn, messageDraft, requireSameContent, type MessagePayload } from './message-content.ts';
import { reopenedDrafts } from './reopen.ts';

interface Sent {
  entry: StoredEntry<'message:created'>;
  duplicate: boolean;
  /** It was a customer's, and the conversation was closed. */
  reopened: boolean;
  state: ConversationState;
}

/**
 * Writes a message, or finds the one that its client id made before: also when it could not be sent now, because the
 * conversation was closed or handed over since.
 *
 * @param options.reopens whether a customer's message may reopen the conversation, where the setting says so
 * @throws what checkMessageIn throws, duplicate_mismatch
 */
export const appendMessage = async (
  desk: Desk,
  caller: Caller,
  conversationId: string,
  message: MessagePayload,
  { reopens = true }: { reopens?: boolean } = {},
): Promise<Sent> => {
  const { tenant, user } = caller.actor;
  const reopensClosed = reopens && desk.closedConversations === 'reopen';
  const clientKey = { authorId: personKey(user), clientMessageId: message.clientMessageId };
  const { attachmentIds = [] } = message;
  const change = (state: ConversationState, next: Next, attachments: KeptAttachment[] = []): Change => {
    checkMessageIn(caller.actor, message, state);
    const draft = messageDraft(user, message, attachments);
    const waitedMs = firstResponseMs(draft, state, next.now);
    if (waitedMs !== undefined) draft.firstResponseMs = waitedMs;
    const reopening = reopensClosed && state.status === 'closed' && isCustomer(caller.actor, state);
    if (!reopening) requireOpen(state);
    const entries = reopening ? reopenedDrafts(desk, user, state, [draft]) : [draft];
    if (attachments.length === 0) return { entries, clientKey };
    const seq = next.seq + entries.indexOf(draft);
    return { entries, clientKey, attach: { attachmentIds, seq, visibility: draft.visibility } };
  };
  try {
    const result = await desk.journal.write(
      tenant,
      conversationId,
      attachmentIds.length === 0
        ? change
        : async (state, next) => {
            checkMessageIn(caller.actor, message, state);
            return change(state, next, await attachmentsOf(desk, caller.actor, conversationId, attachmentIds));
          },
      { onSequenced: caller.sequenced, exclusive: attachmentIds.length > 0 },
    );
    if (result.kind === 'committed') {
      const reopened = result.entries.length > 1;
      const entry = result.entries[reopened ? 1 : 0] as StoredEntry<'message:created'>;
      return { entry, duplicate: false, reopened, state: result.state };
    }
    if (result.kind === 'unchanged') throw new Error('a message is always written');
    requireSameContent(result.entry, message);
    return { entry: result.entry, duplicate: true, reopened: false, state: result.state };
  } catch (error) {
    const refused = error instanceof DeskwireError && REFUSED_BY_STATE.has(error.code);
    const entry = refused ? await desk.store.messageByClientId({ tenant, conversationId, ...clientKey }) : null;
    if (entry === null) throw error;
    requireSameContent(entry, message);
    return { entry, duplicate: true, reopened: false, state: await desk.journal.read(tenant, conversationId) };
  }
};

const REFUSED_BY_STATE: ReadonlySet<string> = new Set([
  'conversation_closed',
  'not_found',
  'stale_fence',
  'invalid_payload',
  'attachment_incomplete',
  'unsupported_media_type',
  'payload_too_large',
]);
