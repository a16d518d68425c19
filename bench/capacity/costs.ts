import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** What the calculation stands on: every cost with its unit, and what it covers. CPU is user and system time of all threads of a process. */
export const COSTS = {
  nodeCpuMicrosPerMessage: [
    'µs',
    "a message at its sender's node: checked, committed, answered, published, and the sender's own event",
  ],
  nodeCpuMicrosPerMessageHeard: [
    'µs',
    'the same at another node with a member: the note of it, and the event to the first member',
  ],
  nodeCpuMicrosPerDelivery: ['µs', 'the event to each further member on a node'],
  nodeCpuMicrosPerTyping: ['µs', 'typing:start and typing:stop, on both nodes together'],
  nodeCpuMicrosPerReceipt: ['µs', 'message:read, on both nodes together'],
  nodeCpuMicrosPerHandshake: ['µs', 'a connection that comes, up to session:ready, and goes'],
  nodeCpuMicrosPerJoin: [
    'µs',
    "conversation:join that begins a feed, on the joining node and the other member's together",
  ],
  nodeCpuMicrosPerCustomerSecond: ['µs', "a customer's connection that says nothing, for a second"],
  nodeCpuMicrosPerAgentSecond: ['µs', 'the same of an agent, who is asked for signs of life'],
  nodeCpuMicrosPerConversation: ['µs', 'opening, claiming and closing, at the node that is asked'],
  nodeCpuMicrosPerFactFollowed: [
    'µs',
    'an opening, claim or close of another node, at each node that has nobody in the conversation',
  ],
  nodeCpuMicrosPerBeat: ['µs', 'a beat that brings nothing new'],
  nodeCpuMicrosPerHeadCompared: ['µs', "a feed's head, compared with the store"],
  nodeBaseMib: ['MiB', 'a node that has just started, RSS'],
  nodeKibPerConnection: ['KiB', 'an idle connection, RSS'],
  nodeKibPerFeed: ['KiB', 'a conversation that a connection has joined, RSS'],
  nodeKibPerOpenConversation: ['KiB', 'a conversation that is not closed, at each node, wherever its members are, RSS'],
  wireBytesPerDelivery: [
    'bytes',
    "a message's event of 200 bytes of text to one member, with the WebSocket frame's head",
  ],
  wireBytesPerIdleSecond: ['bytes', 'ping and pong of one connection'],
  redisCpuMicrosPerPublish: ['µs', 'SPUBLISH of 700 bytes, that nobody gets'],
  redisCpuMicrosPerDelivery: ['µs', 'each subscribed connection that gets it'],
  redisCpuMicrosPerSubscription: ['µs', 'SSUBSCRIBE and SUNSUBSCRIBE of one channel'],
  redisBytesPerPublish: ['bytes', "an entry's note on its way in"],
  redisBytesPerDelivery: ['bytes', 'the same on its way out, to each node'],
  redisBytesPerSubscription: ['bytes', 'memory of one channel with one subscriber'],
  redisChannelsPerConnection: ['', 'channels that a connection holds, unless others of its user do'],
  redisChannelsPerFeed: ['', 'channels that a node holds for a conversation with members there'],
  redisPublishesPerTyping: ['', 'notes about typing:start and typing:stop'],
  redisPublishesPerReceipt: ['', 'events of message:read to other nodes'],
  redisPublishesPerJoin: ['', 'notes about a join, and answers of the other node'],
  redisPublishesPerConversation: ['', 'notes about opening, claiming and closing, without nudges'],
  postgresCpuMicrosPerBatch: ['µs', 'a commit of messages, whatever is in it'],
  postgresCpuMicrosPerMessage: ['µs', 'each message in it'],
  postgresCpuMicrosPerTyping: ['µs', 'typing:start and typing:stop'],
  postgresCpuMicrosPerReceipt: ['µs', 'message:read'],
  postgresCpuMicrosPerHandshake: ['µs', 'a connection that comes and goes'],
  postgresCpuMicrosPerJoin: ['µs', 'conversation:join'],
  postgresCpuMicrosPerConversation: ['µs', 'opening, claiming and closing'],
  postgresCpuMicrosPerBeat: ['µs', 'a beat that finds nothing new'],
  postgresCpuMicrosPerFactRead: ['µs', 'an opening, claim or close that a beat finds, for each node'],
  postgresCpuMicrosPerHeadCompared: ['µs', 'a head that is looked up'],
  postgresWalBytesPerMessage: ['bytes', 'write-ahead log of a message that is committed alone'],
  postgresWalBytesPerConversation: ['bytes', 'the same of opening, claiming and closing'],
  postgresWalBytesPerBeat: ['bytes', 'the same of a beat'],
  postgresTableBytesPerMessage: ['bytes', 'tables and indexes of a message of 200 bytes'],
  postgresStatementsPerTyping: ['', 'statements of typing:start and typing:stop'],
  postgresStatementsPerReceipt: ['', 'statements of message:read'],
  postgresStatementsPerHandshake: ['', 'statements of a connection that comes and goes'],
  postgresStatementsPerJoin: ['', 'statements of conversation:join'],
  postgresStatementsPerConversation: ['', 'statements of opening, claiming and closing'],
  batchMs: ['ms', 'a commit of messages, as its node sees it'],
  beatMs: ['ms', 'a beat, as its node sees it'],
} as const satisfies Readonly<Record<string, readonly [unit: string, what: string]>>;

export type CostName = keyof typeof COSTS;
export const COST_NAMES = Object.keys(COSTS) as CostName[];

/** Values in the units above. */
export type Costs = Readonly<Record<CostName, number>>;

const COST = z.strictObject({
  value: z.number().nonnegative(),
  unit: z.string(),
  /** False: nobody has measured it; the value is a guess and must not be printed. */
  measured: z.boolean(),
  /** How it was measured. */
  how: z.string().min(1),
});

const FILE = z.strictObject({
  machine: z.string().min(1),
  node: z.string().min(1),
  postgres: z.string().min(1),
  redis: z.string().min(1),
  /** ISO 8601. */
  date: z.iso.date(),
  /** Values are medians of so many. */
  rounds: z.int().positive(),
  costs: z.strictObject(Object.fromEntries(COST_NAMES.map((name) => [name, COST])) as Record<CostName, typeof COST>),
});

export type CostsFile = z.infer<typeof FILE>;

/** @throws Error that names what is missing, too much, or in another unit */
export const readCosts = (text: string): CostsFile => {
  const file = FILE.safeParse(JSON.parse(text));
  if (!file.success) throw new Error(`costs.json is not as expected:\n${z.prettifyError(file.error)}`);
  for (const name of COST_NAMES) {
    const { unit } = file.data.costs[name];
    const [expected] = COSTS[name];
    if (unit !== expected) throw new Error(`costs.json: expected ${name} in "${expected}", found "${unit}"`);
  }
  return file.data;
};

export const COSTS_PATH = new URL('costs.json', import.meta.url);

export const loadCosts = (): CostsFile => readCosts(readFileSync(COSTS_PATH, 'utf8'));

/** Those that nobody has measured. */
export const unmeasured = ({ costs }: CostsFile): CostName[] => COST_NAMES.filter((name) => !costs[name].measured);

export const valuesOf = ({ costs }: CostsFile): Costs =>
  Object.fromEntries(COST_NAMES.map((name) => [name, costs[name].value])) as Costs;
