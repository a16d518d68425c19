/** What the processes of the attachments' benchmark are told to do, and what they answer. */

/**
 * How a file gets there: in acknowledged `chunks` (Deskwire); `whole`, in one event, and `thrown-away`, in chunks that a bare server
 * acknowledges and forgets (the peer).
 */
export type Way = 'chunks' | 'whole' | 'thrown-away';

export interface AttachmentTarget {
  readonly kind: 'peer' | 'deskwire';
  readonly url: string;
  readonly pid: number;
}

export interface Chunking {
  readonly chunkBytes: number;
  /** Unanswered chunks of one upload. */
  readonly inFlight: number;
}

/** Connections that upload, all at once; each sends its files one after the other. */
export interface UploadsJob extends Chunking {
  readonly kind: 'uploads';
  readonly way: Way;
  readonly connectionCount: number;
  readonly filesEach: number;
  readonly fileBytes: number;
  /** Connections whose files are photos, which are looked at in a process of their own; the others' are documents. */
  readonly photoCount: number;
}

/** Two-party conversations, in which messages are sent at a steady rate until the process gets SIGTERM. */
export interface MessagesJob {
  readonly kind: 'messages';
  readonly conversationCount: number;
  readonly warmUpSeconds: number;
  readonly messagesPerSecond: number;
}

export interface Line {
  readonly bytesPerSecond: number;
  /** Each way. */
  readonly delayMs: number;
}

/** One upload, and small messages on the same connection, over a slow line. */
export interface LineJob extends Chunking {
  readonly kind: 'line';
  /** null: nothing is uploaded while the messages are sent. */
  readonly way: Way | null;
  readonly line: Line;
  readonly fileBytes: number;
  readonly messagesPerSecond: number;
}

/** One upload in pieces, step by step, without connections. */
export interface StepsJob extends Chunking {
  readonly kind: 'steps';
  readonly folder: string;
  readonly fileBytes: number;
  readonly fileCount: number;
}

export type AttachmentJob = UploadsJob | MessagesJob | LineJob | StepsJob;

/** Milliseconds since 1970, with parts; the same clock in all processes. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Wall time and CPU of one step, for each file. */
export interface StepTimes {
  readonly ms: number;
  readonly cpuMs: number;
}

export interface AttachmentResults {
  uploads: {
    /** From the first byte until the last file stands in a message. */
    readonly window: Window;
    readonly bytes: number;
    readonly serverCpuMicros: number;
    readonly loadCpuMicros: number;
    /** Medians of all files. */
    readonly bytesMs: number;
    readonly finishMs: number;
  };
  messages: {
    /** When each was sent, and how long its acknowledgement took. */
    readonly samples: readonly (readonly [sentAtMs: number, tookMs: number])[];
    /** How late this process was in sending, 99 of 100. */
    readonly lateP99Ms: number;
  };
  line: { readonly tookMs: readonly number[]; readonly uploadMs: number };
  steps: Readonly<Record<'append' | 'gather' | 'inspect' | 'put', StepTimes>>;
}
