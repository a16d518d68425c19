/** Counts and durations. In the contract: nothing but that calling it is cheap and never throws. */
export interface Metrics {
  /** A request was answered: `outcome` is `ok` or an error code. */
  request(event: string, outcome: string, durationMs: number): void;
  /** A batch was committed. */
  commit(writeCount: number, durationMs: number): void;
  /** Entries handed to connections. */
  delivered(entryCount: number): void;
  /** A feed met a hole and read it from the store. */
  feedRead(): void;
  /** A connection was closed because it did not keep up. */
  slowReader(): void;
}

export const noMetrics: Metrics = {
  request: () => undefined,
  commit: () => undefined,
  delivered: () => undefined,
  feedRead: () => undefined,
  slowReader: () => undefined,
};
