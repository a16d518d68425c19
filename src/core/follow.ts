import { DeskwireError } from '../contract/errors.ts';
import type { ConversationState } from '../ports/store.ts';
import type { Caller, Desk } from './desk.ts';
import { arrive } from './participants.ts';

/** @throws quota_exceeded */
export const requireRoomToJoin = (desk: Desk, { connectionId }: Caller, conversationId: string): void => {
  const limit = desk.limits.conversationsPerConnection;
  if (desk.roster.hasJoined(connectionId, conversationId) || desk.roster.joinedCount(connectionId) < limit) return;
  throw new DeskwireError(
    'quota_exceeded',
    `This connection has joined ${String(limit)} conversations, which is the limit; leave one first.`,
  );
};

/** Makes the caller's connection live in a conversation; entries after `afterSeq` arrive as events. A live one stays as it is. */
export const follow = async (desk: Desk, caller: Caller, state: ConversationState, afterSeq: number): Promise<void> => {
  const { connectionId, actor } = caller;
  if (desk.feeds.isLive(connectionId, state.id)) return;
  requireRoomToJoin(desk, caller, state.id);
  await desk.feeds.follow({ connectionId, conversationId: state.id, audience: actor.audience, afterSeq });
  arrive(desk, caller, state);
  desk.board.joined(desk.journal.peek(state.id) ?? state);
};
