import { expect } from 'vitest';
import type { Store, StoredEntry } from '../../src/ports/store.ts';
import { seqsOf } from './builders.ts';

/** The code of a rejection; what resolves gives its outcome. */
export const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: unknown) => (error as { code: string }).code);

export const kindsOf = (outcomes: readonly { kind: string }[]): string[] => outcomes.map(({ kind }) => kind).sort();

/** All entries of a conversation, which have to be without holes and doubles. @param why said when they are not */
export const wholeLog = async (store: Store, conversationId: string, why?: string): Promise<StoredEntry[]> => {
  const page = await store.entries({ conversationId, audience: 'staff', afterSeq: 0, limit: 100_000 });
  const entries = page?.entries ?? [];
  expect(seqsOf(entries), why).toEqual(entries.map((_, index) => index + 1));
  expect(page?.lastSeq, why).toBe(entries.length);
  return entries;
};

export const messagesOf = (entries: readonly StoredEntry[]): StoredEntry<'message:created'>[] =>
  entries.filter((entry): entry is StoredEntry<'message:created'> => entry.type === 'message:created');

/** After what follows from what has just resolved. */
export const nextTurn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));
