import type { Chunking, Line } from './jobs.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What is measured, and how much of it. */
export interface Plan {
  readonly fileBytes: number;
  /** As clients are told to do it. */
  readonly chunking: Chunking;
  /** Uploads at once, for memory and for small messages beside them. */
  readonly crowd: { readonly uploadCount: number; readonly photoCount: number };
  readonly messages: {
    readonly conversationCount: number;
    readonly messagesPerSecond: number;
    readonly warmUpSeconds: number;
    /** How long nothing is uploaded, each time. */
    readonly quietMs: number;
  };
  /** Each size of chunk with each number in flight. */
  readonly chunkings: { readonly sizes: readonly number[]; readonly inFlight: readonly number[] };
  readonly line: Line & { readonly fileBytes: number; readonly messagesPerSecond: number };
  readonly fewUploads: { readonly counts: readonly number[]; readonly filesEach: number };
  /** Sent each way before few uploads are measured. */
  readonly warmUpFileCount: number;
  readonly stepFileCount: number;
}

export const FULL: Plan = {
  fileBytes: 20 * MIB,
  chunking: { chunkBytes: 64 * KIB, inFlight: 2 },
  crowd: { uploadCount: 50, photoCount: 5 },
  messages: {
    conversationCount: 20,
    messagesPerSecond: 200,
    warmUpSeconds: 3,
    quietMs: 10_000,
  },
  chunkings: { sizes: [16 * KIB, 64 * KIB, 256 * KIB, MIB], inFlight: [1, 2, 4] },
  line: { bytesPerSecond: 2_000_000, delayMs: 20, fileBytes: 8 * MIB, messagesPerSecond: 50 },
  fewUploads: { counts: [1, 8], filesEach: 4 },
  warmUpFileCount: 20,
  stepFileCount: 10,
};

export const SMOKE: Plan = {
  fileBytes: MIB,
  chunking: FULL.chunking,
  crowd: { uploadCount: 6, photoCount: 1 },
  messages: {
    conversationCount: 4,
    messagesPerSecond: 100,
    warmUpSeconds: 0.2,
    quietMs: 300,
  },
  chunkings: { sizes: [256 * KIB], inFlight: [2] },
  line: { bytesPerSecond: 4_000_000, delayMs: 5, fileBytes: MIB, messagesPerSecond: 200 },
  fewUploads: { counts: [2], filesEach: 1 },
  warmUpFileCount: 0,
  stepFileCount: 2,
};
