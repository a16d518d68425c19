import { Client } from 'pg';
import type { Entry } from '../../src/contract/schemas.ts';
import { TestClient } from '../support/client.ts';
import { supervisor, tokenFor } from '../support/server.ts';
import { changeOf, entryDigest } from './content.ts';
import type { LoggedEntry } from './history.ts';
import type { Head } from './messages.ts';

/** Entries that are read from the database at a time. */
const PAGE = 5_000;

const logged = (entry: Entry, seq: number, staff: boolean): LoggedEntry => ({
  seq,
  type: entry.type,
  staff,
  author: entry.author?.id ?? null,
  clientId: entry.type === 'message:created' ? entry.clientMessageId : null,
  digest: entryDigest(entry),
  change: changeOf(entry),
});

/** What the database has, read past the servers. */
export class DatabaseReader {
  readonly #client: Client;

  constructor(url: string) {
    this.#client = new Client({ connectionString: url });
  }

  async open(): Promise<void> {
    await this.#client.connect();
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  async heads(): Promise<Record<string, Head>> {
    const { rows } = await this.#client.query<{ id: string; last: string; last_public: string }>(
      `SELECT c.id, max(e.seq) AS last, max(e.seq) FILTER (WHERE e.staff = 0) AS last_public
       FROM entries e JOIN conversations c ON c.n = e.conversation GROUP BY c.id`,
    );
    return Object.fromEntries(
      rows.map(({ id, last, last_public }) => [id, { last: Number(last), lastPublic: Number(last_public) }]),
    );
  }

  /** Conversations that wait for an agent. */
  async queued(): Promise<string[]> {
    const { rows } = await this.#client.query<{ id: string }>(`SELECT id FROM conversations WHERE status = 'queued'`);
    return rows.map(({ id }) => id);
  }

  /** What is stored beside the log, and follows from it. */
  async state(conversationId: string): Promise<{ assignee: string | null; fence: number }> {
    const { rows } = await this.#client.query<{ assignee_id: string | null; facts: string }>(
      'SELECT assignee_id, facts FROM conversations WHERE id = $1',
      [conversationId],
    );
    const { fence, assignee } = JSON.parse(rows[0]?.facts ?? '{}') as {
      fence: number;
      assignee: { id: string } | null;
    };
    const column = rows[0]?.assignee_id ?? null;
    // Two places that say the same; a name of neither shows that they don't.
    const same = column === (assignee?.id ?? null);
    return { assignee: same ? column : `${String(column)} or ${String(assignee?.id)}`, fence };
  }

  async log(conversationId: string): Promise<LoggedEntry[]> {
    const all: LoggedEntry[] = [];
    for (;;) {
      const { rows } = await this.#client.query<{ seq: string; staff: number; body: string }>(
        `SELECT e.seq, e.staff, e.body FROM entries e JOIN conversations c ON c.n = e.conversation
         WHERE c.id = $1 AND e.seq > $2 ORDER BY e.seq LIMIT ${String(PAGE)}`,
        [conversationId, all.at(-1)?.seq ?? 0],
      );
      for (const { seq, staff, body } of rows) all.push(logged(JSON.parse(body) as Entry, Number(seq), staff === 1));
      if (rows.length < PAGE) return all;
    }
  }
}

/** What a server shows to staff, over a connection made for it. */
export const readShown = async (
  client: TestClient,
  conversationId: string,
): Promise<{ seq: number; digest: number }[]> => {
  const all: { seq: number; digest: number }[] = [];
  for (;;) {
    const page = await client.request('conversation:history', {
      conversationId,
      afterSeq: all.at(-1)?.seq ?? 0,
      limit: 200,
    });
    for (const entry of page.entries) all.push({ seq: entry.seq, digest: entryDigest(entry) });
    if (!page.hasMore) return all;
    // Only what is counted here is to be kept.
    client.received.length = 0;
  }
};

export const connectReader = async (url: string, tenant: string): Promise<TestClient> =>
  new TestClient(url, { token: tokenFor(supervisor('reader', { tenant })) }).connected();
