import { DeskwireError } from '../../contract/errors.ts';
import { personKey } from '../../ports/actor.ts';
import { notFound, requireReader } from '../access.ts';
import { keptAttachment } from '../attachments/links.ts';
import type { Verb } from '../desk.ts';

export const linkAttachment: Verb<'attachment:link'> = async (desk, { actor }, { attachmentId }) => {
  const record = await desk.store.attachment(attachmentId);
  if (record?.tenant !== actor.tenant || record.state === 'gone') throw notFound();
  requireReader(actor, await desk.journal.read(actor.tenant, record.conversationId));
  const { message, content } = record;
  if (message === null || content === null) {
    if (record.uploaderId !== personKey(actor.user)) throw notFound();
    throw new DeskwireError('attachment_incomplete', 'The attachment stands in no message yet; send it in one first.');
  }
  if (message.visibility === 'staff' && actor.audience !== 'staff') throw notFound();
  return desk.links.make(keptAttachment(record, content));
};
