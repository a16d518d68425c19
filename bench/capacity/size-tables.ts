import { number, table } from '../../scripts/markdown.ts';
import type { Costs } from './costs.ts';
import { demandOf } from './demand.ts';
import { about, bytes, figure, percent } from './figures.ts';
import { useOf } from './model.ts';
import {
  firstFull,
  lossOf,
  nodeShare,
  nodesNeeded,
  PARTS,
  postgresShare,
  redisShare,
  saturationOf,
  sharedShare,
  type Bound,
  type Part,
  type Plan,
} from './saturation.ts';
import { SIZES, sizesOf } from './workload-tables.ts';

const SECONDS_PER_DAY = 86_400;

const BOUNDS: Readonly<Record<Bound, string>> = {
  cpu: 'CPU',
  loss: 'CPU when one is lost',
  memory: 'memory',
  connections: 'connections of one',
  two: 'at least two',
};

const PART_NAMES: Readonly<Record<Part, string>> = {
  redis: 'Redis, one core',
  postgres: 'Postgres',
  desk: 'what each node does for all the desk',
};

export const sizesTable = (costs: Costs, plan: Plan): string => {
  const sizes = sizesOf(plan);
  const columns = sizes.map((connections) => {
    const sized = { ...plan, connections };
    const needed = nodesNeeded(costs, sized);
    return { sized, needed, use: needed && useOf(costs, sized, needed.nodes) };
  });
  type Column = (typeof columns)[number];
  type Filled = Column & { needed: NonNullable<Column['needed']>; use: NonNullable<Column['use']> };
  const isFilled = (column: Column): column is Filled => column.needed !== undefined;
  const row = (what: string, of: (column: Filled) => string): string[] => [
    what,
    ...columns.map((column) => (isFilled(column) ? of(column) : 'no number of nodes does')),
  ];
  const each = `${String(plan.postgresCores)} cores`;
  return table(
    ['', ...sizes.map((size) => `${number(size)} connections`)],
    [
      row('nodes', ({ needed }) => number(needed.nodes)),
      row('– asked for by', ({ needed }) => BOUNDS[needed.bound]),
      row(`machines of ${String(plan.cores)} cores for them`, ({ needed }) =>
        number(Math.ceil(needed.nodes / plan.cores)),
      ),
      row('CPU of a node, of its core', ({ use }) => percent(nodeShare(use))),
      row('– of it for all the desk', ({ use }) => percent(sharedShare(use))),
      row('memory of a node, MiB', ({ use }) => about(use.node.memoryMib)),
      row('bytes to the clients of a node, a second', ({ use }) => bytes(use.node.wireBytes)),
      row('beats of a node, a second', ({ use }) => figure(use.node.beats)),
      row('**CPU of Redis**, of its core', ({ use }) => percent(redisShare(use))),
      row(
        'publishes, deliveries a second',
        ({ use }) => `${about(use.redis.publishes)}, ${about(use.redis.deliveries)}`,
      ),
      row('bytes in, out a second', ({ use }) => `${bytes(use.redis.bytesIn)}, ${bytes(use.redis.bytesOut)}`),
      row('memory for channels, MiB', ({ use }) => about(use.redis.memoryMib)),
      row(`**CPU of Postgres**, of its ${each}`, ({ use, sized }) => percent(postgresShare(use, sized))),
      row(
        'statements, commits a second',
        ({ use }) => `${about(use.postgres.statements)}, ${about(use.postgres.commits)}`,
      ),
      row('write-ahead log a second', ({ use }) => bytes(use.postgres.walBytes)),
      row('messages a day, on disk', ({ use }) => bytes(use.postgres.tableBytes * SECONDS_PER_DAY)),
      row('connections to Postgres, at most', ({ use }) => number(use.postgres.connections)),
      row(
        'fullest of what is not divided by more nodes',
        ({ sized, needed }) => PART_NAMES[firstFull(costs, sized, needed.nodes)],
      ),
    ],
  );
};

export const fullTable = (costs: Costs, plan: Plan): string =>
  table(
    [`full (${percent(plan.target)})`, 'connections', 'messages a second', 'nodes then'],
    PARTS.map((part) => ({ part, full: saturationOf(costs, plan, part) }))
      .sort((a, b) => (a.full?.connections ?? Infinity) - (b.full?.connections ?? Infinity))
      .map(({ part, full }) => {
        const name =
          part === 'postgres' ? `${PART_NAMES[part]}, ${String(plan.postgresCores)} cores` : PART_NAMES[part];
        if (full === undefined) return [name, 'not below a thousand million', '', ''];
        const { messages } = demandOf({ ...plan, connections: full.connections });
        return [name, about(full.connections), about(messages), about(full.nodes)];
      }),
  );

export const lossTable = (costs: Costs, plan: Plan): string =>
  table(
    ['one node is lost', 'connections that come back', 'CPU of nodes for it, s', 'CPU of Postgres, s', 'done after, s'],
    sizesOf(plan).map((connections) => {
      const sized = { ...plan, connections };
      const nodes = nodesNeeded(costs, sized)?.nodes;
      if (nodes === undefined) return [`of ${number(connections)} connections`, 'no number of nodes does', '', '', ''];
      const loss = lossOf(costs, sized, nodes);
      return [
        `one of ${number(nodes)}, ${number(connections)} connections`,
        about(loss.connections),
        figure(loss.nodeCpuSeconds),
        figure(loss.postgresCpuSeconds),
        figure(loss.seconds),
      ];
    }),
  );

const DESK_COUNTS = [1, 2, 4, 8, 16, 32] as const;

/** Tenants divided over desks that know nothing of each other. */
export const desksTable = (costs: Costs, plan: Plan): string =>
  table(
    [
      'desks',
      'connections of each',
      'nodes of each',
      'nodes of all',
      'CPU of Redis',
      `CPU of Postgres, ${String(plan.postgresCores)} cores`,
    ],
    DESK_COUNTS.map((desks) => {
      const sized = { ...plan, connections: SIZES[2] / desks };
      const nodes = nodesNeeded(costs, sized)?.nodes;
      if (nodes === undefined) return [String(desks), about(sized.connections), 'no number does', '', '', ''];
      const use = useOf(costs, sized, nodes);
      return [
        String(desks),
        about(sized.connections),
        number(nodes),
        number(nodes * desks),
        percent(redisShare(use)),
        percent(postgresShare(use, sized)),
      ];
    }),
  );
