import { requireOpen, requireParticipant } from '../access.ts';
import type { Verb } from '../desk.ts';

export const beginAttachment: Verb<'attachment:begin'> = async (desk, { actor }, payload) => {
  const state = await desk.journal.read(actor.tenant, payload.conversationId);
  requireParticipant(actor, state);
  requireOpen(state);
  desk.uploads.checkAnnounced(payload);
  return desk.uploads.begin(actor, payload);
};

export const takeChunk: Verb<'attachment:chunk'> = async (desk, { actor, sequenced }, payload) => {
  const taken = desk.uploads.chunk(actor, payload);
  sequenced();
  return { receivedBytes: await taken };
};

export const finishAttachment: Verb<'attachment:finish'> = async (desk, { actor, sequenced }, payload) => {
  const finished = desk.uploads.finish(actor, payload);
  sequenced();
  return { attachment: await finished };
};

export const abortAttachment: Verb<'attachment:abort'> = async (desk, { actor }, { attachmentId }) => {
  await desk.uploads.abort(actor, attachmentId);
  return {};
};
