import { DeskwireError } from '../../contract/errors.ts';
import { isoTime } from '../../ports/clock.ts';
import { isWorker } from '../agents.ts';
import type { Verb } from '../desk.ts';

export const refreshSession: Verb<'session:refresh'> = async (desk, caller, { token }) => {
  const verified = await desk.tokens.verify(token);
  const { actor } = caller;
  desk.revocations.check(verified.actor);
  const same =
    verified.actor.user.id === actor.user.id &&
    verified.actor.tenant === actor.tenant &&
    verified.actor.role === actor.role;
  if (!same) {
    throw new DeskwireError(
      'forbidden',
      'The new token names another sub, tenant or role; connect again to change them.',
    );
  }
  caller.renew(verified);
  desk.roster.renew(caller.connectionId, verified.actor);
  if (isWorker(actor)) desk.agents.renew(caller.connectionId, actor, verified.actor);
  return { tokenExpiresAt: isoTime(verified.expiresAt) };
};
