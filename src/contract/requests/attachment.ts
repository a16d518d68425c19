import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import type { Limits } from '../limits.ts';
import { ROLES } from '../roles.ts';
import { Attachment, AttachmentLink, conversationId } from '../schemas.ts';
import { binary, fileName, id, mediaType, sha256 } from '../text.ts';

const attachmentId = () => id().meta({ description: 'Id of the attachment.' });
const received = () => z.int().min(0).meta({ description: 'Bytes that are kept: the next chunk starts here.' });

export const attachmentRequests = (limits: Limits) => ({
  'attachment:begin': request({
    title: 'Begin an upload, or go on with it',
    description:
      'Says what is to come; refused at once when it is too large, of a type that is not accepted, beyond a quota, or when the conversation is closed. The same `clientAttachmentId` is the same attachment: repeating it, after a reconnect for one, says where to go on.',
    roles: ROLES,
    payload: z.strictObject({
      conversationId: conversationId(),
      clientAttachmentId: id().meta({ description: "The client's own id of the upload." }),
      name: fileName(limits.attachmentNameBytes),
      size: z.int().min(1).max(Number.MAX_SAFE_INTEGER).meta({ description: 'Bytes, exactly.' }),
      mediaType: mediaType().optional().meta({ description: 'What the client takes it for; its name says so too.' }),
      sha256: sha256().optional().meta({ description: 'Hash of the whole content, in hexadecimal digits.' }),
    }),
    reply: z.strictObject({
      attachmentId: z.string(),
      chunkBytes: z.int().min(1).meta({ description: 'Largest chunk; `limits.chunkBytes`.' }),
      receivedBytes: received(),
    }),
    errors: [
      'not_found',
      'conversation_closed',
      'stale_fence',
      'unsupported_media_type',
      'quota_exceeded',
      'duplicate_mismatch',
    ],
    examples: [
      {
        payload: { conversationId: story.CONVERSATION_ID, ...story.upload, sha256: story.uploadHash },
        reply: { attachmentId: story.ATTACHMENT_ID, chunkBytes: 65_536, receivedBytes: 0 },
      },
    ],
  }),
  'attachment:chunk': request({
    title: 'Send a piece of it',
    description:
      'Each starts where the bytes received end; one or two may be under way. One that was received before is answered as received.',
    roles: ROLES,
    payload: z.strictObject({
      attachmentId: attachmentId(),
      offset: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
      data: binary(limits.chunkBytes),
    }),
    reply: z.strictObject({ receivedBytes: received() }),
    errors: ['not_found', 'offset_mismatch', 'unsupported_media_type'],
    examples: [
      {
        payload: { attachmentId: story.ATTACHMENT_ID, offset: 0, data: new Uint8Array([0xff, 0xd8, 0xff]) },
        reply: { receivedBytes: 3 },
      },
    ],
    pipelined: true,
    aside: true,
    bulk: true,
  }),
  'attachment:finish': request({
    title: 'Finish it',
    description:
      'Checks the hash, looks at what the content is, and has it scanned. `state` is `ready`, or `checking` while that takes longer: `attachment:updated` follows, and repeating the request tells too. With a wrong hash the bytes are thrown away, and the upload starts again from 0.',
    roles: ROLES,
    payload: z.strictObject({ attachmentId: attachmentId(), sha256: sha256().optional() }),
    reply: z.strictObject({ attachment: Attachment }),
    errors: ['not_found', 'attachment_incomplete', 'checksum_mismatch', 'unsupported_media_type'],
    examples: [
      {
        payload: { attachmentId: story.ATTACHMENT_ID, sha256: story.uploadHash },
        reply: { attachment: story.attachment },
      },
    ],
    pipelined: true,
    aside: true,
  }),
  'attachment:abort': request({
    title: 'Give it up',
    description: 'Removes an upload, finished or not, that stands in no message.',
    roles: ROLES,
    payload: z.strictObject({ attachmentId: attachmentId() }),
    reply: z.strictObject({}),
    errors: ['not_found'],
    examples: [{ payload: { attachmentId: story.ATTACHMENT_ID }, reply: {} }],
  }),
  'attachment:link': request({
    title: 'Get a link to it',
    description: 'For whoever may see the message in which it stands; refused until it stands in one.',
    roles: ROLES,
    payload: z.strictObject({ attachmentId: attachmentId() }),
    reply: AttachmentLink,
    errors: ['not_found', 'attachment_incomplete'],
    examples: [{ payload: { attachmentId: story.ATTACHMENT_ID }, reply: story.link }],
  }),
});
