import { z } from 'zod';
import { request } from '../define.ts';
import * as story from '../examples.ts';
import type { Limits } from '../limits.ts';
import { ROLES } from '../roles.ts';
import { conversationId } from '../schemas.ts';
import { text, time } from '../text.ts';

export const typingRequests = (limits: Limits) => ({
  'typing:start': request({
    title: 'I am typing',
    description:
      'Announced to the others; repeat it while typing goes on. It ends with typing:stop, a message, leaving, disconnecting, closing or after `limits.typingMs`, whichever is first. A `preview` reaches staff only.',
    roles: ROLES,
    payload: z.strictObject({ conversationId: conversationId(), preview: text(limits.previewBytes).optional() }),
    reply: z.strictObject({ expiresAt: time() }),
    errors: ['not_found', 'conversation_closed', 'stale_fence'],
    examples: [{ payload: { conversationId: story.CONVERSATION_ID }, reply: { expiresAt: story.AT } }],
  }),
  'typing:stop': request({
    title: 'I stopped typing',
    description: 'Harmless when you were not typing.',
    roles: ROLES,
    payload: z.strictObject({ conversationId: conversationId() }),
    reply: z.strictObject({}),
    errors: ['not_found'],
    examples: [{ payload: { conversationId: story.CONVERSATION_ID }, reply: {} }],
  }),
});
