import { DeskwireError } from '../../contract/errors.ts';
import type { ConversationRow } from '../queries/rows.ts';
import type { CursorSeqs, Pending, PlainAppend } from './pending.ts';

/** A batch: plain writes of many conversations, made by one statement. What goes into it, and what came of each. */

/** Enough to share one flush of the log, few enough that nobody waits long for it. */
const MAX_BATCH = 256;

/** Appends to one conversation that follow one another. */
export interface Chain {
  readonly tenant: string;
  readonly expectedSeq: number;
  readonly restsOnFacts: number | undefined;
  lastSeq: number;
  readonly clientIds: Set<string>;
  readonly appends: PlainAppend[];
  /** As its last change of them leaves them; null: it changes none. */
  facts: ConversationRow | null;
  /** Of its first: what does not rest on that has no business with it. */
  readonly decided: PlainAppend['decided'];
  broken: boolean;
}

export interface Batch {
  /** How many of the gathered it is about. */
  readonly size: number;
  readonly sent: readonly Pending[];
  /** Not sent: they don't follow the others of their conversation. */
  readonly left: readonly Pending[];
  readonly chains: ReadonlyMap<string, Chain>;
}

export interface BatchResult {
  readonly made: readonly (readonly [Pending, outcome: unknown])[];
  readonly failed: readonly (readonly [Pending, DeskwireError])[];
  /** Not made: what is to be said of them has to be looked up. */
  readonly left: readonly Pending[];
}

/** The length keeps two pairs from making one text. */
const pairKey = (first: string, second: string): string => `${String(first.length)}:${first}${second}`;

/** Adds it to the chain, if it follows. */
const follows = (chain: Chain, append: PlainAppend): boolean => {
  const { tenant, expectedSeq, restsOnFacts, entries, decided } = append;
  if (
    chain.broken ||
    decided?.broken === true ||
    chain.decided !== decided ||
    chain.restsOnFacts !== restsOnFacts ||
    chain.tenant !== tenant ||
    chain.lastSeq !== expectedSeq
  )
    return false;
  for (const { authorId, clientId } of entries) {
    if (authorId === null || clientId === null) continue;
    const key = pairKey(authorId, clientId);
    if (chain.clientIds.has(key)) return false;
    chain.clientIds.add(key);
  }
  chain.lastSeq = expectedSeq + entries.length;
  chain.facts = append.facts ?? chain.facts;
  return true;
};

/** Takes from the front of what is gathered. */
export const planBatch = (gathered: readonly Pending[]): Batch => {
  const sent: Pending[] = [];
  const left: Pending[] = [];
  const chains = new Map<string, Chain>();
  const moved = new Set<string>();
  let size = 0;
  for (const pending of gathered) {
    const { plain } = pending;
    if (size === MAX_BATCH || plain === undefined) break;
    if (plain.kind === 'cursor') {
      const key = pairKey(plain.conversationId, plain.userId);
      // One statement moves a cursor once: the second time waits for the next batch.
      if (moved.has(key)) break;
      moved.add(key);
      sent.push(pending);
    } else {
      let chain = chains.get(plain.conversationId);
      if (chain === undefined) {
        const { tenant, expectedSeq, restsOnFacts, decided } = plain;
        const fresh = { lastSeq: expectedSeq, clientIds: new Set<string>(), appends: [], facts: null, broken: false };
        chain = { tenant, expectedSeq, restsOnFacts, decided, ...fresh };
        chains.set(plain.conversationId, chain);
      }
      if (follows(chain, plain)) {
        chain.appends.push(plain);
        sent.push(pending);
      } else {
        chain.broken = true;
        left.push(pending);
      }
    }
    size++;
  }
  for (const [id, { appends }] of chains) if (appends.length === 0) chains.delete(id);
  return { size, sent, left, chains };
};

export interface BatchRow extends CursorSeqs {
  /** Of the chains that were appended, from 1, each with the last seq before it: in one row, as a row costs more than its text. */
  readonly places: string | null;
  /** Of a cursor that was moved, from 1. */
  readonly cursor: number | null;
}

const COMMITTED = { kind: 'committed' };

/** The last seq before each chain that was appended, by conversation. */
const takenOf = (batch: Batch, rows: readonly BatchRow[]): Map<string, number> => {
  const ids = [...batch.chains.keys()];
  return new Map(
    rows.flatMap(({ places }) =>
      (places ?? '')
        .split(',')
        .filter((place) => place !== '')
        .map((place): [string, number] => {
          const [at, lastSeq] = place.split(':').map(Number);
          return [ids[(at ?? 0) - 1] ?? '', lastSeq ?? 0];
        }),
    ),
  );
};

export const batchResult = (batch: Batch, rows: readonly BatchRow[]): BatchResult => {
  const taken = takenOf(batch, rows);
  const moved = new Map(rows.map((row) => [row.cursor, row]));
  const made: [Pending, unknown][] = [];
  const failed: [Pending, DeskwireError][] = [];
  const left: Pending[] = [];
  let cursor = 0;
  for (const pending of batch.sent) {
    const { plain } = pending;
    if (plain?.kind !== 'cursor') {
      const lastSeq = taken.get(plain?.conversationId ?? '');
      if (plain === undefined || lastSeq === undefined) {
        left.push(pending);
        continue;
      }
      made.push([pending, plain.restsOnFacts === undefined ? COMMITTED : { ...COMMITTED, firstSeq: lastSeq + 1 }]);
      taken.set(plain.conversationId, lastSeq + plain.entries.length);
    } else {
      const row = moved.get(++cursor);
      if (row === undefined) failed.push([pending, new DeskwireError('not_found')]);
      else made.push([pending, plain.record(row)]);
    }
  }
  return { made, failed, left };
};
