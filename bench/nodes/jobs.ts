/** What the processes of the nodes' benchmark are told to do, and what they answer. */

/** `peer`: bare Socket.IO servers that tell each other by the stock Redis adapter. */
export type Kind = 'peer' | 'deskwire';

/** What has not come after so long without anything coming is lost: of the peer, which has nothing to fetch it from, soon. */
export const SILENCE_MS: Readonly<Record<Kind, number>> = { peer: 3_000, deskwire: 20_000 };
/** The longest job, on a slow machine. */
export const JOB_TIMEOUT_MS = 300_000;

export interface NodesTarget {
  readonly kind: Kind;
  /** Of the nodes, in the order of `pids`. */
  readonly urls: readonly string[];
  readonly pids: readonly number[];
  readonly redisUrl: string;
  /** Of the database `postgres` beside the nodes' own, to look at what the server does; null: the contender stores nothing. */
  readonly postgresUrl: string | null;
}

/** Rooms in which messages are relayed, each by one sender. */
export interface RoomsShape {
  readonly roomCount: number;
  /** By member: the node that he sits on. The first one is the customer. */
  readonly memberNodes: readonly number[];
  /** Who may send; rooms take turns with them. */
  readonly senders: readonly number[];
}

export interface MessagesJob extends RoomsShape {
  readonly kind: 'messages';
  readonly inFlight: number;
  readonly warmUpCount: number;
  readonly messageCount: number;
}

/** An open loop: each message is due at its time, whatever became of those before. */
export interface PacedJob extends RoomsShape {
  readonly kind: 'paced';
  readonly messagesPerSecond: number;
  readonly warmUpSeconds: number;
  /** Measured; null: until SIGTERM. */
  readonly seconds: number | null;
}

export interface CrowdShape {
  readonly conversationCount: number;
  /** Clients that follow each: its customer, who is the first, and agents. */
  readonly membersEach: number;
  readonly messagesPerSecond: number;
  /** Traffic before the fault. */
  readonly warmUpSeconds: number;
}

/** The line of all clients is cut, and is there again after so long. */
export interface CatchUpJob extends CrowdShape {
  readonly kind: 'catch-up';
  readonly cutMs: number;
}

/** The first node, on which all clients sit, is killed. */
export interface StormJob extends CrowdShape {
  readonly kind: 'storm';
}

export interface CostsJob {
  readonly kind: 'costs';
  readonly idleSeconds: number;
  readonly connectionCount: number;
  /** Clients answer a ping every 25 s. */
  readonly heldSeconds: number;
  /** Members on one node, few and many: the difference is what each further one costs. */
  readonly fewMembers: number;
  readonly manyMembers: number;
  readonly roomCount: number;
  readonly messageCount: number;
}

export type NodesJob = MessagesJob | PacedJob | CatchUpJob | StormJob | CostsJob;

/** What was used between two readings of the meters. */
export interface Spent {
  /** CPU of each node, user and system, all threads. */
  readonly nodeCpuMicros: readonly number[];
  readonly loadCpuMicros: number;
  readonly redisCpuMicros: number;
  /** All of its processes. */
  readonly postgresCpuMicros: number;
  readonly walBytes: number;
  /** Executed by the nodes, those that begin and end a transaction included. */
  readonly statements: number;
  /** Those that wrote something. */
  readonly transactions: number;
  readonly redisInBytes: number;
  readonly redisOutBytes: number;
  /** Calls by name of the command. */
  readonly redisCommands: Readonly<Record<string, number>>;
}

export interface Sample {
  /** When it was due, in milliseconds since 1970; the same clock in all processes. */
  readonly dueAtMs: number;
  readonly lateMs: number;
  /** From when it was due. What never came has no sample. */
  readonly acknowledgedMs: number;
  /** From when it was due, too; at the other member, who sits on the other node where they are apart. */
  readonly deliveredMs: number;
}

/** Of clients that lost their connection and came back. */
export interface CaughtUp {
  readonly clientCount: number;
  /** From the fault (storm) or its end (catch-up) until all were back, and until all had everything; null: they never had. */
  readonly allBackMs: number;
  readonly allCaughtUpMs: number | null;
  /** By client, from when its connection was accepted until it had all that was acknowledged before. Only of those who got it. */
  readonly caughtUpMs: readonly number[];
  /** The same from when it dialled, with the handshake. */
  readonly dialledMs: readonly number[];
  /** By how much the event loop of the process with all clients was late until all were back, 99 of 100: it is in the times. */
  readonly clientLateP99Ms: number;
  /** Entries that clients missed while they were away, by what was acknowledged then. */
  readonly missedCount: number;
  /** Streams with every entry once and in order, to the end of the run. */
  readonly exactCount: number;
  /** Entries that never came, over all streams. */
  readonly lostCount: number;
  readonly window: { readonly faultAtMs: number; readonly healthyAtMs: number };
}

/** Microseconds of CPU on the node that does it, unless said otherwise. */
export interface Costs {
  readonly idleNodeCpuMicrosPerSecond: number;
  readonly idleNodeStatementsPerSecond: number;
  readonly idleNodeRedisCommandsPerSecond: number;
  readonly cpuMicrosPerConnection: number;
  readonly statementsPerConnection: number;
  readonly redisCommandsPerConnection: number;
  readonly cpuMicrosPerIdleConnectionSecond: number;
  readonly cpuMicrosPerJoin: number;
  readonly statementsPerJoin: number;
  readonly redisCommandsPerJoin: number;
  readonly cpuMicrosPerFurtherDelivery: number;
  /** On the wire to one member, with the frame's head, without TCP's and IP's. */
  readonly bytesPerDelivery: number;
}

export interface NodesResults {
  messages: { readonly spent: Spent; readonly messagesPerSecond: number; readonly missingCount: number };
  paced: { readonly samples: readonly Sample[]; readonly missingCount: number };
  'catch-up': CaughtUp;
  storm: CaughtUp;
  costs: Costs;
}
