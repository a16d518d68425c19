import { customAlphabet } from 'nanoid';

/** In the order of their codes, so that texts of one length sort as the numbers that they say. */
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const random = customAlphabet(DIGITS, 16);

const digits = (value: number, length: number): string => {
  let text = '';
  for (let rest = value; text.length < length; rest = Math.floor(rest / DIGITS.length))
    text = `${DIGITS[rest % DIGITS.length] ?? ''}${text}`;
  return text;
};

/** Until the year 2081. */
const TIME_DIGITS = 7;
const COUNT_DIGITS = 2;
const CHANCE_DIGITS = 7;
let lastMs = 0;
let countInMs = 0;

/**
 * Ids of one process sort in the order in which they were made: of conversations that were opened in the same millisecond all nodes see
 * the same one before the other. 41 bits of chance; 18 characters, so that no room made of it is as long as a connection's id.
 */
export const newConversationId = (): string => {
  const now = Math.max(Date.now(), lastMs);
  countInMs = now === lastMs ? countInMs + 1 : 0;
  lastMs = now;
  // More than a process makes in a millisecond.
  const count = Math.min(countInMs, DIGITS.length ** COUNT_DIGITS - 1);
  return `c_${digits(now, TIME_DIGITS)}${digits(count, COUNT_DIGITS)}${random(CHANCE_DIGITS)}`;
};

/** An entry's id is its place, so that an entry is found by its id without an index. Clients take it as opaque. */
export const entryId = (conversationId: string, seq: number): string => `${conversationId}-${String(seq)}`;

/** The seq in an entry's id; undefined when the id is not one of this conversation's. */
export const seqOfEntryId = (conversationId: string, id: string): number | undefined => {
  const prefix = `${conversationId}-`;
  if (!id.startsWith(prefix)) return undefined;
  const digits = id.slice(prefix.length);
  return /^[1-9]\d{0,14}$/.test(digits) ? Number(digits) : undefined;
};

export const newOfferId = (): string => `o_${random()}`;

export const newAttachmentId = (): string => `a_${random()}`;

/** Tells the desks that share a Redis server apart. */
export const newDeskId = (): string => random(8);

/** Begins with the name of its machine, for whoever reads logs. */
export const newNodeId = (host: string): string => `${host}-${random(8)}`;

/** Client id of a message that the server itself writes. */
export const newNoticeId = (): string => `n_${random()}`;
