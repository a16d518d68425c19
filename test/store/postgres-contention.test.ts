import { describe, expect, it } from 'vitest';
import type { AgentRecord, AppendOutcome } from '../../src/ports/store.ts';
import { Random, seedOf } from '../support/random.ts';
import { begin, begun, readyOf, uploadOf } from './attachment-builders.ts';
import {
  agentRecord,
  factsChange,
  factsOf,
  messageEntry,
  opened,
  openOf,
  send,
  timeOf,
  unique,
  user,
} from './builders.ts';
import { kindsOf, messagesOf, nextTurn, wholeLog } from './checks.ts';
import { keepChanging } from './contract-commits-suite.ts';
import { lockOf, postgresScene } from './postgres-scene.ts';

/** What one database promises to several stores on it. */
describe('several stores on one Postgres database', () => {
  const scene = postgresScene();
  const { open, two } = scene;

  it.each(['in one batch', 'one by one', 'with more than entries'])(
    '[STORE-2] what was decided on a write that is not made is not made either, though another process filled its place: %s',
    async (how) => {
      const [one, other] = await two();
      const facts = await opened(one);
      expect(await send(other, facts, 2, { clientMessageId: 'theirs' })).toEqual({ kind: 'committed' });
      // Decided when the last seq was 1; the last of these expects 2, and there is a 2 now.
      const chain = { broken: false };
      const writes: Promise<AppendOutcome>[] = [];
      for (const seq of [2, 3, 4]) {
        const write =
          how === 'with more than entries'
            ? one.append({ ...factsChange(facts, seq, { subject: `ours ${String(seq)}` }), chain })
            : send(one, facts, seq, { clientMessageId: `ours-${String(seq)}` }, { chain });
        writes.push(write);
        if (how === 'one by one') await write.then(nextTurn);
      }
      expect(await Promise.all(writes)).toEqual(Array(3).fill({ kind: 'conflict' }));
      expect((await one.heads([facts.id])).get(facts.id)).toBe(2);
      expect((await one.conversation(facts.tenant, facts.id))?.subject).toBe(facts.subject);
      // And what is decided anew goes on.
      const anew = { broken: false };
      const later = [3, 4].map((seq) => send(one, facts, seq, {}, { chain: anew }));
      expect(await Promise.all(later)).toEqual(Array(2).fill({ kind: 'committed' }));
    },
  );

  it('a write does not wait behind reads, however many there are and however long they take', async () => {
    const store = await open();
    const facts = await opened(store);
    // Reads of agents wait for whoever changes the table.
    const stranger = await scene.transaction('LOCK TABLE agents IN ACCESS EXCLUSIVE MODE');
    let readCount = 0;
    const reads = Array.from({ length: 40 }, () => store.agents().then(() => (readCount += 1)));
    await scene.untilWaiters(1);
    expect(await send(store, facts, 2)).toEqual({ kind: 'committed' });
    expect(await store.append(factsChange(facts, 3, { subject: 'x' }))).toEqual({ kind: 'committed' });
    expect(readCount).toBe(0);
    await scene.end(stranger, 'ROLLBACK');
    await Promise.all(reads);
  });

  it('[STORE-2] of appends with the same expectation one is committed', async () => {
    const [one, other] = await two();
    for (let round = 0; round < 20; round++) {
      const facts = await opened(one);
      const outcomes = await Promise.all(
        [one, other].flatMap((store, node) =>
          [0, 1, 2].map((place) => send(store, facts, 2, { clientMessageId: `m-${String(node)}-${String(place)}` })),
        ),
      );
      expect(kindsOf(outcomes)).toEqual(['committed', ...Array<string>(5).fill('conflict')]);
    }
  });

  it('[STORE-2] keeps every log whole under writers on both, and each client id once', async () => {
    const seed = seedOf(20_261_121);
    const random = new Random(seed);
    const all = await two();
    const conversations = await Promise.all(Array.from({ length: 4 }, () => opened(all[0])));
    const committed = new Map<string, string>();
    const writer = async (index: number): Promise<void> => {
      const store = all[index % 2]!;
      for (let count = 0; count < 30; count++) {
        const facts = random.pick(conversations);
        // The same few ids from all writers, as the same author's.
        const clientMessageId = `m${String(random.below(60))}`;
        const key = `${facts.id} ${clientMessageId}`;
        const text = `${key} by ${String(index)} at ${String(count)}`;
        let outcome: AppendOutcome;
        do {
          const seq = ((await store.heads([facts.id])).get(facts.id) ?? 0) + 1;
          const change = random.chance(0.2);
          outcome = change
            ? await store.append(factsChange(facts, seq, { subject: text }))
            : await send(store, facts, seq, { clientMessageId, text });
          if (outcome.kind === 'committed' && !change) {
            expect(committed.has(key), `seed ${String(seed)}`).toBe(false);
            committed.set(key, text);
          }
        } while (outcome.kind === 'conflict');
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, index) => writer(index)));
    const logged: (string | null)[] = [];
    for (const { id } of conversations) {
      const entries = await wholeLog(all[1], id, `seed ${String(seed)}`);
      logged.push(...messagesOf(entries).map(({ text }) => text));
    }
    expect(logged.sort(), `seed ${String(seed)}`).toEqual([...committed.values()].sort());
  });

  it('[STORE-2] decides by what was committed while a write waited for the conversation', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    const holder = await scene.transaction(lockOf(facts));
    const change = one.append(factsChange(facts, 2, { subject: 'first' }));
    await scene.untilWaiters(1);
    // Both statements began before anything was committed.
    const late = Promise.all([
      send(other, facts, 2, { clientMessageId: 'late' }),
      other.append(factsChange(facts, 3, { subject: 'second' })),
    ]);
    await scene.untilWaiters(2);
    await scene.end(holder, 'COMMIT');
    expect(await change).toEqual({ kind: 'committed' });
    expect(await late).toEqual([{ kind: 'conflict' }, { kind: 'committed' }]);
    expect(await one.conversation(facts.tenant, facts.id)).toMatchObject({ subject: 'second', lastSeq: 3 });
  });

  it('[STORE-3] answers a repeat on another node with the entry that was made', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    await send(one, facts, 2, { text: 'once' });
    const duplicate = { kind: 'duplicate', entry: messageEntry(facts, 2, { text: 'once' }) };
    expect(await send(other, facts, 3, { clientMessageId: 'message-2', text: 'again' })).toEqual(duplicate);
    expect(await send(other, facts, 2, { text: 'again' })).toEqual(duplicate);
    for (let round = 3; round < 30; round++) {
      // Sent to both at once: to one as it would be next, to the other as if nothing had been.
      const outcomes = await Promise.all([send(one, facts, round), send(other, facts, round)]);
      expect(kindsOf(outcomes)).toEqual(['committed', 'duplicate']);
    }
  });

  it('[STORE-3] keeps a client id with the first that has it, also where nobody asked for that', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    const entries = [
      messageEntry(facts, 2, { clientMessageId: 'x' }),
      messageEntry(facts, 3, { clientMessageId: 'x' }),
    ];
    const { id: conversationId, tenant } = facts;
    expect(await one.append({ tenant, conversationId, expectedSeq: 1, entries })).toEqual({ kind: 'committed' });
    const again = messageEntry(facts, 4, { clientMessageId: 'x' });
    expect(await other.append({ tenant, conversationId, expectedSeq: 3, entries: [again] })).toEqual({
      kind: 'committed',
    });
    expect(await send(other, facts, 5, { clientMessageId: 'x' })).toEqual({ kind: 'duplicate', entry: entries[0] });
    const key = { tenant, conversationId, authorId: facts.customer.id, clientMessageId: 'x' };
    expect((await other.messageByClientId(key))?.seq).toBe(2);
  });

  it('[STORE-4] counts an agent’s conversations over all nodes', async () => {
    const all = await two();
    for (let round = 0; round < 5; round++) {
      const tenant = unique('tenant');
      const agent = user(unique('agent'), 'agent');
      const conversations = await Promise.all(Array.from({ length: 8 }, () => opened(all[0], { tenant })));
      const outcomes = await Promise.all(
        conversations.map((facts, index) =>
          all[index % 2]!.append({
            ...factsChange(facts, 2, { status: 'assigned', assignee: agent }),
            capacityGuard: { agentId: agent.id, capacity: 3 },
          }),
        ),
      );
      expect(kindsOf(outcomes)).toEqual([
        ...Array<string>(5).fill('capacity_reached'),
        ...Array<string>(3).fill('committed'),
      ]);
      expect(await all[1].activeCount(tenant, agent.id)).toBe(3);
    }
  });

  it('[STORE-4] gives one conversation to a customer who opens on both at once, and one to a name', async () => {
    const all = await two();
    for (let round = 0; round < 10; round++) {
      const tenant = unique('tenant');
      const customer = user(unique('customer'));
      const clientConversationId = round % 2 === 0 ? null : 'order 1042';
      const tries = Array.from({ length: 6 }, () => factsOf({ tenant, customer, clientConversationId }));
      const outcomes = await Promise.all(
        tries.map((facts, index) => all[index % 2]!.open(openOf(facts, { clientMessageId: 'm' }))),
      );
      expect(outcomes.filter(({ kind }) => kind === 'committed')).toHaveLength(1);
      expect((await all[0].listConversations({ tenant, limit: 10 })).conversations).toHaveLength(1);
    }
  });

  it('[STORE-4] counts quotas, begins an attachment and keeps a secret once over all nodes', async () => {
    const all = await two();
    const facts = await opened(all[0]);
    const begins = await Promise.all(
      Array.from({ length: 10 }, (_, index) => begin(all[index % 2]!, uploadOf(facts), { uploads: 3 })),
    );
    expect(kindsOf(begins)).toEqual([...Array<string>(3).fill('begun'), ...Array<string>(7).fill('quota_exceeded')]);
    const same = await Promise.all(
      Array.from({ length: 6 }, (_, index) => begin(all[index % 2]!, uploadOf(facts, { clientAttachmentId: 'photo' }))),
    );
    expect(kindsOf(same)).toEqual(['begun', ...Array<string>(5).fill('exists')]);
    const record = await begun(all[0], facts);
    const changes = await Promise.all(
      all.map((store) => store.changeAttachment({ record: readyOf(record), from: 'receiving' })),
    );
    expect(changes.sort()).toEqual([false, true]);
    const removals = await Promise.all(all.map((store) => store.removeAttachment(record)));
    expect(removals.sort()).toEqual([false, true]);
    const secrets = await Promise.all(all.map((store, index) => store.secret('s', `fresh ${String(index)}`)));
    expect(new Set(secrets).size).toBe(1);
  });

  it('[STORE-4] what an agent says counts from when it is written, whatever the clocks of those who write', async () => {
    const [one, other] = await two();
    const tenant = unique('tenant');
    const said = (seconds: number, status: AgentRecord['status']) =>
      agentRecord(tenant, 'bob', { statusAt: timeOf(seconds), status });
    const ahead = said(3_000, 'online');
    expect(await one.sayStatus(ahead)).toEqual(ahead);
    const later = await other.sayStatus(said(20, 'away'));
    expect(later).toEqual({ ...said(20, 'away'), statusAt: later.statusAt });
    expect(later.statusAt > ahead.statusAt).toBe(true);
    expect(await one.agents()).toEqual([later]);
    // At once: each has a time of its own, and the last of them stands.
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : other).sayStatus(said(20, 'offline'))),
    );
    const times = all.map(({ statusAt }) => statusAt).sort();
    expect(new Set(times).size).toBe(20);
    expect((await one.agents()).map(({ statusAt }) => statusAt)).toEqual(times.slice(-1));
  });

  it('[STORE-4] keeps what an agent said of himself last, whichever node hears of it, and writes it, when', async () => {
    const [one, other] = await two();
    const tenant = unique('tenant');
    const said = (seconds: number, fields: Partial<AgentRecord>) =>
      agentRecord(tenant, 'bob', { statusAt: timeOf(seconds), ...fields });
    const away = said(20, { status: 'away', capacity: 3 });
    await one.saveAgent(away);
    // What a node knew before it heard of that.
    await other.saveAgent(said(19, { maxChats: 9 }));
    expect(await other.agents()).toEqual([away]);
    // A token says more of him, but nothing of his status.
    const same = { ...away, maxChats: 9, departments: ['returns'] };
    await other.saveAgent(same);
    expect(await one.agents()).toEqual([same]);
    const newer = said(21, { present: false });
    await other.saveAgent(newer);
    await one.saveAgent(same);
    expect(await one.agents()).toEqual([newer]);
    for (let round = 22; round < 42; round += 2) {
      const [first, last] = [said(round, { status: 'away' }), said(round + 1, { status: 'offline' })];
      const [early, late] = round % 4 === 0 ? [first, last] : [last, first];
      await Promise.all([one.saveAgent(early), other.saveAgent(late)]);
      expect(await one.agents()).toEqual([last]);
    }
  });

  it('[STORE-7] moves a cursor forward from all nodes', async () => {
    const all = await two();
    const { id: conversationId } = await opened(all[0]);
    const seqs = Array.from({ length: 40 }, (_, index) => ((index * 7) % 40) + 1);
    await Promise.all(
      seqs.map((seq, index) =>
        all[index % 2]!.moveCursor({
          conversationId,
          userId: `user ${String(index % 3)}`,
          ...{ deliveredSeq: seq, readSeq: seq, publicDeliveredSeq: seq, publicReadSeq: seq },
        }),
      ),
    );
    const cursors = await all[0].cursors(conversationId);
    const furthest = [0, 1, 2].map((who) => Math.max(...seqs.filter((_, index) => index % 3 === who)));
    expect(cursors.map(({ readSeq }) => readSeq)).toEqual(furthest);
  });

  it('[STORE-8] can be copied while it is written to, and the copy is one commit’s state', async () => {
    const changing = await keepChanging(await open());
    const copy = await scene.postgres.copyOf(scene.url);
    const before = changing.lastSeq();
    await changing.stop();
    const { facts } = changing;
    const { store: restored, nodes } = await scene.openNode({ url: copy });
    const state = await restored.conversation(facts.tenant, facts.id);
    expect(state?.lastSeq).toBeGreaterThan(1);
    expect(state?.lastSeq).toBeLessThanOrEqual(before);
    expect(state?.subject).toBe(`subject ${String(state?.lastSeq)}`);
    expect(await wholeLog(restored, facts.id)).toHaveLength(state?.lastSeq ?? 0);
    // It goes on from there.
    const info = { version: '1', startedAt: '', fingerprints: {} };
    const beat = { nodeId: 'a', info, presences: [], nodeLeaseMs: 1_000 };
    const { mark } = await nodes.beat({ ...beat, mark: null });
    const other = await opened(restored);
    const { conversations } = await nodes.beat({ ...beat, mark });
    expect(conversations.map((one) => one.state.id)).toEqual([other.id]);
  });
});
