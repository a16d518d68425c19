import type { EntryRow } from '../queries/rows.ts';

/**
 * Entries that go to the end of a log, wherever that is. An entry's body ends with its place: that part is made where the place
 * is known.
 */

/** In the order in which the core writes them; ids are plain, see `hasTail`. */
const tail = (conversationId: string, seq: string, at: string): string =>
  `"id":"${conversationId}-${seq}","conversationId":"${conversationId}","seq":${seq},"at":"${at}"}`;

/** The same as SQL: of a conversation's id, a seq and a time, all of them columns. */
export const TAIL = (id: string, seq: string, at: string): string =>
  `'"id":"' || ${id} || '-' || ${seq} || '","conversationId":"' || ${id} || '","seq":' || ${seq} || ',"at":"' || ${at} || '"}'`;

const PLAIN_ID = /^[\w.-]+$/;

/** Whether the body ends with its place, so that it can be put elsewhere. */
export const hasTail = ({ seq, at, body }: EntryRow, conversationId: string): boolean =>
  PLAIN_ID.test(conversationId) && body.endsWith(tail(conversationId, String(seq), at));

/** The body without its place. */
export const headOf = ({ seq, at, body }: EntryRow, conversationId: string): string =>
  body.slice(0, -tail(conversationId, String(seq), at).length);

/** The entries from another place on. */
export const entriesAt = (entries: readonly EntryRow[], conversationId: string, firstSeq: number): EntryRow[] =>
  entries.map((entry, index) => {
    const seq = firstSeq + index;
    return { ...entry, seq, body: headOf(entry, conversationId) + tail(conversationId, String(seq), entry.at) };
  });
