import type { CompiledQuery } from 'kysely';
import type { ErrorCode } from '../../contract/errors.ts';
import { columnText } from '../column-text.ts';
import { type StateRow, currentConversation, namedConversation } from '../queries/conversations.ts';
import { AttachmentWriter } from './attachment-writer.ts';
import { sqliteQueries } from './compiler.ts';
import { type Connection, type QueryRunner, sqliteCode } from './driver.ts';
import { type Head, HeadCache, clientKey } from './heads.ts';
import {
  type AppendExtras,
  type AppendWrite,
  COLUMNS_PER_ENTRY,
  COMMITTED,
  type Column,
  CONFLICT,
  type CursorColumns,
  type CursorWrite,
  type EntryColumns,
  type Failure,
  type OpenWrite,
  type Outcome,
  WRITE,
  type Write,
} from './messages.ts';
import type { ConversationRow } from '../queries/rows.ts';
import { type Statements, prepareStatements } from './statements.ts';

const failure = (code: ErrorCode, error: unknown): Failure => ({ kind: 'failed', code, cause: sqliteCode(error) });

const column = (entries: EntryColumns, at: number): Column => entries[at] ?? null;

/** Says of a write that it is not what the tables can hold; the others of its batch have nothing to do with that. */
class RefusedWriteError extends Error {}

const blamesOneWrite = (error: unknown): boolean =>
  error instanceof RefusedWriteError || sqliteCode(error).startsWith('SQLITE_CONSTRAINT');

/** Decides and makes writes, a batch in a transaction. The only writer there is: what it knows of a log holds. */
export class BatchWriter {
  readonly #db: Connection;
  readonly #queries: QueryRunner;
  readonly #sql: Statements;
  readonly #heads: HeadCache;
  readonly #attachments: AttachmentWriter;

  constructor(db: Connection, queries: QueryRunner, cachedKeys: number) {
    this.#db = db;
    this.#queries = queries;
    this.#sql = prepareStatements(db);
    this.#heads = new HeadCache(cachedKeys);
    this.#attachments = new AttachmentWriter(db);
  }

