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
  rooms.emit(
    { rooms: personRooms(tenant, uploaderId) },
    'attachment:updated',
    {
      conversationId,
      attachment,
      ...(error && { error: error.toObject() as EventPayload<'attachment:updated'>['error'] }),
    },
    { ephemeral: true },
  );
};
