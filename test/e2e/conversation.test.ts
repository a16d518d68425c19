import { describe, expect, it } from 'vitest';
import { Company, open, told } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { agent, bot, customer, startServer, supervisor } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect, clients, someone } = endToEnd();

describe('a conversation', () => {
  it('[MSG-1] opens with the first message, reaches the agent, and goes on in seq order', async () => {
    const ann = await connect(customer(someone(), { name: 'Ann' }));
    const sent = await ann.request('message:send', { clientMessageId: 'm1', text: 'Hello' });
    expect(sent).toMatchObject({
      duplicate: false,
      entry: { seq: 2, type: 'message:created', text: 'Hello' },
      conversation: { status: 'queued', lastSeq: 2 },
    });
    const conversationId = sent.entry.conversationId;

    const bob = await connect(agent('bob', { name: 'Bob' }));
    const claimed = await bob.request('assignment:claim', { conversationId });
    expect(claimed).toMatchObject({
      conversation: { status: 'assigned', assignee: { id: 'bob' }, fence: 1 },
      entry: { seq: 3, reason: 'claimed' },
    });
    const joined = await bob.request('conversation:join', { conversationId });
    expect(joined.entries.map(({ seq, type }) => [seq, type])).toEqual([
      [1, 'conversation:opened'],
      [2, 'message:created'],
      [3, 'conversation:assigned'],
    ]);
    expect(joined.hasMore).toBe(false);

    await bob.request('message:send', { conversationId, clientMessageId: 'b1', text: 'Hi Ann' });
    await ann.request('message:send', { conversationId, clientMessageId: 'm2', text: 'Where is my order?' });
    await until('five entries at Ann', () => ann.entries(conversationId).length === 5);
    await until(
      'two entries at Bob',
      () => bob.entries(conversationId).filter(({ type }) => type === 'message:created').length === 2,
    );
    expect(ann.entries(conversationId).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it('[OPEN-1] two tabs that send at the same instant share one conversation', async () => {
    const sub = someone();
    const tabs = await Promise.all(Array.from({ length: 8 }, () => connect(customer(sub))));
    const sent = await Promise.all(
      tabs.map((tab, index) =>
        tab.request('message:send', { clientMessageId: `m${String(index)}`, text: `from ${String(index)}` }),
      ),
    );
    const ids = new Set(sent.map(({ entry }) => entry.conversationId));
    expect(ids.size).toBe(1);
    expect(sent.map(({ entry }) => entry.seq).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    const [conversationId = ''] = ids;
    // Each tab is joined by its send; its stream begins no later than its own message and has no hole.
    for (const [index, tab] of tabs.entries()) {
      const own = sent[index]?.entry.seq ?? 0;
      await until('the whole stream', () => tab.entries(conversationId).at(-1)?.seq === 9);
      const seqs = tab.entries(conversationId).map(({ seq }) => seq);
      expect(seqs[0]).toBeLessThanOrEqual(own);
      expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, at) => (seqs[0] ?? 0) + at));
    }
  });

  it('[OPEN-2] the same client name is the same conversation, also at the same instant and after closing', async () => {
    const sub = someone();
    const tabs = await Promise.all(Array.from({ length: 5 }, () => connect(customer(sub))));
    const opened = await Promise.all(
      tabs.map((tab) => tab.request('conversation:open', { clientConversationId: 'order-1042', subject: 'Order' })),
    );
    expect(new Set(opened.map(({ conversation }) => conversation.id)).size).toBe(1);
    expect(opened.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    const [tab] = tabs;
    const id = opened[0]?.conversation.id ?? '';
    await tab?.request('conversation:close', { conversationId: id });
    const again = await tab?.request('conversation:open', { clientConversationId: 'order-1042' });
    expect(again).toMatchObject({ duplicate: true, conversation: { id, status: 'closed' } });
  });

  it('[OPEN-3] after closing, the next message without an id opens another conversation', async () => {
    const ann = await connect(customer(someone()));
    const first = await ann.request('message:send', { clientMessageId: 'a', text: 'one' });
    await ann.request('conversation:close', { conversationId: first.entry.conversationId });
    const second = await ann.request('message:send', { clientMessageId: 'b', text: 'two' });
    expect(second.entry.conversationId).not.toBe(first.entry.conversationId);
    const repeated = await ann.request('message:send', { clientMessageId: 'a', text: 'one' });
    expect(repeated).toMatchObject({ duplicate: true, entry: { id: first.entry.id } });
  });

  it('[MSG-2] a repeated client id gets the same answer and leaves one entry, also when closed since', async () => {
    const ann = await connect(customer(someone()));
    const { entry } = await ann.request('message:send', {
      clientMessageId: 'once',
      text: 'one',
      metadata: { a: 1, b: [2] },
    });
    const { conversationId } = entry;
    const many = await Promise.all(
      Array.from({ length: 20 }, () =>
        ann.request('message:send', {
          conversationId,
          clientMessageId: 'once',
          text: 'one',
          metadata: { b: [2], a: 1 },
        }),
      ),
    );
    expect(many.every(({ duplicate, entry: again }) => duplicate && again.id === entry.id)).toBe(true);
    const mismatch = await ann.refused('message:send', { conversationId, clientMessageId: 'once', text: 'another' });
    expect(mismatch).toMatchObject({ code: 'duplicate_mismatch', retryable: false });
    await ann.request('conversation:close', { conversationId });
    expect(
      await ann.request('message:send', {
        conversationId,
        clientMessageId: 'once',
        text: 'one',
        metadata: { a: 1, b: [2] },
      }),
    ).toMatchObject({ duplicate: true });
    const bob = await connect(agent('bob-late'));
    expect(await bob.refused('message:send', { conversationId, clientMessageId: 'new', text: 'x' })).toMatchObject({
      code: 'conversation_closed',
    });
    const { entries } = await ann.request('conversation:history', { conversationId });
    expect(entries.filter(({ type }) => type === 'message:created')).toHaveLength(1);
  });

  it('[MSG-3] an edit and a deletion are entries, and the message reads as it is now', async () => {
    const ann = await connect(customer(someone()));
    const bob = await connect(agent('bob-editor'));
    const { entry } = await ann.request('message:send', { clientMessageId: 'm', text: 'my card is 4111' });
    const { conversationId, id: messageId } = entry;
    await bob.request('conversation:join', { conversationId });
    expect(await bob.refused('message:edit', { conversationId, messageId, text: 'x' })).toMatchObject({
      code: 'forbidden',
    });
    const edit = await ann.request('message:edit', { conversationId, messageId, text: 'my card is lost' });
    expect(edit.entry).toMatchObject({ type: 'message:edited', seq: 3, messageId, text: 'my card is lost' });
    expect((await ann.request('message:edit', { conversationId, messageId, text: 'my card is lost' })).entry.seq).toBe(
      3,
    );
    // The first text counts for a repeat, not the edited one.
    expect(
      await ann.request('message:send', { conversationId, clientMessageId: 'm', text: 'my card is 4111' }),
    ).toMatchObject({ duplicate: true, entry: { text: 'my card is lost' } });
    const deletion = await ann.request('message:delete', { conversationId, messageId });
    expect((await ann.request('message:delete', { conversationId, messageId })).entry.id).toBe(deletion.entry.id);
    const { entries } = await bob.request('conversation:history', { conversationId });
    expect(entries.map(({ type }) => type)).toEqual([
      'conversation:opened',
      'message:created',
      'message:edited',
      'message:deleted',
    ]);
    expect(entries[1]).toMatchObject({ text: null, attachments: [], deletedAt: deletion.entry.at });
    expect(JSON.stringify(entries)).not.toContain('card');
    await bob.event('message:deleted');
    expect(await ann.refused('message:edit', { conversationId, messageId, text: 'y' })).toMatchObject({
      code: 'not_found',
    });
  });

  it('[MSG-4] a message is edited within its window only', async () => {
    const short = await startServer({ limits: { editWindowMs: 0 } });
    try {
      const ann = await clients.connect(short.url, customer('ann'));
      const { entry } = await ann.request('message:send', { clientMessageId: 'm', text: 'one' });
      await until('the clock moves on', () => Date.now() > Date.parse(entry.at));
      expect(
        await ann.refused('message:edit', { conversationId: entry.conversationId, messageId: entry.id, text: 'two' }),
      ).toMatchObject({ code: 'edit_window_passed' });
    } finally {
      await short.stop();
    }
  });

  it('[CONV-1] closes, reopens, is rated and updated; each is an entry, repeats answer with the same one', async () => {
    const ann = await connect(customer(someone()));
    const bob = await connect(agent(someone()));
    const { conversation } = await ann.request('conversation:open', {
      subject: 'One',
      department: 'sales',
      priority: 'high',
      metadata: { cart: { items: [1, 2] } },
    });
    const conversationId = conversation.id;
    expect(conversation).toMatchObject({
      lastSeq: 1,
      department: 'sales',
      priority: 'high',
      metadata: { cart: { items: [1, 2] } },
    });
    await bob.request('assignment:claim', { conversationId });
    const updated = await bob.request('conversation:update', { conversationId, subject: 'Two', priority: 'low' });
    expect(updated).toMatchObject({
      conversation: { subject: 'Two', priority: 'low' },
      entry: { type: 'conversation:updated', subject: 'Two' },
    });
    const closed = await bob.request('conversation:close', { conversationId, reason: 'done' });
    expect(closed.conversation).toMatchObject({ status: 'closed', closedAt: closed.entry.at });
    expect((await ann.request('conversation:close', { conversationId })).entry.id).toBe(closed.entry.id);
    const rated = await ann.request('conversation:rate', { conversationId, score: 5 });
    expect((await ann.request('conversation:rate', { conversationId, score: 5 })).entry.id).toBe(rated.entry.id);
    expect(await bob.refused('conversation:rate', { conversationId, score: 1 })).toMatchObject({ code: 'forbidden' });
    const reopened = await ann.request('conversation:reopen', { conversationId });
    expect(reopened.conversation).toMatchObject({
      status: 'queued',
      assignee: null,
      fence: 2,
      closedAt: null,
      rating: { score: 5, comment: null },
    });
    expect((await ann.request('conversation:reopen', { conversationId })).entry.id).toBe(reopened.entry.id);
  });
});

describe('assignment', () => {
  it('[ASSIGN-1] of many claims at once one wins; the others learn who', async () => {
    const ann = await connect(customer(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    const agents = await Promise.all(Array.from({ length: 10 }, () => connect(agent(someone()))));
    const replies = await Promise.all(
      agents.map((one) => one.reply('assignment:claim', { conversationId: conversation.id })),
    );
    const won = replies.filter((reply) => reply.ok);
    expect(won).toHaveLength(1);
    const winner = won[0]?.ok === true ? won[0].data.conversation.assignee?.id : undefined;
    for (const reply of replies) {
      if (!reply.ok)
        expect(reply.error).toMatchObject({ code: 'already_assigned', details: { assignee: { id: winner } } });
    }
    const holder = agents[replies.findIndex(({ ok }) => ok)];
    expect(await holder?.request('assignment:claim', { conversationId: conversation.id })).toMatchObject({
      entry: { seq: 2 },
    });
  });

  it('[ASSIGN-2] capacity is not exceeded, however many claims come at once', async () => {
    const limited = agent(someone(), { maxChats: 3 });
    const [phone, desk] = await Promise.all([connect(limited), connect(limited)]);
    const ids = await Promise.all(
      Array.from(
        { length: 8 },
        async () => (await (await connect(customer(someone()))).request('conversation:open', {})).conversation.id,
      ),
    );
    const replies = await Promise.all(
      ids.map((conversationId, index) =>
        (index % 2 === 0 ? phone : desk).reply('assignment:claim', { conversationId }),
      ),
    );
    expect(replies.filter((reply) => reply.ok)).toHaveLength(3);
    for (const reply of replies) if (!reply.ok) expect(reply.error.code).toBe('capacity_reached');
    expect(await phone.request('agent:status', { status: 'online' })).toEqual({
      status: 'online',
      activeCount: 3,
      capacity: 3,
    });
  });

  it('[ASSIGN-3] a bot that released is out: its requests are stale, it sees nothing more, its summary stays with staff', async () => {
    const ann = await connect(customer(someone()));
    const robot = await connect(bot('robot'));
    const bob = await connect(agent(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    expect(await robot.refused('conversation:get', { conversationId })).toMatchObject({ code: 'not_found' });
    await robot.request('assignment:claim', { conversationId });
    await robot.request('conversation:join', { conversationId });
    await bob.request('conversation:join', { conversationId });
    const released = await robot.request('assignment:release', {
      conversationId,
      reason: 'asked for a person',
      summary: 'wants a refund',
    });
    expect(released).toMatchObject({ conversation: { status: 'queued', fence: 2 }, entry: { reason: 'bot_handoff' } });
    await robot.event('conversation:released');
    expect(
      await robot.refused('message:send', { conversationId, clientMessageId: 'late', text: 'late' }),
    ).toMatchObject({ code: 'stale_fence' });
    expect(await robot.refused('assignment:release', { conversationId })).toMatchObject({ code: 'stale_fence' });
    expect(await robot.refused('conversation:history', { conversationId })).toMatchObject({ code: 'not_found' });
    await ann.request('message:send', { conversationId, clientMessageId: 'x', text: 'secret' });
    expect(await bob.event('conversation:released')).toMatchObject({
      summary: 'wants a refund',
      detail: 'asked for a person',
    });
    await bob.event('message:created');
    expect(await ann.event('conversation:released')).not.toHaveProperty('summary');
    expect(robot.all('message:created')).toEqual([]);
  });

  it('[ASSIGN-4] new work reaches the online agents of the department once, joined or not', async () => {
    // Without room for any: what is routed before another node hears of it is no new work there.
    const company = new Company(connect);
    const sales = await company.online('sales', 0, { departments: ['sales'] });
    const support = await company.online('support', 0, { departments: ['support'] });
    const offline = await company.agent('offline', { departments: ['sales'] });
    const { id } = await open(await company.customer('ann'), { department: 'sales' });
    await told(sales, id, 'conversation:opened');
    const { conversation: own } = await sales.request('conversation:open', { customerId: 'ben', department: 'sales' });
    await told(sales, own.id, 'conversation:opened');
    await support.request('conversation:open', { customerId: 'cas' });
    await until('the general queue reaches everybody', () => sales.all('conversation:opened').length === 3);
    expect(support.entries(id)).toEqual([]);
    expect(offline.all('conversation:opened')).toEqual([]);
    expect(sales.entries(own.id).filter(({ type }) => type === 'conversation:opened')).toHaveLength(1);
  });

  it('[ASSIGN-5] a supervisor releases what an agent holds; another agent may not', async () => {
    const ann = await connect(customer(someone()));
    const bob = await connect(agent(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    await bob.request('assignment:claim', { conversationId });
    const other = await connect(agent(someone()));
    expect(await other.refused('assignment:release', { conversationId })).toMatchObject({ code: 'forbidden' });
    const boss = await connect(supervisor(someone()));
    await boss.request('assignment:release', { conversationId });
    expect(await bob.event('conversation:released')).toMatchObject({
      reason: 'released',
      previousAssignee: { id: bob.all('session:ready')[0]?.userId },
    });
    expect(await bob.refused('assignment:release', { conversationId })).toMatchObject({ code: 'stale_fence' });
  });
});
