import { describe, expect, it } from 'vitest';
import { jsonText } from '../../src/ports/json-text.ts';
import type { Append, AppendOutcome, Facts, Store } from '../../src/ports/store.ts';
import { Random, seedOf } from '../support/random.ts';
import { appendOf, factsChange, messageEntry, opened, send } from './builders.ts';
import { codeOf, kindsOf, messagesOf, nextTurn, wholeLog } from './checks.ts';
import { lockOf, postgresScene } from './postgres-scene.ts';

/** Texts that look like the end of an entry, and what JSON and Postgres write otherwise. */
const TEXTS = ['plain', '"id":"c-1","conversationId":"c","seq":9,"at":"x"}', 'é🙂\\"\n\u0000\ud800', "'; --"];

/** How a write is made: with others, with others of its conversation once it is free, or by itself. */
const WAYS = ['in a batch', 'once its conversation is free', 'by itself'] as const;

describe('appends that rest on facts alone, from several stores on one Postgres database', () => {
  const scene = postgresScene();
  const { two } = scene;

  /** Messages with the client ids `<name>-<index>`, decided when the conversation's last seq was `knownSeq`. */
  const floating = (facts: Facts, knownSeq: number, name: string, more: Partial<Append> = {}, count = 1): Append => {
    const entries = Array.from({ length: count }, (_, index) =>
      messageEntry(facts, knownSeq + 1 + index, {
        clientMessageId: `${name}-${String(index)}`,
        text: `${name} ${TEXTS[index % TEXTS.length] ?? ''}`,
      }),
    );
    return { ...appendOf(entries[0]!, facts), restsOnFacts: facts.factsSeq, entries, ...more };
  };
  /** A client id that is not one of its entries' has to be looked for. */
  const BY_ITSELF = { clientKey: { authorId: 'nobody', clientMessageId: 'none' } };

  const appendAll = async (store: Store, facts: Facts, way: (typeof WAYS)[number], writes: readonly Append[]) => {
    const holder = way === 'once its conversation is free' ? await scene.transaction(lockOf(facts)) : undefined;
    const outcomes = Promise.all(
      writes.map((write) => store.append(way === 'by itself' ? { ...write, ...BY_ITSELF } : write)),
    );
    if (holder !== undefined) {
      await scene.untilWaiters(1);
      await scene.end(holder, 'COMMIT');
    }
    return outcomes;
  };

  it.each(WAYS)('[STORE-2] go to the end of the log, and say where that is: %s', async (way) => {
    const [one, other] = await two();
    const facts = await opened(one);
    for (const seq of [2, 3, 4]) await send(other, facts, seq);
    // Decided when the last seq was 1.
    const writes = [floating(facts, 1, 'a', {}, 4), floating(facts, 5, 'b'), floating(facts, 6, 'c', {}, 2)];
    const outcomes = await appendAll(one, facts, way, writes);
    expect(outcomes).toEqual([5, 9, 10].map((firstSeq) => ({ kind: 'committed', firstSeq })));
    const log = await wholeLog(other, facts.id);
    const placed = writes
      .flatMap(({ entries }) => messagesOf(entries))
      .map((entry, index) => messageEntry(facts, 5 + index, { ...entry, at: entry.at }));
    expect(log.slice(4)).toEqual(placed);
    expect(await other.entry(facts.id, 11)).toEqual(placed[6]);
    expect(await other.conversation(facts.tenant, facts.id)).toMatchObject({ lastSeq: 11, updatedAt: placed[6]?.at });
    // To the letter: what is read later must be what was sent then.
    const bodies = await scene.postgres.query<{ body: string }>(
      scene.url,
      'SELECT body FROM entries WHERE seq > 4 ORDER BY seq',
    );
    expect(bodies.map(({ body }) => body)).toEqual(placed.map((entry) => jsonText(entry)));
  });

  it.each(WAYS)('[STORE-2] conflict when facts were changed meanwhile, and leave nothing: %s', async (way) => {
    const [one, other] = await two();
    const facts = await opened(one);
    const changed = { ...facts, subject: 'changed', factsSeq: 2 };
    expect((await other.append(factsChange(facts, 2, changed))).kind).toBe('committed');
    // The second knows the last seq, but not what came with it.
    const writes = [floating(facts, 1, 'a'), floating(facts, 2, 'b')];
    expect(await appendAll(one, facts, way, writes)).toEqual([{ kind: 'conflict' }, { kind: 'conflict' }]);
    expect(await wholeLog(one, facts.id)).toHaveLength(2);
    // One that knows does not take along one that does not.
    const mixed = [floating(changed, 2, 'a'), floating(facts, 3, 'b'), floating(changed, 3, 'c')];
    expect(await appendAll(one, facts, way, mixed)).toEqual([
      { kind: 'committed', firstSeq: 3 },
      { kind: 'conflict' },
      { kind: 'committed', firstSeq: 4 },
    ]);
  });

  it('[STORE-2] conflict when facts are changed while they wait for the conversation', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    const holder = await scene.transaction(lockOf(facts));
    const change = other.append(factsChange(facts, 2, { factsSeq: 2 }));
    await scene.untilWaiters(1);
    const late = one.append(floating(facts, 1, 'late'));
    await scene.untilWaiters(2);
    await scene.end(holder, 'COMMIT');
    expect(await change).toEqual({ kind: 'committed' });
    expect(await late).toEqual({ kind: 'conflict' });
  });

  it('[STORE-3] are answered with the entry where it stands when they are repeated, whatever happened since', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    await send(other, facts, 2);
    expect(await one.append(floating(facts, 1, 'once'))).toEqual({ kind: 'committed', firstSeq: 3 });
    const duplicate = { kind: 'duplicate', entry: await other.entry(facts.id, 3) };
    expect(duplicate.entry).toMatchObject({ seq: 3, clientMessageId: 'once-0' });
    expect(await other.append(floating(facts, 2, 'once'))).toEqual(duplicate);
    await other.append(factsChange(facts, 4, { factsSeq: 4 }));
    expect(await other.append(floating(facts, 1, 'once'))).toEqual(duplicate);
    for (let round = 0; round < 20; round++) {
      const next = { ...facts, factsSeq: 4 };
      const outcomes = await Promise.all([one, other].map((store) => store.append(floating(next, 4, String(round)))));
      expect(kindsOf(outcomes)).toEqual(['committed', 'duplicate']);
      const firstSeq = outcomes.flatMap((outcome) => (outcome.kind === 'committed' ? [outcome.firstSeq] : []));
      expect(outcomes.flatMap((outcome) => (outcome.kind === 'duplicate' ? [outcome.entry.seq] : []))).toEqual(
        firstSeq,
      );
    }
    expect(await wholeLog(one, facts.id)).toHaveLength(24);
  });

  it.each(['at once', 'one right after the other', 'one some time after the other'])(
    '[STORE-2] are not made when what they were decided on is not, though their place is free: %s',
    async (how) => {
      const [one, other] = await two();
      const facts = await opened(one);
      const append = async (store: Store, writes: readonly Append[]): Promise<AppendOutcome[]> => {
        if (how === 'at once') return Promise.all(writes.map((write) => store.append(write)));
        const outcomes: AppendOutcome[] = [];
        for (const write of writes) {
          outcomes.push(await store.append(write));
          if (how !== 'one right after the other') await nextTurn();
        }
        return outcomes;
      };
      await other.append(floating(facts, 1, 'theirs'));
      const onDuplicate = { chain: { broken: false } };
      const afterDuplicate = await append(one, [
        floating(facts, 1, 'theirs', onDuplicate),
        floating(facts, 2, 'a', onDuplicate),
        floating(facts, 3, 'b', onDuplicate),
      ]);
      expect(afterDuplicate.map(({ kind }) => kind)).toEqual(['duplicate', 'conflict', 'conflict']);
      // Their change has the seq that ours would have had: what was decided on ours rests on the same number.
      const changed = { ...facts, factsSeq: 3 };
      expect((await other.append(factsChange(facts, 3, { ...changed, subject: 'theirs' }))).kind).toBe('committed');
      const onChange = { chain: { broken: false } };
      const afterConflict = await append(one, [
        { ...factsChange(facts, 3, { ...changed, subject: 'ours' }), ...onChange },
        floating(changed, 3, 'c', onChange),
        floating(changed, 4, 'd', onChange),
      ]);
      expect(afterConflict.map(({ kind }) => kind)).toEqual(Array(3).fill('conflict'));
      expect(await wholeLog(other, facts.id)).toHaveLength(3);
      // What is decided anew goes on.
      const anew = { chain: { broken: false } };
      const later = await append(one, [floating(changed, 3, 'c', anew), floating(changed, 4, 'd', anew)]);
      expect(later).toEqual([4, 5].map((firstSeq) => ({ kind: 'committed', firstSeq })));
    },
  );

  it('[STORE-2] are not made when what they were decided on failed', async () => {
    const [one] = await two();
    const facts = await opened(one);
    const chain = { broken: false };
    const amendsNothing = { ...factsChange(facts, 2, {}), amended: [messageEntry(facts, 9)], chain };
    expect(await codeOf(one.append(amendsNothing))).toBe('unavailable');
    expect(await one.append(floating(facts, 2, 'a', { chain }))).toEqual({ kind: 'conflict' });
  });

  it('[STORE-2] of both stores at once leave no hole, and each stands once, in its store’s order, where it was said to', async () => {
    const seed = seedOf(20_261_122);
    const why = `seed ${String(seed)}`;
    const random = new Random(seed);
    const stores = await two();
    const conversations = await Promise.all(Array.from({ length: 3 }, () => opened(stores[0])));
    /** By client id: where each message was said to stand, and the last change of facts before it. */
    const committed = new Map<string, string>();
    const logged = new Map<string, string>();
    const standing = (id: string, seq: number, factsSeq = 0) => `${id}-${String(seq)} after ${String(factsSeq)}`;
    const node = async (store: Store, name: string): Promise<void> => {
      for (let round = 0; round < 25; round++) {
        const writes = Array.from({ length: 1 + random.below(12) }, (_, index) => ({
          facts: random.pick(conversations),
          name: `${name}-${String(round)}-${String(index)}`,
          count: 1 + random.below(3),
        }));
        const states = new Map(
          await Promise.all(
            conversations.map(async (facts) => [facts, (await store.conversation(facts.tenant, facts.id))!] as const),
          ),
        );
        const changes = random.chance(0.3) ? random.pick(conversations) : undefined;
        // Some expect to follow one another, as one process decides them; others don't, as if each was another's.
        const follows = random.chance(0.5);
        const outcomes = await Promise.all(
          writes.map(async ({ facts, name: clientId, count }) => {
            const state = states.get(facts)!;
            const write = floating({ ...facts, factsSeq: state.factsSeq }, state.lastSeq, clientId, {}, count);
            if (follows) states.set(facts, { ...state, lastSeq: state.lastSeq + count });
            return { write, outcome: await store.append(write) };
          }),
        );
        if (changes !== undefined) {
          const seq = ((await store.heads([changes.id])).get(changes.id) ?? 0) + 1;
          await store.append(factsChange(changes, seq, { factsSeq: seq }));
        }
        const ends = new Map<string, number>();
        for (const { write, outcome } of outcomes) {
          if (outcome.kind !== 'committed') continue;
          const { conversationId, restsOnFacts } = write;
          const firstSeq = outcome.firstSeq ?? 0;
          expect(firstSeq, why).toBeGreaterThan(ends.get(conversationId) ?? 0);
          ends.set(conversationId, firstSeq);
          for (const [index, { clientMessageId }] of messagesOf(write.entries).entries())
            committed.set(clientMessageId, standing(conversationId, firstSeq + index, restsOnFacts));
        }
      }
    };
    await Promise.all(
      stores.flatMap((store, index) => ['x', 'y'].map((name) => node(store, `${name}${String(index)}`))),
    );
    for (const { id } of conversations) {
      let factsSeq = 1;
      for (const entry of await wholeLog(stores[0], id, why)) {
        expect(entry.id, why).toBe(`${id}-${String(entry.seq)}`);
        if (entry.type === 'conversation:updated') factsSeq = entry.seq;
        if (entry.type !== 'message:created') continue;
        expect(logged.has(entry.clientMessageId), why).toBe(false);
        logged.set(entry.clientMessageId, standing(entry.conversationId, entry.seq, factsSeq));
      }
    }
    expect(committed.size, why).toBeGreaterThan(100);
    expect(logged, why).toEqual(committed);
  });

  it('[STORE-2] that could not be put elsewhere, as they are not written in the usual order, stand where they say or nowhere', async () => {
    const [one, other] = await two();
    const facts = await opened(one);
    const { at, seq, id, ...rest } = messageEntry(facts, 2);
    const write: Append = { ...floating(facts, 1, 'x'), entries: [{ at, seq, id, ...rest }], clientKey: undefined };
    expect(await one.append(write)).toEqual({ kind: 'committed' });
    expect(await other.append({ ...write, entries: [{ at, seq, id, ...rest, clientMessageId: 'y' }] })).toEqual({
      kind: 'conflict',
    });
  });
});
