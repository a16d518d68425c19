/** What a process of the routing benchmark is told to do, and what it answers. */
export type RoutingJob = FloorJob | DeskJob;

interface Sizes {
  readonly agentCount: number;
  /** Conversations that wait all the while. */
  readonly waitingCount: number;
}

/** Routers without anything around them. */
export interface FloorJob extends Sizes {
  readonly kind: 'floor';
  readonly router: 'floor' | 'sorting';
  /** Of each sort: a place becomes free, a conversation is opened. */
  readonly decisionCount: number;
  readonly warmUpCount: number;
  /** The first decisions of each sort, which both routers have to take alike. */
  readonly comparedCount: number;
}

/** The whole core on a store that syncs. */
export interface DeskJob extends Sizes {
  readonly kind: 'desk';
  /** Where the store's file goes. */
  readonly folder: string;
  readonly perSecond: number;
  /** Timed at that rate, of each sort. */
  readonly timedCount: number;
  /** Taken as fast as it goes. */
  readonly decisionCount: number;
  readonly inFlight: number;
}

export interface FloorTimes {
  readonly perSecond: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

export interface DeskTimes {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface RoutingResults {
  floor: {
    /** A place becomes free: the next conversation for it. */
    readonly freed: FloorTimes;
    /** A conversation is opened: the agent for it. */
    readonly opened: FloorTimes;
    /** Of the decisions that are compared. */
    readonly digest: string;
  };
  desk: {
    readonly freed: DeskTimes;
    readonly opened: DeskTimes;
    readonly perSecond: number;
    readonly cpuMicros: number;
  };
}
