import { DeskwireError } from '../../contract/errors.ts';
import { personKey } from '../../ports/actor.ts';
import { jsonText } from '../../ports/json-text.ts';
import type { AttachmentRecord, Facts, StoredEntry } from '../../ports/store.ts';
import { columnText } from '../column-text.ts';

/** What the tables keep of entries, conversations and attachments, the same in every database: texts are column texts. */

export interface EntryRow {
  readonly seq: number;
  /** 1: for staff alone. */
  readonly staff: number;
  readonly at: string;
  readonly authorId: string | null;
  /** Of messages; others have none. */
  readonly clientId: string | null;
  readonly body: string;
}

export interface ConversationRow {
  readonly tenant: string;
  readonly id: string;
  readonly customerId: string;
  readonly clientConversationId: string | null;
  readonly status: string;
  readonly assigneeId: string | null;
  readonly department: string | null;
  readonly createdAt: string;
  readonly facts: string;
  readonly factsSeq: number;
  readonly tags: readonly string[];
}

export interface AttachmentColumns {
  readonly id: string;
  readonly tenant: string;
  readonly conversationId: string;
  readonly uploaderId: string;
  readonly clientId: string;
  readonly state: string;
  readonly size: number;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly record: string;
}

export const optionalText = (text: string | null | undefined): string | null =>
  text === null || text === undefined ? null : columnText(text);

/** @throws DeskwireError `internal` when the entries don't follow `lastSeq` one by one: a hole would stay for ever. */
export const entryRows = (entries: readonly StoredEntry[], lastSeq: number): EntryRow[] =>
  entries.map((entry, index) => {
    const expected = lastSeq + 1 + index;
    if (entry.seq !== expected) {
      throw new DeskwireError('internal', undefined, {
        cause: `found an entry with seq ${String(entry.seq)}, expected ${String(expected)}`,
      });
    }
    return {
      seq: entry.seq,
      staff: entry.visibility === 'staff' ? 1 : 0,
      at: entry.at,
      authorId: entry.author === null ? null : columnText(personKey(entry.author)),
      clientId: entry.type === 'message:created' ? columnText(entry.clientMessageId) : null,
      body: jsonText(entry),
    };
  });

export const conversationRow = (facts: Facts): ConversationRow => ({
  tenant: columnText(facts.tenant),
  id: columnText(facts.id),
  customerId: columnText(facts.customer.id),
  clientConversationId: optionalText(facts.clientConversationId),
  status: facts.status,
  assigneeId: optionalText(facts.assignee?.id),
  department: optionalText(facts.department),
  createdAt: facts.createdAt,
  facts: JSON.stringify(facts),
  factsSeq: facts.factsSeq,
  tags: [...new Set(facts.tags.map(columnText))],
});

/** What counts for quotas. */
const bytesOf = ({ state, content, announced }: AttachmentRecord): number => {
  if (state === 'refused') return 0;
  return content === null ? announced.size : content.size + (content.thumbnail?.size ?? 0);
};

export const attachmentColumns = (record: AttachmentRecord): AttachmentColumns => ({
  id: columnText(record.id),
  tenant: columnText(record.tenant),
  conversationId: columnText(record.conversationId),
  uploaderId: columnText(record.uploaderId),
  clientId: columnText(record.clientAttachmentId),
  state: record.state,
  size: bytesOf(record),
  createdAt: record.createdAt,
  expiresAt: record.expiresAt,
  record: JSON.stringify(record),
});
