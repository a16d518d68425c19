import { describe, expect, it } from 'vitest';
import { coalesced, demandOf, nodesWithMembers } from '../../bench/capacity/demand.ts';
import { NUDGES, sum, useOf } from '../../bench/capacity/model.ts';
import { onlyCosts, SIMPLE } from './costs.ts';

describe('what a workload asks for', () => {
  const demand = demandOf(SIMPLE);

  it('gives each conversation one customer and a share of an agent, and no connection twice', () => {
    expect(demand.conversations).toBeCloseTo(10_000);
    expect(demand.agents).toBeCloseTo(2_000);
    expect(demand.customers + demand.agents).toBeCloseTo(SIMPLE.connections);
    expect(demand.memberships).toBeCloseTo(20_000);
  });

  it('turns hours and minutes into seconds', () => {
    expect(demand.messages).toBeCloseTo(1_000);
    expect(demand.opened).toBeCloseTo(10_000 / 600);
    expect(demand.facts).toBeCloseTo((3 * 10_000) / 600);
    expect(demand.handshakes).toBeCloseTo(12_000 / 1_200);
  });

  it('joins when a conversation begins and when a member comes back', () => {
    expect(demand.joins).toBeCloseTo((2 * 10_000) / 600 + 20_000 / 1_200);
  });

  it('leaves idle connections without conversations', () => {
    expect(demandOf({ ...SIMPLE, idleShare: 1 })).toMatchObject({
      conversations: 0,
      agents: 0,
      joins: 0,
      customers: 12_000,
    });
  });
});

describe('nodes that hold a member', () => {
  it('are one when there is one node, and nearly as many as members when there are many', () => {
    expect(nodesWithMembers(1, 2)).toBe(1);
    expect(nodesWithMembers(2, 2)).toBeCloseTo(1.5);
    expect(nodesWithMembers(4, 2)).toBeCloseTo(1.75);
    expect(nodesWithMembers(1_000, 2)).toBeCloseTo(2, 2);
  });
});

describe('what is asked for while it is done', () => {
  it('is done as often as it is asked for when that is seldom', () => {
    expect(coalesced(1, 0.001)).toBeCloseTo(1, 2);
    expect(coalesced(0, 0.001)).toBe(0);
  });

  it('is done without a pause, and no oftener, when it is asked for all the time', () => {
    expect(coalesced(1e6, 0.01)).toBeCloseTo(100);
  });
});

describe('use', () => {
  it('of a node is its part of what is divided, and all of what is not', () => {
    const costs = onlyCosts({ nodeCpuMicrosPerMessage: 100, nodeCpuMicrosPerFactFollowed: 200 });
    const { node } = useOf(costs, SIMPLE, 4);
    expect(sum(node.divided)).toBeCloseTo((1_000 * 100) / 4);
    expect(sum(node.shared)).toBeCloseTo(50 * 200);
  });

  it('counts a message at another node only where a member sits there', () => {
    const costs = onlyCosts({ nodeCpuMicrosPerMessageHeard: 100, nodeCpuMicrosPerDelivery: 10 });
    expect(sum(useOf(costs, SIMPLE, 1).node.divided)).toBeCloseTo(1_000 * 10);
    // Half of the pairs sit on two nodes, half of them on one.
    expect(sum(useOf(costs, SIMPLE, 2).node.divided) * 2).toBeCloseTo(1_000 * (0.5 * 100 + 0.5 * 10));
  });

  it('of Redis is a publish for each message, and a delivery to each node with a member', () => {
    const costs = onlyCosts({ redisCpuMicrosPerPublish: 10, redisCpuMicrosPerDelivery: 2, redisBytesPerDelivery: 500 });
    const { redis } = useOf(costs, SIMPLE, 2);
    expect(redis.spending['messages']).toBeCloseTo(1_000 * (10 + 1.5 * 2));
    expect(redis.bytesOut).toBeCloseTo(1_000 * 1.5 * 500);
  });

  it('of Redis for nudges grows with the nodes that hear each', () => {
    const costs = onlyCosts({ redisCpuMicrosPerDelivery: 1 });
    const [few, many] = [10, 20].map((nodes) => useOf(costs, SIMPLE, nodes).redis.spending[NUDGES] ?? 0);
    expect(many).toBeGreaterThan(1.9 * (few ?? 0));
  });

  it('of Postgres is a commit for each message when nodes have few, and for many when they have many', () => {
    const costs = onlyCosts({ postgresCpuMicrosPerBatch: 100, postgresCpuMicrosPerMessage: 10, batchMs: 10 });
    const messages = (nodes: number): number => useOf(costs, SIMPLE, nodes).postgres.spending['messages'] ?? 0;
    // One node commits a hundred times a second, a thousand nodes a message each.
    expect(messages(1)).toBeCloseTo(100 * 100 + 1_000 * 10, -2);
    expect(messages(1_000)).toBeCloseTo(1_000 * 100 + 1_000 * 10, -4);
  });

  it('of memory is in MiB, with what each node knows of every open conversation', () => {
    const costs = onlyCosts({ nodeBaseMib: 100, nodeKibPerConnection: 12, nodeKibPerOpenConversation: 2 });
    expect(useOf(costs, SIMPLE, 3).node.memoryMib).toBeCloseTo(100 + (4_000 * 12 + 10_000 * 2) / 1_024);
  });

  it('compares the head of each feed every five seconds', () => {
    const costs = onlyCosts({ postgresCpuMicrosPerHeadCompared: 1 });
    expect(sum(useOf(costs, SIMPLE, 2).postgres.spending)).toBeCloseTo((10_000 * 1.5) / 5);
  });
});
