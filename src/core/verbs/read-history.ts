import { DEFAULT_PAGE } from '../../contract/limits.ts';
import { notFound, requireReader } from '../access.ts';
import type { Verb } from '../desk.ts';
import { entryViews } from '../views.ts';

export const readHistory: Verb<'conversation:history'> = async (
  desk,
  { actor },
  { conversationId, beforeSeq, afterSeq, limit },
) => {
  requireReader(actor, await desk.journal.read(actor.tenant, conversationId));
  const page = await desk.store.entries({
    conversationId,
    audience: actor.audience,
    maxBytes: desk.limits.pageBytes,
    limit: limit ?? Math.min(DEFAULT_PAGE, desk.limits.pageEntries),
    ...(beforeSeq === undefined ? {} : { beforeSeq }),
    ...(afterSeq === undefined ? {} : { afterSeq }),
  });
  if (page === null) throw notFound();
  return { entries: entryViews(desk, actor.audience, page.entries), hasMore: page.hasMore };
};
