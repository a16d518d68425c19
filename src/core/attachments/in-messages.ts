import { DeskwireError } from '../../contract/errors.ts';
import { personKey, type Actor } from '../../ports/actor.ts';
import type { Store } from '../../ports/store.ts';
import { invalidField, notFound } from '../access.ts';
import { keptAttachment, type KeptAttachment } from './links.ts';
import { refusalOf } from './upload.ts';

/**
 * What a message is to carry: finished uploads of its author, in its conversation.
 *
 * @throws not_found for what is none, another's or another conversation's; attachment_incomplete, invalid_payload, and the refusal
 */
export const attachmentsOf = (
  { store }: { store: Store },
  actor: Actor,
  conversationId: string,
  attachmentIds: readonly string[],
): Promise<KeptAttachment[]> =>
  Promise.all(
    attachmentIds.map(async (attachmentId, index) => {
      const record = await store.attachment(attachmentId);
      const own =
        record?.tenant === actor.tenant &&
        record.conversationId === conversationId &&
        record.uploaderId === personKey(actor.user);
      if (record === null || !own || record.state === 'gone') throw notFound();
      if (record.state === 'refused') throw refusalOf(record);
      if (record.state === 'receiving' || record.content === null) {
        throw new DeskwireError(
          'attachment_incomplete',
          `The attachment ${attachmentId} is not ready: finish it, and wait until it was checked.`,
          { details: { attachmentId } },
        );
      }
      if (record.message !== null)
        throw invalidField(`attachmentIds.${String(index)}`, 'expected an attachment that stands in no message yet');
      return keptAttachment(record, record.content);
    }),
  );
