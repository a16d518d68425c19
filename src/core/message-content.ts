import { createHash } from 'node:crypto';
import type { Payload } from '../contract/contract.ts';
import { DeskwireError } from '../contract/errors.ts';
import type { User } from '../contract/schemas.ts';
import type { Json } from '../contract/text.ts';
import type { Actor } from '../ports/actor.ts';
import type { ConversationState, StoredEntry } from '../ports/store.ts';
import { invalidField, requireParticipant } from './access.ts';
import type { KeptAttachment } from './attachments/links.ts';
import type { DraftOf } from './draft.ts';
import { lastSeqSeen } from './views.ts';

export type MessagePayload = Omit<Payload<'message:send'>, 'conversationId'>;

/** What can be refused of a message before anything is looked up. @throws forbidden, invalid_payload, not_found */
export const checkMessage = (actor: Actor, message: MessagePayload): void => {
  if (message.visibility === 'staff' && actor.audience !== 'staff') {
    throw new DeskwireError('forbidden', 'visibility "staff" is for agents and supervisors; leave visibility out.');
  }
  if ((message.text ?? '') === '' && (message.attachmentIds ?? []).length === 0) {
    throw invalidField('text', 'expected a text or attachmentIds, found neither');
  }
};

/** What can be refused of it in this conversation. */
export const checkMessageIn = (actor: Actor, message: MessagePayload, state: ConversationState): void => {
  requireParticipant(actor, state);
  if (message.replyToSeq !== undefined) checkSeq('replyToSeq', message.replyToSeq, lastSeqSeen(actor.audience, state));
};

/** @throws invalid_payload */
export const checkSeq = (path: string, seq: number, lastSeq: number): void => {
  if (seq > lastSeq)
    throw invalidField(path, `expected at most ${String(lastSeq)}, the last seq, found ${String(seq)}`);
};

export const messageDraft = (
  author: User,
  message: MessagePayload,
  attachments: KeptAttachment[] = [],
): DraftOf<'message:created'> => {
  const draft: DraftOf<'message:created'> = {
    type: 'message:created',
    author,
    visibility: message.visibility ?? 'all',
    clientMessageId: message.clientMessageId,
    text: message.text ?? null,
    format: message.format ?? 'plain',
    attachments,
  };
  if (message.replyToSeq !== undefined) draft.replyToSeq = message.replyToSeq;
  if (message.metadata !== undefined) draft.metadata = message.metadata;
  return draft;
};

const sorted = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] ?? null)]),
  );
};

interface Content extends Pick<
  StoredEntry<'message:created'>,
  'text' | 'format' | 'visibility' | 'replyToSeq' | 'metadata'
> {
  attachments: readonly { id: string }[];
}

/** A hash of what the sender sent, so that a repeat is told from other content under the same id, also after an edit. */
export const contentHash = ({ text, format, visibility, replyToSeq, metadata, attachments }: Content): string => {
  const content: unknown[] = [text, format, visibility, replyToSeq ?? null, sorted(metadata ?? null)];
  // Without any it is what it was before there were any.
  if (attachments.length > 0) content.push(attachments.map(({ id }) => id));
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url');
};

export const sentHash = (entry: StoredEntry<'message:created'>): string => entry.sentHash ?? contentHash(entry);

/** @throws duplicate_mismatch */
export const requireSameContent = (entry: StoredEntry<'message:created'>, message: MessagePayload): void => {
  const { text, format, visibility, replyToSeq, metadata } = messageDraft(
    { id: '', name: '', role: 'customer' },
    message,
  ) as StoredEntry<'message:created'>;
  const attachments = (message.attachmentIds ?? []).map((id) => ({ id }));
  const sent = contentHash({ text, format, visibility, replyToSeq, metadata, attachments });
  if (sent !== sentHash(entry)) {
    throw new DeskwireError(
      'duplicate_mismatch',
      `clientMessageId was used before, for message ${entry.id} with other content; use a new one.`,
      { details: { messageId: entry.id, seq: entry.seq } },
    );
  }
};
