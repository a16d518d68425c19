import { customAlphabet } from 'nanoid';

const random = customAlphabet('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 16);

/** 95 bits of chance; 18 characters, so that no room made of it is as long as a connection's id. */
export const newConversationId = (): string => `c_${random()}`;

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

/** Begins with the name of its machine, for whoever reads logs. */
export const newNodeId = (host: string): string => `${host}-${random().slice(0, 8)}`;

/** Client id of a message that the server itself writes. */
export const newNoticeId = (): string => `n_${random()}`;
