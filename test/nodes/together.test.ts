import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Clients, type TestClient } from '../support/client.ts';
import { Company, historyOf, open, stateOf } from '../support/company.ts';
import { startNodes, type TestNodes } from '../support/nodes.ts';
import { Random, seedOf } from '../support/random.ts';
import { tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { textOf } from '../support/uploader.ts';

let nodes: TestNodes;
const clients = new Clients();
beforeAll(async () => {
  nodes = await startNodes({ count: 3, limits: { typingMs: 2_000, queueUpdateMs: 50 } });
});
afterEach(() => clients.closeAll());
afterAll(() => nodes.stop());

/** One company, seen from each node. */
const company = (): Company[] => {
  const first = new Company((identity, options) => clients.connect(nodes.servers[0]?.url ?? '', identity, options));
  const others = nodes.servers
    .slice(1)
    .map(
      ({ url }) =>
        new Company((identity, options) => clients.connect(url, { ...identity, tenant: first.tenant }, options)),
    );
  return [first, ...others];
};
const on = (companies: Company[], at: number): Company => {
  const found = companies[at % companies.length];
  if (found === undefined) throw new Error('expected a node');
  return found;
};

const one = (all: readonly TestClient[]): TestClient => {
  const [first] = all;
  if (first === undefined) throw new Error('expected a client');
  return first;
};

describe('at the same instant, on all nodes', () => {
  it('[NODE-5] a conversation is claimed by many, and one has it', async () => {
    const seed = seedOf(20_261_121);
    const random = new Random(seed);
    const companies = company();
    const agents = await Promise.all(
      Array.from({ length: 9 }, (_, at) => on(companies, at).agent(`agent-${String(at)}`)),
    );
    const ann = await on(companies, 1).customer('ann');
    for (let round = 0; round < 15; round += 1) {
      const { id } = await open(ann, { clientConversationId: `round-${String(round)}` });
      const replies = await Promise.all(
        agents.map(async (agent) => {
          await new Promise((resolve) => setTimeout(resolve, random.below(4)));
          return agent.reply('assignment:claim', { conversationId: id });
        }),
      );
      const winners = replies.filter(({ ok }) => ok);
      expect(winners, `seed ${String(seed)}`).toHaveLength(1);
      for (const reply of replies) if (!reply.ok) expect(reply.error.code).toBe('already_assigned');
      const assignments = (await historyOf(one(agents), id)).filter(({ type }) => type === 'conversation:assigned');
      expect(assignments).toHaveLength(1);
    }
  });

  it('[NODE-5] one message is sent from many places, and stands once', async () => {
    const companies = company();
    const tabs = await Promise.all(Array.from({ length: 6 }, (_, at) => on(companies, at).customer('ann')));
    const { id } = await open(one(tabs));
    const replies = await Promise.all(
      tabs.flatMap((tab) =>
        Array.from({ length: 5 }, () =>
          tab.request('message:send', { conversationId: id, clientMessageId: 'once', text: 'once' }),
        ),
      ),
    );
    expect(new Set(replies.map(({ entry }) => entry.seq)).size).toBe(1);
    expect(replies.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect((await historyOf(one(tabs), id)).filter(({ type }) => type === 'message:created')).toHaveLength(1);
  });

  it('[REQ-2] messages of one connection stand in the order in which they were sent, whatever others write meanwhile', async () => {
    const companies = company();
    const ann = await on(companies, 0).customer('ann');
    const { id } = await open(ann);
    const agents = await Promise.all([1, 2].map((at) => on(companies, at).agent(`agent-${String(at)}`)));
    const writers = [ann, ...agents];
    const COUNT = 60;
    await Promise.all(
      writers.flatMap((writer, who) =>
        Array.from({ length: COUNT }, (_, at) =>
          writer.request('message:send', {
            conversationId: id,
            clientMessageId: `${String(who)}-${String(at)}`,
            text: String(at),
          }),
        ),
      ),
    );
    const messages = (await historyOf(ann, id)).flatMap((entry) => (entry.type === 'message:created' ? [entry] : []));
    expect(messages).toHaveLength(writers.length * COUNT);
    for (const name of ['ann', 'agent-1', 'agent-2']) {
      const own = messages.filter(({ author }) => author?.id === name).map(({ text }) => Number(text));
      expect(own).toEqual(Array.from({ length: COUNT }, (_, at) => at));
    }
  });

  it('[NODE-5] a customer writes from many tabs without an id, and has one conversation', async () => {
    const companies = company();
    const tabs = await Promise.all(Array.from({ length: 6 }, (_, at) => on(companies, at).customer('ann')));
    const replies = await Promise.all(
      tabs.map((tab, at) => tab.request('message:send', { clientMessageId: `m${String(at)}`, text: String(at) })),
    );
    expect(new Set(replies.map(({ entry }) => entry.conversationId)).size).toBe(1);
    const seqs = replies.map(({ entry }) => entry.seq).sort((a, b) => a - b);
    expect(seqs).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('[NODE-5] many are routed, and no agent has more than he can hold', async () => {
    const companies = company();
    const agents = await Promise.all(
      Array.from({ length: 6 }, (_, at) => on(companies, at).online(`agent-${String(at)}`, 3)),
    );
    const opened = await Promise.all(
      Array.from({ length: 30 }, async (_, at) => open(await on(companies, at).customer(`customer-${String(at)}`))),
    );
    const assigned = (): number => agents.reduce((sum, agent) => sum + agent.all('conversation:assigned').length, 0);
    await until('18 assignments', () => assigned() >= 18);
    const boss = await on(companies, 2).supervisor('boss');
    const states = await Promise.all(opened.map(({ id }) => stateOf(boss, id)));
    expect(states.filter(({ status }) => status === 'assigned')).toHaveLength(18);
    for (const agent of agents) expect(agent.all('conversation:assigned')).toHaveLength(3);
    // Places are the same wherever one asks.
    for (const at of [0, 1, 2]) {
      const watcher = await on(companies, at).supervisor(`watcher-${String(at)}`);
      const places = await Promise.all(
        opened.map(async ({ id }) => (await stateOf(watcher, id)).queue?.position ?? null),
      );
      expect(places.filter((place) => place !== null).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 12 }, (_, index) => index + 1),
      );
      expect(places).toEqual(
        await Promise.all(opened.map(async ({ id }) => (await stateOf(boss, id)).queue?.position ?? null)),
      );
    }
  });
});

describe('what is told', () => {
  it('[NODE-6] of presence, typing, members and receipts reaches everybody, whichever node he is on', async () => {
    const companies = company();
    const ann = await on(companies, 0).customer('ann');
    const bob = await on(companies, 1).agent('bob');
    const eve = await on(companies, 2).agent('eve');
    await bob.request('agent:status', { status: 'online', capacity: 2 });
    await until('Eve to hear that Bob is online', () =>
      eve.all('agent:presence').some(({ agent }) => agent.id === 'bob' && agent.status === 'online'),
    );
    const { id } = await open(ann);
    await until('the assignment', () => bob.all('conversation:assigned').length === 1);
    await bob.request('conversation:join', { conversationId: id });
    await until('Ann to see Bob', () => ann.all('participant:joined').some(({ user }) => user.id === 'bob'));

    await ann.request('typing:start', { conversationId: id, preview: 'hel' });
    expect(await bob.event('typing:started')).toMatchObject({ user: { id: 'ann' }, preview: 'hel' });
    await eve.request('conversation:join', { conversationId: id });
    const sent = await ann.request('message:send', { conversationId: id, clientMessageId: 'm', text: 'hello' });
    await until('typing to end at Bob', () => bob.all('typing:stopped').some(({ reason }) => reason === 'message'));
    await until('the message at Eve', () => eve.entries(id).some(({ type }) => type === 'message:created'));

    await bob.request('message:read', { conversationId: id, seq: sent.entry.seq });
    await until('the receipt at Ann', () =>
      ann.all('receipt:updated').some(({ readSeq }) => readSeq === sent.entry.seq),
    );

    // A second tab of Ann on another node: she has not come twice, and leaves with the last.
    const joined = bob.all('participant:joined').filter(({ user }) => user.id === 'ann').length;
    const tab = await on(companies, 2).customer('ann');
    await tab.request('conversation:join', { conversationId: id });
    await tab.request('typing:start', { conversationId: id });
    // Bob’s node has heard by then that she is on that node, too.
    await until('typing of the tab at Bob', () => bob.all('typing:started').length === 2);
    ann.close();
    await until('her first node to be empty', async () =>
      /^deskwire_connections 0$/m.test(await (await fetch(`${nodes.servers[0]?.url ?? ''}/metrics`)).text()),
    );
    const stops = bob.all('typing:stopped').length;
    await tab.request('typing:stop', { conversationId: id });
    await until('typing of the tab to end', () => bob.all('typing:stopped').length > stops);
    expect(bob.all('participant:left')).toEqual([]);
    tab.close();
    await until('Ann to have left', () => bob.all('participant:left').some(({ user }) => user.id === 'ann'));
    expect(bob.all('participant:left')).toHaveLength(1);
    expect(bob.all('participant:joined').filter(({ user }) => user.id === 'ann')).toHaveLength(joined);
  });

  it('[NODE-6] of what somebody does on one device his others hear, whichever node they are on', async () => {
    const companies = company();
    const ann = await on(companies, 0).customer('ann');
    const { id } = await open(ann, { message: { clientMessageId: 'm', text: 'hello' } });
    const bob = await on(companies, 1).agent('bob');
    await bob.request('assignment:claim', { conversationId: id });
    const phone = await on(companies, 2).agent('bob');
    await phone.request('message:send', { conversationId: id, clientMessageId: 'a', text: 'answer' });
    await until('the answer', () => ann.entries(id).some(({ author }) => author?.id === 'bob'));
    await phone.request('assignment:release', { conversationId: id });
    await until('Bob to hear of it', () => bob.all('conversation:released').length === 1);
    expect(await stateOf(phone, id)).toMatchObject({ assignee: null });
  });

  it('[FILE-2] a file that was begun on one node goes on on another', async () => {
    const companies = company();
    const text = textOf(300_000, 1);
    const ann = await on(companies, 0).customer('ann');
    const { id } = await open(ann);
    const begin = { conversationId: id, clientAttachmentId: 'file', name: 'a.txt', size: text.length };
    const { attachmentId, chunkBytes } = await ann.request('attachment:begin', begin);
    let sentBytes = 0;
    for (let count = 0; count < 2; count += 1) {
      const data = text.subarray(sentBytes, sentBytes + chunkBytes);
      await ann.request('attachment:chunk', { attachmentId, offset: sentBytes, data });
      sentBytes += data.length;
    }
    ann.close();
    const again = await on(companies, 1).customer('ann');
    const { receivedBytes } = await again.request('attachment:begin', begin);
    expect(receivedBytes).toBe(sentBytes);
    while (sentBytes < text.length) {
      const data = text.subarray(sentBytes, sentBytes + chunkBytes);
      await again.request('attachment:chunk', { attachmentId, offset: sentBytes, data });
      sentBytes += data.length;
    }
    const { attachment } = await again.request('attachment:finish', { attachmentId });
    expect(attachment).toMatchObject({ state: 'ready', size: text.length });
    const third = await on(companies, 2).customer('ann');
    const { entry } = await third.request('message:send', {
      conversationId: id,
      clientMessageId: 'with-file',
      attachmentIds: [attachmentId],
    });
    const link = entry.attachments[0]?.url ?? '';
    const got = Buffer.from(await (await fetch(new URL(link, nodes.servers[0]?.url))).arrayBuffer());
    expect(got.equals(text)).toBe(true);
  });
});

describe('a person who is revoked', () => {
  it('[AUTH-5] is so on every node, at once, and on one that starts later', async () => {
    const companies = company();
    const tenant = on(companies, 0).tenant;
    const boss = await on(companies, 0).supervisor('boss');
    const everywhere = await Promise.all(companies.map((each) => each.agent('bob')));
    const token = tokenFor({ sub: 'bob', role: 'agent', tenant });
    await boss.request('session:revoke', { userId: 'bob' });
    for (const bob of everywhere)
      await until('the end', () => bob.socket.disconnected && bob.all('session:ended')[0], 1_000);
    const late = await nodes.add();
    for (const { url } of [...nodes.servers.slice(0, 3), late]) {
      const client = clients.open(url, { token });
      const refusals: string[] = [];
      client.socket.on('connect_error', ({ message }) => refusals.push(message));
      expect(await until('a refusal', () => refusals[0])).toMatch(/revoked/);
    }
  });
});
