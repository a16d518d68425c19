import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { begin, fold } from '../../src/core/fold.ts';
import type { ConversationState } from '../../src/ports/store.ts';
import { Clients } from '../support/client.ts';
import { agent, customer, startServer, supervisor, type TestServer } from '../support/server.ts';
import { temporaryStore } from '../support/store.ts';

let server: TestServer;
const clients = new Clients();
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  clients.closeAll();
  await server.stop();
});

const step = fc.oneof(
  fc.record({ name: fc.constant('message:send'), staff: fc.boolean() }),
  fc.record({
    name: fc.constantFrom(
      'assignment:claim',
      'assignment:release',
      'conversation:close',
      'conversation:reopen',
      'message:edit',
      'message:delete',
      'tags',
      'subject',
    ),
  }),
  fc.record({ name: fc.constant('conversation:rate'), score: fc.integer({ min: 1, max: 5 }) }),
);

describe('a conversation', () => {
  it('[MSG-5] is the fold of its entries, whatever was done to it', async () => {
    const ann = await clients.connect(server.url, customer('ann'));
    const bob = await clients.connect(server.url, agent('bob'));
    const boss = await clients.connect(server.url, supervisor('boss'));
    let serial = 0;
    const made: string[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(step, fc.constantFrom(ann, bob, boss)), { maxLength: 25 }), async (steps) => {
        const { conversation } = await ann.request('conversation:open', {
          clientConversationId: `c${String((serial += 1))}`,
          metadata: { a: 1 },
        });
        const conversationId = conversation.id;
        made.push(conversationId);
        let lastMessageId = 'none';
        for (const [action, client] of steps) {
          // Refusals are part of the walk: they must leave no trace.
          switch (action.name) {
            case 'message:send': {
              const staff = 'staff' in action && action.staff && client !== ann;
              const reply = await client.reply('message:send', {
                conversationId,
                clientMessageId: `m${String((serial += 1))}`,
                text: 'x',
                ...(staff ? { visibility: 'staff' } : {}),
              });
              if (reply.ok) lastMessageId = reply.data.entry.id;
              break;
            }
            case 'message:edit':
              await client.reply('message:edit', { conversationId, messageId: lastMessageId, text: 'edited' });
              break;
            case 'message:delete':
              await client.reply('message:delete', { conversationId, messageId: lastMessageId });
              break;
            case 'tags':
              await client.reply('conversation:update', { conversationId, tags: ['a', 'b'] });
              break;
            case 'subject':
              await client.reply('conversation:update', {
                conversationId,
                subject: 's',
                priority: 'urgent',
                metadata: { b: [1] },
              });
              break;
            case 'conversation:rate':
              await client.reply('conversation:rate', { conversationId, score: 'score' in action ? action.score : 1 });
              break;
            default:
              await client.reply(action.name as 'conversation:close', { conversationId });
          }
        }
      }),
      { numRuns: 40 },
    );
    await server.drain();
    const { store, remove } = await temporaryStore(`${server.dataDir}/deskwire.db`);
    try {
      for (const conversationId of made) {
        const page = await store.entries({ conversationId, audience: 'staff', afterSeq: 0, limit: 1_000 });
        const [first, ...rest] = page?.entries ?? [];
        if (first === undefined) throw new Error('a conversation without entries');
        const folded: ConversationState = rest.reduce(fold, begin('default', first));
        expect(folded).toEqual(await store.conversation('default', conversationId));
      }
    } finally {
      await remove();
    }
  });
});
