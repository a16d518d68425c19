import type { Verb } from '../desk.ts';

export const revokeSessions: Verb<'session:revoke'> = async (desk, { actor }, { userId }) => ({
  revokedAt: await desk.revocations.revoke(actor.tenant, userId),
});
