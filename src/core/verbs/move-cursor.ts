import type { Audience } from '../../contract/roles.ts';
import { personKey } from '../../ports/actor.ts';
import type { Payload, ReplyData } from '../../contract/contract.ts';
import { audienceRoom } from '../../ports/rooms.ts';
import type { CursorRecord } from '../../ports/store.ts';
import { requireReader, watches } from '../access.ts';
import type { Caller, Desk, Verb } from '../desk.ts';
import { checkSeq } from '../message-content.ts';
import { cursorView, lastSeqSeen } from '../views.ts';

const move = async (
  desk: Desk,
  { actor }: Caller,
  { conversationId, seq }: Payload<'message:read'>,
  read: boolean,
): Promise<ReplyData<'message:read'>> => {
  const state = await desk.journal.read(actor.tenant, conversationId);
  requireReader(actor, state);
  checkSeq('seq', seq, lastSeqSeen(actor.audience, state));
  const userId = personKey(actor.user);
  const before = (await desk.store.cursors(conversationId)).find((cursor) => cursor.userId === userId);
  // What staff have read of a note is not to be told from their cursor. Most have read to the end, and that is known.
  const publicSeq = seq >= state.publicSeq ? state.publicSeq : await desk.store.publicSeqAt(conversationId, seq);
  const after = await desk.store.moveCursor({
    conversationId,
    userId,
    deliveredSeq: seq,
    readSeq: read ? seq : 0,
    publicDeliveredSeq: publicSeq,
    publicReadSeq: read ? publicSeq : 0,
  });
  // A supervisor who watches is not to be told from what he has read.
  if (!watches(actor, state)) {
    announce(desk, conversationId, before, after, 'staff');
    announce(desk, conversationId, before, after, 'public');
  }
  return { cursor: cursorView(actor.audience, after) };
};

const announce = (
  desk: Desk,
  conversationId: string,
  before: CursorRecord | undefined,
  after: CursorRecord,
  audience: Audience,
): void => {
  const then = before && cursorView(audience, before);
  const now = cursorView(audience, after);
  if (then?.deliveredSeq === now.deliveredSeq && then.readSeq === now.readSeq) return;
  if (then === undefined && now.deliveredSeq === 0) return;
  const target = { rooms: [audienceRoom(audience, conversationId)] };
  desk.rooms.emit(target, 'receipt:updated', { conversationId, ...now }, { ephemeral: true });
};

export const markDelivered: Verb<'message:delivered'> = (desk, caller, payload) => move(desk, caller, payload, false);
export const markRead: Verb<'message:read'> = (desk, caller, payload) => move(desk, caller, payload, true);
