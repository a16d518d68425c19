import { beforeEach, describe, expect, it } from 'vitest';
import type { Beat, Changes, NodeInfo, Nodes, Presence } from '../../src/ports/nodes.ts';
import type { Store } from '../../src/ports/store.ts';
import {
  agentRecord,
  factsChange,
  factsOf,
  messageEntry,
  opened,
  openOf,
  send,
  seqsOf,
  timeOf,
  unique,
  user,
} from './builders.ts';
import { postgresScene } from './postgres-scene.ts';

describe('nodes that share a Postgres database', () => {
  const scene = postgresScene();
  const { openNode, transaction, end } = scene;
  let store: Store;
  let nodes: Nodes;
  beforeEach(async () => {
    ({ store, nodes } = await openNode());
  });

  const infoOf = (version: string): NodeInfo => ({ version, startedAt: timeOf(1), fingerprints: { secret: 'ab' } });
  const beatOf = (nodeId: string, fields: Partial<Beat> = {}): Beat => ({
    nodeId,
    info: infoOf(nodeId),
    presences: [],
    mark: null,
    nodeLeaseMs: 10_000,
    ...fields,
  });
  const presenceOf = (id: string, fields: Partial<Presence> = {}): Presence => ({
    tenant: 'acme',
    user: user(id, 'agent'),
    maxChats: null,
    departments: ['sales'],
    skills: [],
    connected: true,
    live: true,
    ...fields,
  });
  const told = ({ conversations }: Changes) =>
    conversations.map(({ state, entries }) => ({ id: state.id, lastSeq: state.lastSeq, seqs: seqsOf(entries) }));
  const idsOf = (changes: Changes): string[] => changes.nodes.map(({ id }) => id).sort();
  /** A node that beats again and again from where it was. */
  const follower = (nodeId: string, own = nodes) => {
    let mark: string | null = null;
    return async (fields: Partial<Beat> = {}): Promise<Changes> => {
      const changes = await own.beat(beatOf(nodeId, { mark, ...fields }));
      mark = changes.mark;
      return changes;
    };
  };

  it('the first beat gives a mark and all presences, but nothing of the past', async () => {
    await nodes.beat(beatOf('b', { presences: [presenceOf('bob'), presenceOf('eve', { connected: false })] }));
    await opened(store);
    await store.saveAgent(agentRecord('acme', 'bob'));
    const first = await nodes.beat(beatOf('a'));
    expect(first.mark).not.toBe('');
    expect(first).toMatchObject({ agents: [], conversations: [] });
    expect(first.nodes).toEqual([
      { id: 'a', info: infoOf('a') },
      { id: 'b', info: infoOf('b') },
    ]);
    expect(first.presences).toEqual([
      { nodeId: 'b', presence: presenceOf('bob') },
      { nodeId: 'b', presence: presenceOf('eve', { connected: false }) },
    ]);
  });

  it('tells what came with other facts, each once, with the state as it is, and no plain messages', async () => {
    const quiet = await opened(store);
    const beat = follower('a');
    await beat();
    const facts = await opened(store);
    await send(store, facts, 2);
    await store.append(factsChange(facts, 3, { subject: 'other' }));
    await send(store, facts, 4, { visibility: 'staff' });
    await send(store, quiet, 2);
    await store.saveAgent(agentRecord('acme', 'bob', { status: 'away' }));
    const revocation = { tenant: 'acme', userId: 'b\u0000b', revokedAt: timeOf(7) };
    await store.saveRevocation(revocation);
    const changes = await beat();
    expect(told(changes)).toEqual([{ id: facts.id, lastSeq: 4, seqs: [1, 3] }]);
    expect(changes.conversations[0]?.state).toEqual(await store.conversation(facts.tenant, facts.id));
    expect(changes.conversations[0]?.state).toMatchObject({ subject: 'other', publicSeq: 3 });
    expect(changes.agents).toEqual([agentRecord('acme', 'bob', { status: 'away' })]);
    expect(changes.revocations).toEqual([revocation]);
    expect(await beat()).toMatchObject({ conversations: [], agents: [], revocations: [], presences: [] });
    const other = factsOf();
    await store.open(openOf(other, { clientMessageId: 'm' }));
    const next = await beat();
    expect(told(next)).toEqual([{ id: other.id, lastSeq: 2, seqs: [1, 2] }]);
    expect(next.conversations[0]?.entries[1]).toEqual(messageEntry(other, 2, { clientMessageId: 'm' }));
  });

  it('misses nothing that commits late, and is not made to repeat itself by what stays open', async () => {
    const facts = await opened(store);
    const beat = follower('a');
    await beat();
    const record = JSON.stringify(agentRecord('acme', 'late'));
    const entry = JSON.stringify(messageEntry(facts, 2));
    const late = await transaction(
      `INSERT INTO agents VALUES ('acme', 'late', '${timeOf(2)}', '${record}', pg_current_xact_id())`,
      `INSERT INTO entries SELECT n, 2, pg_current_xact_id(), 0, '${timeOf(2)}', NULL, NULL, '${entry}' FROM conversations WHERE id = '${facts.id}'`,
      `UPDATE heads SET last_seq = 2 WHERE id = '${facts.id}'`,
    );
    const stuck = await transaction('SELECT pg_current_xact_id()');
    // Others begin later and are done before.
    const early = await opened(store);
    await store.saveAgent(agentRecord('acme', 'early'));
    const first = await beat();
    expect(told(first)).toEqual([{ id: early.id, lastSeq: 1, seqs: [1] }]);
    expect(first.agents.map(({ user: { id } }) => id)).toEqual(['early']);
    expect(await beat()).toMatchObject({ conversations: [], agents: [] });
    await end(late, 'COMMIT');
    const second = await beat();
    expect(told(second)).toEqual([{ id: facts.id, lastSeq: 2, seqs: [2] }]);
    expect(second.agents.map(({ user: { id } }) => id)).toEqual(['late']);
    expect(await beat()).toMatchObject({ conversations: [], agents: [] });
    await end(stuck, 'ROLLBACK');
    expect(await beat()).toMatchObject({ conversations: [], agents: [] });
  });

  it('tells every follower everything while many write', async () => {
    const beats = [follower('a'), follower('b', (await openNode()).nodes), follower('c', (await openNode()).nodes)];
    for (const beat of beats) await beat();
    let writing = true;
    const seen = beats.map(() => new Set<string>());
    const following = beats.map(async (beat, index) => {
      for (let last = false; ; last = !writing) {
        const done = last;
        const { conversations, agents } = await beat();
        for (const { entries } of conversations) {
          for (const { conversationId, seq } of entries) seen[index]?.add(`${conversationId} ${String(seq)}`);
        }
        for (const agent of agents) seen[index]?.add(agent.user.id);
        if (done) return;
      }
    });
    const expected: string[] = [];
    await Promise.all(
      Array.from({ length: 12 }, async (_, writer) => {
        for (let count = 0; count < 8; count++) {
          const facts = await opened(store);
          await store.append(factsChange(facts, 2, { subject: 'x' }));
          const agent = unique(`agent-${String(writer)}`);
          await store.saveAgent(agentRecord('acme', agent));
          expected.push(`${facts.id} 1`, `${facts.id} 2`, agent);
        }
      }),
    );
    writing = false;
    await Promise.all(following);
    for (const one of seen) expect([...one].sort()).toEqual([...expected].sort());
  });

  it('tells presences of others alone, as they were said last', async () => {
    const [a, b] = [follower('a'), follower('b')];
    await a({ presences: [presenceOf('bob')] });
    expect((await b()).presences).toEqual([{ nodeId: 'a', presence: presenceOf('bob') }]);
    const gone = presenceOf('bob', { connected: false, live: false });
    await a({ presences: [presenceOf('bob'), gone, presenceOf('b\u0000"\\ö')] });
    const changes = await b();
    expect(changes.presences).toHaveLength(2);
    expect(changes.presences).toContainEqual({ nodeId: 'a', presence: gone });
    expect(changes.presences).toContainEqual({ nodeId: 'a', presence: presenceOf('b\u0000"\\ö') });
    expect((await b()).presences).toEqual([]);
    expect((await a()).presences).toEqual([]);
  });

  it('counts leases by the database’s clock, and a node that left as dead at once, its presences kept', async () => {
    const [a, b] = [follower('a'), follower('b')];
    await b({ presences: [presenceOf('bob')] });
    expect(idsOf(await a())).toEqual(['a', 'b']);
    await scene.postgres.query(scene.url, "UPDATE nodes SET seen_at = seen_at - interval '9 s' WHERE id = 'b'");
    expect(idsOf(await a())).toEqual(['a', 'b']);
    await scene.postgres.query(scene.url, "UPDATE nodes SET seen_at = seen_at - interval '2 s' WHERE id = 'b'");
    expect(idsOf(await a())).toEqual(['a']);
    await b();
    expect(idsOf(await a())).toEqual(['a', 'b']);
    await nodes.leave('b');
    expect(idsOf(await a())).toEqual(['a']);
    expect((await nodes.beat(beatOf('c'))).presences).toEqual([{ nodeId: 'b', presence: presenceOf('bob') }]);
    await b();
    expect(idsOf(await a())).toEqual(['a', 'b', 'c']);
  });

  it('forgets nodes that are dead for ten minutes; one that comes back tells its presences again', async () => {
    const own = (await openNode()).nodes;
    const b = follower('b', own);
    await b({ presences: [presenceOf('bob'), presenceOf('eve')] });
    await nodes.beat(beatOf('c', { presences: [presenceOf('kim')] }));
    const age = (seconds: number) =>
      scene.postgres.query(
        scene.url,
        `UPDATE nodes SET seen_at = clock_timestamp() - interval '${String(seconds)} s' WHERE id = 'b'`,
      );
    await age(600);
    await (await openNode()).nodes.beat(beatOf('a'));
    expect(await scene.postgres.query(scene.url, "SELECT id FROM nodes WHERE id = 'b'")).toHaveLength(1);
    await age(611);
    await (await openNode()).nodes.beat(beatOf('a'));
    expect(await scene.postgres.query(scene.url, 'SELECT id FROM nodes ORDER BY id')).toEqual([
      { id: 'a' },
      { id: 'c' },
    ]);
    expect(await scene.postgres.query(scene.url, 'SELECT agent_id FROM presences')).toEqual([{ agent_id: 'kim' }]);
    await b({ presences: [presenceOf('eve', { connected: false })] });
    const { presences } = await nodes.beat(beatOf('a'));
    expect(presences.filter(({ nodeId }) => nodeId === 'b')).toEqual([
      { nodeId: 'b', presence: presenceOf('bob') },
      { nodeId: 'b', presence: presenceOf('eve', { connected: false }) },
    ]);
  });

  it('does not take what came with a copy of another database for new, nor a mark from there for the future', async () => {
    const facts = await opened(store);
    const beat = follower('a');
    await beat();
    // As after a restore: written by transactions that this database has not had.
    await scene.postgres.query(
      scene.url,
      "UPDATE entries SET desk = '900000000'; UPDATE agents SET written = '900000000'",
    );
    expect(await beat()).toMatchObject({ conversations: [] });
    await store.append(factsChange(facts, 2, { subject: 'x' }));
    expect(told(await beat())).toEqual([{ id: facts.id, lastSeq: 2, seqs: [2] }]);
    await store.append(factsChange(facts, 3, { subject: 'y' }));
    const elsewhere = await nodes.beat(beatOf('b', { mark: '900000000:900000000:' }));
    expect(told(elsewhere)).toEqual([{ id: facts.id, lastSeq: 3, seqs: [2, 3] }]);
  });

  it('says `unavailable` once the store is closed', async () => {
    await store.close();
    await expect(nodes.beat(beatOf('a'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(nodes.leave('a')).rejects.toMatchObject({ code: 'unavailable' });
  });
});
