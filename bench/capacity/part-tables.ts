import { number, table } from '../../scripts/markdown.ts';
import type { Costs } from './costs.ts';
import { FACTS_PER_CONVERSATION } from './demand.ts';
import { about, percent } from './figures.ts';
import { sum, useOf, type Spending } from './model.ts';
import { nodeCarries, nodesNeeded, saturationOf, type Plan } from './saturation.ts';

const CORE_MICROS = 1e6;

/** What one of each carries of one thing alone, a second. */
export const carriedTable = (costs: Costs, plan: Plan): string => {
  const { target, postgresCores } = plan;
  const rate = (cores: number, micros: number): string =>
    micros === 0 ? 'next to nothing is asked of it' : about((target * cores * CORE_MICROS) / micros);
  const node = (micros: number): string => rate(1, micros);
  const postgres = (micros: number): string => rate(postgresCores, micros);
  const redis = (publishes: number, channels = 0): string =>
    rate(
      1,
      publishes * (costs.redisCpuMicrosPerPublish + 2 * costs.redisCpuMicrosPerDelivery) +
        channels * costs.redisCpuMicrosPerSubscription,
    );
  const opening =
    costs.postgresCpuMicrosPerConversation + 2 * FACTS_PER_CONVERSATION * costs.postgresCpuMicrosPerFactRead;
  const { byCpu, byMemory } = nodeCarries(costs, plan);
  const full = (part: 'redis' | 'postgres'): string => about(saturationOf(costs, plan, part)?.connections ?? Infinity);
  return table(
    ['a second, of one thing alone', 'one node, one core', 'one Redis', `one Postgres, ${String(postgresCores)} cores`],
    [
      [
        '**connections, with all of the workload above**',
        `${about(byCpu)} by CPU, ${about(byMemory)} by memory`,
        full('redis'),
        full('postgres'),
      ],
      [
        'messages between two members on two nodes (both nodes’ CPU counted)',
        node(costs.nodeCpuMicrosPerMessage + costs.nodeCpuMicrosPerMessageHeard),
        redis(1),
        `${postgres(costs.postgresCpuMicrosPerBatch + costs.postgresCpuMicrosPerMessage)} committed one by one; ${postgres(costs.postgresCpuMicrosPerBatch / 10 + costs.postgresCpuMicrosPerMessage)} ten at a time`,
      ],
      [
        'receipts',
        node(costs.nodeCpuMicrosPerReceipt),
        redis(costs.redisPublishesPerReceipt),
        postgres(costs.postgresCpuMicrosPerReceipt),
      ],
      [
        'typing: a start and a stop',
        node(costs.nodeCpuMicrosPerTyping),
        redis(costs.redisPublishesPerTyping),
        postgres(costs.postgresCpuMicrosPerTyping),
      ],
      [
        'connections that come and go',
        node(costs.nodeCpuMicrosPerHandshake),
        redis(0, costs.redisChannelsPerConnection),
        postgres(costs.postgresCpuMicrosPerHandshake),
      ],
      [
        'joins',
        node(costs.nodeCpuMicrosPerJoin),
        redis(costs.redisPublishesPerJoin, costs.redisChannelsPerFeed),
        postgres(costs.postgresCpuMicrosPerJoin),
      ],
      [
        'conversations opened, claimed and closed',
        node(costs.nodeCpuMicrosPerConversation),
        redis(costs.redisPublishesPerConversation),
        postgres(opening),
      ],
    ],
  );
};

export const spentTable = (costs: Costs, plan: Plan): string => {
  const sized = { ...plan, connections: plan.connections };
  const nodes = nodesNeeded(costs, sized)?.nodes;
  if (nodes === undefined) return 'No number of nodes does.';
  const { node, redis, postgres } = useOf(costs, sized, nodes);
  const nodeSpending: Spending = { ...node.divided, ...node.shared };
  const names = [...new Set([nodeSpending, redis.spending, postgres.spending].flatMap((of) => Object.keys(of)))];
  const part = (spending: Spending, name: string): string => {
    const micros = spending[name];
    return micros === undefined || micros === 0 ? '' : percent(micros / sum(spending));
  };
  return table(
    [
      `${number(plan.connections)} connections, ${number(nodes)} nodes`,
      'of a node’s CPU',
      'of Redis’s CPU',
      'of Postgres’s CPU',
    ],
    names.map((name) => [name, part(nodeSpending, name), part(redis.spending, name), part(postgres.spending, name)]),
  );
};
