import { describe, expect, it } from 'vitest';
import { loadCosts, valuesOf } from '../../bench/capacity/costs.ts';
import { sum, useOf } from '../../bench/capacity/model.ts';
import {
  firstFull,
  fullness,
  lossOf,
  nodeShare,
  nodesNeeded,
  PARTS,
  postgresShare,
  redisShare,
  saturationOf,
} from '../../bench/capacity/saturation.ts';
import { planOf } from '../../bench/capacity/workload.ts';
import { onlyCosts, PLAUSIBLE, SIMPLE } from './costs.ts';

const SIZES = [1, 3, 10, 30, 100, 300, 1_000, 3_000].map((thousands) => thousands * 1_000);
const real = valuesOf(loadCosts());

describe('nodes', () => {
  it('are as many as their CPU needs: 1 000 messages of 2 ms each, half of a core to be used', () => {
    const costs = onlyCosts({ nodeCpuMicrosPerMessage: 2_000 });
    expect(nodesNeeded(costs, SIMPLE)).toEqual({ nodes: 4, bound: 'cpu' });
  });

  it('are one more when the others could not bear the loss of one', () => {
    const costs = onlyCosts({ nodeCpuMicrosPerMessage: 2_000 });
    // Three would have 0.67 each.
    expect(nodesNeeded(costs, { ...SIMPLE, afterLoss: 0.6 })).toEqual({ nodes: 5, bound: 'loss' });
  });

  it('are as many as memory and connections need', () => {
    const costs = onlyCosts({ nodeKibPerConnection: 1_024 });
    // 12 000 MiB in pieces of 2 000.
    expect(nodesNeeded(costs, { ...SIMPLE, nodeMemoryGib: 2_000 / 1_024 })).toEqual({ nodes: 6, bound: 'memory' });
    expect(nodesNeeded(onlyCosts(), { ...SIMPLE, connectionsPerNode: 1_000 })).toEqual({
      nodes: 12,
      bound: 'connections',
    });
    expect(nodesNeeded(onlyCosts(), SIMPLE)).toEqual({ nodes: 2, bound: 'two' });
  });

  it('are not to be had when each has more to do for all the desk than it may', () => {
    // 50 facts a second.
    expect(nodesNeeded(onlyCosts({ nodeCpuMicrosPerFactFollowed: 9_000 }), SIMPLE)?.nodes).toBe(2);
    expect(nodesNeeded(onlyCosts({ nodeCpuMicrosPerFactFollowed: 10_001 }), SIMPLE)).toBeUndefined();
  });

  it.each([
    ['by default', {}],
    ['with busy conversations', { idleShare: 0, messagesPerConnectionHour: 120 }],
    ['with no bound of connections', { connectionsPerNode: 1e9 }],
  ])('are never fewer for more connections, %s', (_, given) => {
    const counts = SIZES.map((connections) => nodesNeeded(real, planOf({ ...given, connections }))?.nodes ?? Infinity);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts.at(-1)).toBeGreaterThan(counts[0] ?? 0);
  });

  it('are enough, and one less is not', () => {
    const plan = planOf({ connections: 400_000, connectionsPerNode: 1e9, nodeMemoryGib: 1_024 });
    const needed = nodesNeeded(PLAUSIBLE, plan);
    expect(needed?.bound).toBe('cpu');
    const { nodes } = needed!;
    expect(nodeShare(useOf(PLAUSIBLE, plan, nodes))).toBeLessThanOrEqual(plan.target);
    expect(nodeShare(useOf(PLAUSIBLE, plan, nodes - 1))).toBeGreaterThan(plan.target);
  });
});

describe('saturation', () => {
  it('of Redis is where its one core is used as planned: a publish a message, 10 µs', () => {
    const costs = onlyCosts({ redisCpuMicrosPerPublish: 10 });
    const plan = { ...SIMPLE, receiptsPerMessage: 0, conversationMinutes: 1e9 };
    // Half of a core is 50 000 publishes a second, at 300 an hour of each connection.
    const full = saturationOf(costs, plan, 'redis');
    expect(full?.connections).toBeCloseTo((50_000 * 3_600) / 300, -3);
  });

  it('of Postgres is in its cores', () => {
    const costs = onlyCosts({ postgresCpuMicrosPerMessage: 100 });
    // Half of four cores are 20 000 messages a second.
    expect(saturationOf(costs, SIMPLE, 'postgres')?.connections).toBeCloseTo((20_000 * 3_600) / 300, -3);
  });

  it('is nowhere when a part is not used', () => {
    expect(saturationOf(onlyCosts(), SIMPLE, 'postgres')).toBeUndefined();
  });

  it.each(PARTS)('of %s agrees with its use there', (part) => {
    const plan = planOf();
    const full = saturationOf(PLAUSIBLE, plan, part);
    expect(full).toBeDefined();
    const { connections, nodes } = full!;
    const at = fullness(PLAUSIBLE, { ...plan, connections }, nodes)[part];
    expect(at).toBeLessThanOrEqual(1);
    expect(at).toBeGreaterThan(0.95);
  });

  it('comes first to the part that is fullest', () => {
    const plan = planOf({ connections: 100_000 });
    const { nodes } = nodesNeeded(PLAUSIBLE, plan)!;
    const use = useOf(PLAUSIBLE, plan, nodes);
    const shares = { redis: redisShare(use), postgres: postgresShare(use, plan), desk: sum(use.node.shared) / 1e6 };
    expect(shares[firstFull(PLAUSIBLE, plan, nodes)]).toBe(Math.max(...Object.values(shares)));
  });
});

describe('the loss of a node', () => {
  it('brings its connections back to the others, which have what they do not use', () => {
    const costs = onlyCosts({ nodeCpuMicrosPerHandshake: 1_000 });
    const plan = { ...SIMPLE, sessionMinutes: 1e9 };
    const loss = lossOf(costs, plan, 4);
    expect(loss.connections).toBe(3_000);
    expect(loss.nodeCpuSeconds).toBeCloseTo(3);
    // Beside each of them 2 ms are left free.
    expect(loss.seconds).toBeCloseTo(3);
  });

  it('is never mended by others that are full', () => {
    const costs = onlyCosts({ nodeCpuMicrosPerHandshake: 1_000, nodeCpuMicrosPerMessage: 4_000 });
    expect(lossOf(costs, SIMPLE, 4).seconds).toBe(Infinity);
  });
});
