import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import { ROLES } from '../roles.ts';
import { time } from '../text.ts';

export const sessionRequests = () => ({
  'session:refresh': request({
    title: 'Go on with a new token',
    description:
      'Replaces the token of this connection in place. The new token must name the same `sub`, `tenant` and `role`.',
    roles: ROLES,
    payload: z.strictObject({ token: z.string().min(1).max(16_384) }),
    reply: z.strictObject({ tokenExpiresAt: time() }),
    errors: ['token_invalid', 'token_expired'],
    examples: [{ payload: { token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature' }, reply: { tokenExpiresAt: story.AT } }],
  }),
});
