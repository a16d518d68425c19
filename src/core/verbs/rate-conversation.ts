import { DeskwireError } from '../../contract/errors.ts';
import { requireReader } from '../access.ts';
import type { Verb } from '../desk.ts';
import { writtenEntry } from '../written.ts';

export const rateConversation: Verb<'conversation:rate'> = async (
  desk,
  caller,
  { conversationId, score, comment = null },
) => {
  const { actor } = caller;
  const result = await desk.journal.write(actor.tenant, conversationId, (state) => {
    requireReader(actor, state);
    if (state.closedSeq === 0) {
      throw new DeskwireError('forbidden', 'The conversation has not been closed yet; rate it once it is.');
    }
    if (state.rating?.score === score && state.rating.comment === comment) return undefined;
    return { entries: [{ type: 'conversation:rated', author: actor.user, visibility: 'all', score, comment }] };
  });
  return { entry: await writtenEntry(desk, caller, result, result.state.ratedSeq, 'conversation:rated') };
};
