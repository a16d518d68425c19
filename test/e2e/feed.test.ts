import { describe, expect, it } from 'vitest';
import { open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { Random, seedOf } from '../support/random.ts';
import { agent, customer } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect, someone, servers } = endToEnd();

describe('a member', () => {
  it('[FEED-1] sees each entry that he may see exactly once and in order, live, whoever writes', async () => {
    const ann = await connect(customer(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    const agents = await Promise.all(Array.from({ length: 5 }, () => connect(agent(someone()))));
    await Promise.all(agents.map((one) => one.request('conversation:join', { conversationId, afterSeq: 1 })));
    await Promise.all(
      [ann, ...agents].flatMap((client, writer) =>
        Array.from({ length: 60 }, (_, index) =>
          client.request('message:send', {
            conversationId,
            clientMessageId: `${String(writer)}-${String(index)}`,
            text: 'x',
            ...(writer > 0 && index % 3 === 0 ? { visibility: 'staff' } : {}),
          }),
        ),
      ),
    );
    const all = Array.from({ length: 361 }, (_, index) => index + 1);
    for (const one of agents) {
      await until('the end of the stream', () => one.entries(conversationId).length === 360);
      expect(one.entries(conversationId).map(({ seq }) => seq)).toEqual(all.slice(1));
    }
    const open = agents[0]?.entries(conversationId).filter(({ visibility }) => visibility === 'all') ?? [];
    await until('the end of the stream of the customer', () => ann.entries(conversationId).length === open.length + 1);
    expect(ann.entries(conversationId).slice(1)).toEqual(open);
  });

  it.each([11, 12, 13].map(seedOf))(
    '[FEED-3] who joins while others write misses nothing and gets nothing twice (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const ann = await connect(customer(someone()));
      const { conversation } = await ann.request('conversation:open', {});
      const conversationId = conversation.id;
      let writing = true;
      const write = (async () => {
        for (let index = 0; index < 300; index += 1) {
          const sent = ann.request('message:send', { conversationId, clientMessageId: String(index), text: 'x' });
          if (random.chance(0.5)) await sent;
        }
        await ann.request('conversation:close', { conversationId });
        writing = false;
      })();
      const joiner = async (): Promise<void> => {
        const bob = await connect(agent(someone()));
        for (let wait = random.below(40); writing && wait > 0; wait -= 1)
          await new Promise((resolve) => setTimeout(resolve, 1));
        const pages: number[] = [];
        const whole = random.chance(0.5);
        for (;;) {
          const page = await bob.request('conversation:join', {
            conversationId,
            limit: 5 + random.below(20),
            ...(whole ? { afterSeq: pages.at(-1) ?? 0 } : {}),
          });
          pages.push(...page.entries.map(({ seq }) => seq));
          if (!whole || !page.hasMore) break;
        }
        await write;
        await until(
          'the end of the stream',
          () => Math.max(pages.at(-1) ?? 0, bob.entries(conversationId).at(-1)?.seq ?? 0) === 302,
        );
        const seen = [...pages, ...bob.entries(conversationId).map(({ seq }) => seq)];
        const first = whole ? 1 : (seen[0] ?? 0);
        expect(seen, `seed ${String(seed)}`).toEqual(
          Array.from({ length: 302 - first + 1 }, (_, index) => first + index),
        );
      };
      await Promise.all([write, ...Array.from({ length: 10 }, joiner)]);
    },
  );

  it('[FEED-3] who joins again while live keeps a stream without a hole', async () => {
    const ann = await connect(customer(someone()));
    const bob = await connect(agent(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    await bob.request('conversation:join', { conversationId, afterSeq: 1 });
    const sends = Array.from({ length: 200 }, (_, index) =>
      ann.request('message:send', { conversationId, clientMessageId: String(index), text: 'x' }),
    );
    const joins = Array.from({ length: 30 }, () => bob.request('conversation:join', { conversationId, limit: 1 }));
    await Promise.all([...sends, ...joins]);
    await until('the end of the stream', () => bob.entries(conversationId).at(-1)?.seq === 201);
    expect(bob.entries(conversationId).map(({ seq }) => seq)).toEqual(
      Array.from({ length: 200 }, (_, index) => index + 2),
    );
  });

  it('[FEED-1] [OPEN-1] many messages without an id, sent at once from two tabs, begin each stream once', async () => {
    const sub = someone();
    const tabs = await Promise.all([connect(customer(sub)), connect(customer(sub))]);
    const sent = await Promise.all(
      tabs.flatMap((tab, at) =>
        Array.from({ length: 12 }, (_, index) =>
          tab.request('message:send', { clientMessageId: `${String(at)}-${String(index)}`, text: 'x' }),
        ),
      ),
    );
    const conversationId = sent[0]?.entry.conversationId ?? '';
    for (const tab of tabs) {
      await until('the end of the stream', () => tab.entries(conversationId).at(-1)?.seq === 25);
      const seqs = tab.entries(conversationId).map(({ seq }) => seq);
      expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => (seqs[0] ?? 0) + index));
    }
  });

  it('[FEED-5] a connection that ends while it joins, or while its first message is on its way, leaves nothing behind', async () => {
    const opener = await connect(agent(someone()));
    const opened = await Promise.all(
      Array.from({ length: 20 }, () => opener.request('conversation:open', { customerId: someone() })),
    );
    for (const { conversation } of opened)
      await opener.request('conversation:leave', { conversationId: conversation.id });
    const feedCount = async (): Promise<number> => {
      const pages = await Promise.all(servers().map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
      return pages.reduce((sum, page) => sum + Number(/^deskwire_feeds (\d+)$/m.exec(page)?.[1]), 0);
    };
    await until('nobody to be in any', async () => (await feedCount()) === 0);
    for (const { conversation } of opened) {
      const joining = await connect(agent(someone()));
      joining.socket.emit('conversation:join', { conversationId: conversation.id }, () => undefined);
      const writing = await connect(customer(someone()));
      writing.socket.emit('message:send', { clientMessageId: 'x', text: 'x' }, () => undefined);
      // What they sent has been read before their end is.
      joining.socket.io.engine.close();
      writing.socket.io.engine.close();
    }
    // All that they began is over.
    const after = await connect(customer(someone()));
    await open(after);
    await until('what is here to be hers alone', async () => (await feedCount()) === 1);
  });

  it('[FEED-3] pages end by their bytes too, and lose nothing by it', async () => {
    const ann = await connect(customer(someone()));
    const { conversation } = await ann.request('conversation:open', {});
    const conversationId = conversation.id;
    for (let index = 0; index < 80; index += 1)
      await ann.request('message:send', { conversationId, clientMessageId: String(index), text: 'x'.repeat(16_000) });
    const bob = await connect(agent(someone()));
    const seqs: number[] = [];
    for (let pages = 1; ; pages += 1) {
      const page = await bob.request('conversation:join', { conversationId, afterSeq: seqs.at(-1) ?? 0, limit: 200 });
      expect(JSON.stringify(page).length).toBeLessThan(600_000);
      seqs.push(...page.entries.map(({ seq }) => seq));
      if (page.hasMore) continue;
      expect(pages).toBe(3);
      break;
    }
    expect(seqs).toEqual(Array.from({ length: 81 }, (_, index) => index + 1));
    const newest = await bob.request('conversation:history', { conversationId, limit: 200 });
    expect(newest).toMatchObject({ hasMore: true });
    expect(newest.entries.at(-1)?.seq).toBe(81);
  });
});
