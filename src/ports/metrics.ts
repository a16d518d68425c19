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
  /** A change of assignee; the reason is one of the contract's. */
  assignment(reason: string): void;
  /** A conversation waited so long for an assignee, counted from its opening. */
  queueWait(durationMs: number): void;
  /** From opening to the first answer of a person. */
  firstResponse(durationMs: number): void;
  /** From opening to closing. */
  resolution(durationMs: number): void;
  /** Bytes of uploads that were taken. */
  uploaded(bytes: number): void;
  /** An attachment was finished: `ready`, or the code with which it was refused. */
  attachment(outcome: string, durationMs: number): void;
  /** A virus scanner gave no verdict. */
  scanFailed(): void;
  /** A connection was closed because it did not keep up. */
  slowReader(): void;
}

export const noMetrics: Metrics = {
  request: () => undefined,
  commit: () => undefined,
  delivered: () => undefined,
  feedRead: () => undefined,
  assignment: () => undefined,
  queueWait: () => undefined,
  firstResponse: () => undefined,
  resolution: () => undefined,
  uploaded: () => undefined,
  attachment: () => undefined,
  scanFailed: () => undefined,
  slowReader: () => undefined,
};