  /** An outcome for each write, in order, once they are committed. */
  run(writes: readonly Write[]): Outcome[] {
    let committing = false;
    try {
      this.#sql.begin();
      const outcomes = writes.map((write) => this.#apply(write));
      committing = true;
      this.#sql.commit();
      return outcomes;
    } catch (error) {
      this.#rollBack();
      if (blamesOneWrite(error) && writes.length > 1) return writes.flatMap((write) => this.run([write]));
      // The pages may have reached the disk before it failed to say so: recovery after a crash could bring them back.
      const unknown = committing && sqliteCode(error) === 'SQLITE_IOERR_FSYNC';
      return writes.map(() => failure(unknown ? 'timeout' : 'unavailable', error));
    }
  }

  /** Whether a transaction can be written. */
  probe(): void {
    try {
      this.#sql.begin();
      this.#sql.touch();
      this.#sql.commit();
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  /**
   * The message that a client id made in any unnamed conversation of a customer. Asked with every message that names no
   * conversation, so it looks at the client ids in memory: each conversation is read from the log once.
   */
  findUnnamed(tenant: string, customerId: string, authorId: string, clientId: string): string | undefined {
    for (const [id] of this.#sql.unnamedOf(tenant, customerId)) {
      const head = this.#headOf(String(id));
      const seq = head && this.#keysOf(head).get(clientKey(authorId, clientId));
      if (head !== undefined && seq !== undefined) return this.#bodyOf(head.n, seq);
    }
    return undefined;
  }

  #rollBack(): void {
    // Heads moved as the batch went along; the log has what is true.
    this.#heads.clear();
    try {
      if (this.#db.inTransaction) this.#sql.rollBack();
    } catch {
      // SQLite ends a transaction by itself on most errors; what is left of this one makes the next `begin` fail.
    }
  }

  #apply(write: Write): Outcome {
    switch (write[0]) {
      case WRITE.append:
        return this.#append(write);
      case WRITE.open:
        return this.#open(write);
      case WRITE.cursor:
        return this.#moveCursor(write);
      case WRITE.agent:
        this.#sql.saveAgent(write[1], write[2], write[3]);
        return COMMITTED;
      case WRITE.revocation:
        this.#sql.saveRevocation(write[1], write[2], write[3]);
        return COMMITTED;
      case WRITE.beginAttachment:
        return this.#attachments.begin(write);
      case WRITE.changeAttachment:
        return this.#attachments.change(write);
      case WRITE.removeAttachment:
        return this.#attachments.remove(write[1], write[2]);
      case WRITE.secret:
        return this.#attachments.secret(write[1], write[2]);
    }
  }

  #append(write: AppendWrite): Outcome {
    const [, tenant, conversationId, expectedSeq, keyAuthorId, keyClientId, entries, extras] = write;
    const head = this.#headOf(conversationId);
    if (head?.tenant !== tenant) return CONFLICT;
    if (keyAuthorId !== null && keyClientId !== null) {
      const seq = this.#keysOf(head).get(clientKey(keyAuthorId, keyClientId));
      if (seq !== undefined) return this.#duplicate(head.n, seq);
    }
    if (head.lastSeq !== expectedSeq) return CONFLICT;
    if (extras !== null) {
      const activeCount = this.#beyondCapacity(tenant, extras.guard);
      if (activeCount !== undefined) return { kind: 'capacity_reached', activeCount };
      const refused = extras.attach && this.#attachments.refusedOf(tenant, conversationId, extras.attach);
      if (refused) return { kind: 'not_attachable', attachmentId: refused };
    }
    this.#insertEntries(head, entries);
    if (extras?.row) this.#updateConversation(head.n, extras.row);
    if (extras?.attach) this.#attachments.attach(extras.attach);
    if (extras?.detach) this.#attachments.detach(tenant, conversationId, extras.detach);
    for (const { seq, body } of extras?.amended ?? []) {
      if (this.#sql.amendEntry(body, head.n, seq).changes !== 1) {
        throw new RefusedWriteError(`expected an entry ${String(seq)} to amend, found none`);
      }
    }
    return COMMITTED;
  }

  #open([, row, keyAuthorId, keyClientId, entries]: OpenWrite): Outcome {
    if (row.clientConversationId !== null) {
      const [named] = this.#rows(
        namedConversation(sqliteQueries, row.tenant, row.customerId, row.clientConversationId),
      );
      if (named !== undefined) return { kind: 'exists', state: named as StateRow };
    } else {
      if (keyAuthorId !== null && keyClientId !== null) {
        const body = this.findUnnamed(row.tenant, row.customerId, keyAuthorId, keyClientId);
        if (body !== undefined) return { kind: 'duplicate', body };
      }
      const [current] = this.#rows(currentConversation(sqliteQueries, row.tenant, row.customerId));
      if (current !== undefined) return { kind: 'exists', state: current as StateRow };
    }
    const { lastInsertRowid } = this.#sql.insertConversation(
      row.id,
      row.tenant,
      row.customerId,
      row.clientConversationId,
      row.status,
      row.assigneeId,
      row.department,
      row.createdAt,
      row.facts,
    );
    const n = Number(lastInsertRowid);
    for (const tag of row.tags) this.#sql.insertTag(row.tenant, tag, n);
    const head: Head = { n, tenant: row.tenant, lastSeq: 0, keys: new Map() };
    this.#heads.add(row.id, head);
    this.#insertEntries(head, entries);
    return COMMITTED;
  }

  #moveCursor([, conversationId, userId, ...seqs]: CursorWrite): Outcome {
    const head = this.#headOf(conversationId);
    if (head === undefined) return failure('not_found', undefined);
    const [columns] = this.#sql.moveCursor(head.n, userId, ...seqs);
    return { kind: 'cursor', columns: columns as unknown as CursorColumns };
  }

  #insertEntries(head: Head, entries: EntryColumns): void {
    for (let at = 0; at < entries.length; at += COLUMNS_PER_ENTRY) {
      const seq = column(entries, at);
      const authorId = column(entries, at + 3);
      const clientId = column(entries, at + 4);
      this.#sql.insertEntry(
        head.n,
        seq,
        column(entries, at + 1),
        column(entries, at + 2),
        authorId,
        clientId,
        column(entries, at + 5),
      );
      head.lastSeq = seq as number;
      if (head.keys !== null && typeof authorId === 'string' && typeof clientId === 'string') {
        const key = clientKey(authorId, clientId);
        // The first keeps it: the answer to a repeated request never changes.
        if (!head.keys.has(key)) {
          head.keys.set(key, head.lastSeq);
          this.#heads.grew(1);
        }
      }
    }
  }

  #updateConversation(n: number, row: ConversationRow): void {
    const [before] = this.#sql.factsOf(n);
    const oldTags = new Set((JSON.parse(before?.[0] as string) as { tags: string[] }).tags.map(columnText));
    this.#sql.updateConversation(row.status, row.assigneeId, row.department, row.facts, n);
    const tags = new Set(row.tags);
    for (const tag of oldTags) if (!tags.has(tag)) this.#sql.deleteTag(row.tenant, tag, n);
    for (const tag of tags) if (!oldTags.has(tag)) this.#sql.insertTag(row.tenant, tag, n);
  }

  /** The count when it is too high. */
  #beyondCapacity(tenant: string, guard: AppendExtras['guard']): number | undefined {
    if (guard === null) return undefined;
    const activeCount = Number(this.#sql.activeCount(tenant, guard.agentId)[0]?.[0]);
    return activeCount < guard.capacity ? undefined : activeCount;
  }

  #duplicate(n: number, seq: number): Outcome {
    return { kind: 'duplicate', body: this.#bodyOf(n, seq) };
  }

  #bodyOf(n: number, seq: number): string {
    return String(this.#sql.bodyOf(n, seq)[0]?.[0]);
  }

  /** The row's texts were encoded for columns before they came here. */
  #rows({ sql, parameters }: CompiledQuery): unknown[] {
    return this.#queries.run({ sql, parameters: parameters as readonly Column[] });
  }

  #headOf(conversationId: string): Head | undefined {
    const known = this.#heads.get(conversationId);
    if (known !== undefined) return known;
    const [row] = this.#sql.headOf(conversationId);
    if (row === undefined) return undefined;
    const [n, tenant, lastSeq] = row as [number, string, number | null];
    const head: Head = { n, tenant, lastSeq: lastSeq ?? 0, keys: null };
    this.#heads.add(conversationId, head);
    return head;
  }

  #keysOf(head: Head): Map<string, number> {
    if (head.keys !== null) return head.keys;
    const keys = new Map<string, number>();
    for (const [seq, authorId, clientId] of this.#sql.keysOf(head.n) as [number, string, string][]) {
      const key = clientKey(authorId, clientId);
      if (!keys.has(key)) keys.set(key, seq);
    }
    head.keys = keys;
    this.#heads.grew(keys.size);
    return keys;
  }
}
