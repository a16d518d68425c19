/** What people do, and what they do it on. */
export interface Workload {
  readonly connections: number;
  readonly messagesPerConnectionHour: number;
  readonly idleShare: number;
  readonly membersPerConversation: number;
  readonly conversationsPerAgent: number;
  readonly conversationMinutes: number;
  readonly sessionMinutes: number;
  readonly receiptsPerMessage: number;
  readonly typingsPerMessage: number;
}

export interface Machines {
  readonly cores: number;
  readonly postgresCores: number;
  readonly target: number;
  readonly afterLoss: number;
  readonly nodeMemoryGib: number;
  readonly connectionsPerNode: number;
}

export type Setting = keyof Workload | keyof Machines;

interface Described {
  readonly byDefault: number;
  readonly min: number;
  readonly max: number;
  readonly why: string;
}

const MANY = 1e9;

/** Each can be given to `npm run capacity` by its name, with hyphens. */
export const SETTINGS: Readonly<Record<Setting, Described>> = {
  connections: { byDefault: 100_000, min: 1, max: MANY, why: 'open connections, of customers and agents together' },
  messagesPerConnectionHour: {
    byDefault: 20,
    min: 0,
    max: MANY,
    why: 'messages of everybody, divided by all connections: with the shares below two a minute in a conversation',
  },
  idleShare: {
    byDefault: 0.8,
    min: 0,
    max: 1,
    why: 'connections of customers who are in no conversation: a widget on a page that is read',
  },
  membersPerConversation: {
    byDefault: 2,
    min: 1,
    max: 1_000,
    why: 'connections that have joined it: a customer and an agent',
  },
  conversationsPerAgent: { byDefault: 5, min: 1, max: 1_000, why: 'that an agent has joined at the same time' },
  conversationMinutes: {
    byDefault: 15,
    min: 0.1,
    max: MANY,
    why: 'from opening to close; each is opened, claimed and closed once',
  },
  sessionMinutes: {
    byDefault: 10,
    min: 0.1,
    max: MANY,
    why: 'until a connection ends and another one comes: the next page, a change of network',
  },
  receiptsPerMessage: { byDefault: 1, min: 0, max: 1_000, why: 'message:read, of the other member' },
  typingsPerMessage: { byDefault: 1, min: 0, max: 1_000, why: 'typing:start and typing:stop before each message' },
  cores: {
    byDefault: 8,
    min: 1,
    max: 1_024,
    why: "of a machine for nodes; a node's work is done by one thread, so it runs a node for each",
  },
  postgresCores: { byDefault: 16, min: 1, max: 1_024, why: 'of the machine that Postgres has for itself' },
  target: {
    byDefault: 0.6,
    min: 0.01,
    max: 1,
    why: 'use that is planned for, of each core: what is left is for peaks',
  },
  afterLoss: { byDefault: 0.9, min: 0.01, max: 1, why: 'use that is borne by the others when one node is lost' },
  nodeMemoryGib: {
    byDefault: 2,
    min: 0.1,
    max: 1_024,
    why: 'of a node, RSS; Node itself allows 2 to 4 unless told otherwise',
  },
  connectionsPerNode: {
    byDefault: 10_000,
    min: 1,
    max: MANY,
    why: 'at most; 4 000 are the most that were tried, and so many come back when a node is lost',
  },
};

export const SETTING_NAMES = Object.keys(SETTINGS) as Setting[];

const withDefaults = (given: Partial<Record<Setting, number>>): Record<Setting, number> =>
  Object.fromEntries(SETTING_NAMES.map((name) => [name, given[name] ?? SETTINGS[name].byDefault])) as Record<
    Setting,
    number
  >;

/** @throws Error that names a value out of its bounds */
export const planOf = (given: Partial<Record<Setting, number>> = {}): Workload & Machines => {
  const plan = withDefaults(given);
  for (const name of SETTING_NAMES) {
    const { min, max } = SETTINGS[name];
    if (plan[name] >= min && plan[name] <= max) continue;
    throw new Error(
      `${optionOf(name)}: expected a number from ${String(min)} to ${String(max)}, found ${String(plan[name])}`,
    );
  }
  return plan;
};

/** `messagesPerConnectionHour` → `messages-per-connection-hour` */
export const optionOf = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
