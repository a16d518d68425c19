import type { EventPayload } from '../../contract/contract.ts';
import type { DeskwireError } from '../../contract/errors.ts';
import type { Attachment } from '../../contract/schemas.ts';
import { personRooms, type Rooms } from '../../ports/rooms.ts';
import type { AttachmentRecord } from '../../ports/store.ts';

/** To all connections of its uploader, and to nobody else: it stands in no message yet. */
export const announceChecked = (
  rooms: Rooms,
  { tenant, uploaderId, conversationId }: AttachmentRecord,
  attachment: Attachment,
  error: DeskwireError | undefined,
): void => {
  const event = {
    conversationId,
    attachment,
    ...(error && { error: error.toObject() as EventPayload<'attachment:updated'>['error'] }),
  };
  // A connection is in one of them. What is emitted to several at once goes to every node.
  for (const room of personRooms(tenant, uploaderId))
    rooms.emit({ rooms: [room] }, 'attachment:updated', event, { ephemeral: true });
};
