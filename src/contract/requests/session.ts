import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import { ROLES } from '../roles.ts';
import { id, time } from '../text.ts';

export const sessionRequests = () => ({
  'session:refresh': request({
    title: 'Go on with a new token',
    description:
      'Replaces the token of this connection in place. The new token must name the same `sub`, `tenant` and `role`.',
    roles: ROLES,
    payload: z.strictObject({ token: z.string().min(1).max(16_384) }),
    reply: z.strictObject({ tokenExpiresAt: time() }),
    errors: ['token_invalid', 'token_expired', 'token_revoked'],
    examples: [{ payload: { token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature' }, reply: { tokenExpiresAt: story.AT } }],
  }),
  'session:revoke': request({
    title: 'End all sessions of a person',
    description:
      'Tokens of this `sub` in your tenant, of any role, that were issued until now (`iat`) or do not say when, are refused with `token_revoked` from now on, and their connections end with `session:ended`: here at once, on other nodes within a second. What they had acknowledged stays. A token issued from the next second on is taken again, so have the issuer refuse first. Conversations of an agent who does not come back are in the queue again after `limits.agentLeaseMs`.',
    roles: ['supervisor'],
    payload: z.strictObject({ userId: id() }),
    reply: z.strictObject({ revokedAt: time() }),
    errors: [],
    examples: [{ payload: { userId: 'bob' }, reply: { revokedAt: story.AT } }],
  }),
});
