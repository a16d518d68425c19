import { DEFAULT_PAGE } from '../../contract/limits.ts';
import { personKey } from '../../ports/actor.ts';
import { requireReader } from '../access.ts';
import type { Verb } from '../desk.ts';
import { requireRoomToJoin } from '../follow.ts';
import { arrive, participants } from '../participants.ts';
import { checkSeq } from '../message-content.ts';
import { conversationView, cursorView, entryViews, lastSeqSeen, showsCursor } from '../views.ts';

export const joinConversation: Verb<'conversation:join'> = async (
  desk,
  caller,
  { conversationId, afterSeq, limit },
) => {
  const { actor, connectionId } = caller;
  const { audience } = actor;
  const state = await desk.journal.read(actor.tenant, conversationId);
  requireReader(actor, state);
  if (afterSeq !== undefined) checkSeq('afterSeq', afterSeq, lastSeqSeen(audience, state));
  requireRoomToJoin(desk, caller, conversationId);
  // Once the feed is joined nothing may be awaited, or events would overtake the reply.
  const { entries, hasMore, cursors } = await desk.feeds.join({
    connectionId,
    conversationId,
    audience,
    maxBytes: desk.limits.pageBytes,
    limit: limit ?? Math.min(DEFAULT_PAGE, desk.limits.pageEntries),
    ...(afterSeq === undefined ? {} : { afterSeq }),
  });
  const now = desk.journal.peek(conversationId) ?? state;
  arrive(desk, caller, now);
  desk.board.joined(now);
  return {
    conversation: conversationView(desk, audience, now),
    entries: entryViews(desk, audience, entries),
    hasMore,
    cursors: cursors
      .filter((cursor) => cursor.userId === personKey(actor.user) || showsCursor(desk, now, cursor))
      .map((cursor) => cursorView(audience, cursor)),
    participants: participants(desk, audience, now),
    typing: desk.typing.list(conversationId, audience, actor.user),
  };
};
