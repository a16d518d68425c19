import type { Append, CursorRecord } from '../../ports/store.ts';
import type { ConversationRow, EntryRow } from '../queries/rows.ts';

/** An append that nothing has to be looked up for but the last seq and the client ids. */
export interface PlainAppend {
  readonly kind: 'append';
  readonly tenant: string;
  readonly conversationId: string;
  readonly expectedSeq: number;
  /** Given: they go to the end of the log, if facts were last changed by this seq. */
  readonly restsOnFacts: number | undefined;
  readonly entries: readonly EntryRow[];
  /** As they leave them; null: they change none. */
  readonly facts: ConversationRow | null;
  /** Shared by those that were decided one on the other; broken: one before it was not made. */
  readonly decided: Append['chain'];
}

export interface PlainCursor {
  readonly kind: 'cursor';
  readonly conversationId: string;
  readonly userId: string;
  readonly seqs: readonly [deliveredSeq: number, readSeq: number, publicDeliveredSeq: number, publicReadSeq: number];
  readonly record: (seqs: CursorSeqs) => CursorRecord;
}

export interface CursorSeqs {
  readonly delivered_seq: number;
  readonly read_seq: number;
  readonly public_delivered_seq: number;
  readonly public_read_seq: number;
}

/** A write that has not resolved. */
export interface Pending {
  /** Grows with each write. */
  readonly order: number;
  /** Writes of one key take effect in order: a conversation, or what else has an order. */
  readonly key: string;
  /** What it is when it can be made together with others. */
  readonly plain: PlainAppend | PlainCursor | undefined;
  /** Makes it, in a transaction of its own. */
  readonly decide: () => Promise<unknown>;
  /** It was refused as one of many: why is found out by itself. */
  alone: boolean;
  readonly resolve: (outcome: unknown) => void;
  readonly reject: (error: unknown) => void;
}
