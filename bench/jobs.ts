/** What the load generator is told to do, and what it answers. */
export interface Target {
  readonly kind: 'relay' | 'deskwire';
  readonly url: string;
  readonly pid: number;
  readonly memoryFile: string;
}

interface TwoParty {
  /** Each has a customer's and an agent's connection, which both send. */
  readonly conversationCount: number;
  /** Sent before anything is measured. */
  readonly warmUpCount: number;
}

export type Job =
  | ({ readonly kind: 'closed-loop'; readonly inFlight: number; readonly messageCount: number } & TwoParty)
  | ({ readonly kind: 'open-loop'; readonly messagesPerSecond: number; readonly messageCount: number } & TwoParty)
  | { readonly kind: 'idle'; readonly connectionCount: number };

export interface Results {
  'closed-loop': {
    readonly cpuMicrosPerMessage: number;
    readonly messagesPerSecond: number;
    readonly loadCpuMicrosPerMessage: number;
  };
  'open-loop': { readonly p50Ms: number; readonly p99Ms: number };
  idle: { readonly rssBytes: number; readonly heapBytes: number };
}
