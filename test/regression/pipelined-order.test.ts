import { describe, expect, it } from 'vitest';
import type { RequestName } from '../../src/contract/contract.ts';
import { endToEnd } from '../support/e2e.ts';
import { customer } from '../support/server.ts';

const { connect, someone } = endToEnd();

/** Requests that hold those behind them up for a while. */
const leaders: [RequestName, object][] = [
  ['conversation:get', {}],
  ['conversation:join', {}],
  ['conversation:history', {}],
  ['message:read', { seq: 1 }],
  ['typing:start', {}],
  ['message:edit', { messageId: 'nope', text: 'x' }],
  ['conversation:rate', { score: 3 }],
];

describe('messages sent behind another request', () => {
  it.each(leaders)('[REQ-2] %s: stand in the log as they were sent', async (leader, payload) => {
    const ann = await connect(customer(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    for (let round = 0; round < 10; round += 1) {
      const first = ann.raw(leader, { conversationId, ...payload });
      const sent = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          ann.request('message:send', {
            conversationId,
            clientMessageId: `${String(round)}-${String(index)}`,
            text: 'x',
          }),
        ),
      );
      await first;
      const seqs = sent.map(({ entry }) => entry.seq);
      expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    }
  });

  it('[REQ-2] the first without an id, the others behind it', async () => {
    const ann = await connect(customer(someone()));
    const { entry } = await ann.request('message:send', { clientMessageId: 'zero', text: 'x' });
    const { conversationId } = entry;
    const sent = await Promise.all([
      ann.request('message:send', { clientMessageId: 'first', text: 'x' }),
      ...Array.from({ length: 59 }, (_, index) =>
        ann.request('message:send', { conversationId, clientMessageId: String(index), text: 'x' }),
      ),
    ]);
    expect(sent.map(({ entry: { seq } }) => seq)).toEqual(Array.from({ length: 60 }, (_, index) => index + 3));
  });
});
