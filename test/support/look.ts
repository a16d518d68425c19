/** What a server, or several nodes, keep of attachments: asked of the store and of the storage themselves. */
import { join } from 'node:path';
import { Client } from 'pg';
import { filesIn, filesUnder, rowsOf, usageOf, type KeptRow } from './uploader.ts';

export interface Look {
  /** What the store has of a conversation's attachments, by their ids. */
  rows(conversationId: string): Promise<KeptRow[]>;
  /** Bytes that count for a tenant's quota. */
  usage(tenant: string): Promise<number>;
  /** Files of attachments as `attachments/…`, and those that are made in between as `temp/…`. */
  files(): Promise<string[]>;
}

/** Into the data folder of a server that has SQLite inside. */
export const lookInto = (dataDir: string): Look => ({
  rows: (conversationId) => Promise.resolve(rowsOf(dataDir, conversationId)),
  usage: (tenant) => Promise.resolve(usageOf(dataDir, tenant)),
  files: () => Promise.resolve(filesIn(dataDir)),
});

export interface SharedPlaces {
  /** Of a Postgres database. */
  readonly databaseUrl: string;
  /** The folder of attachments. */
  readonly storage: string;
  /** Data folders, in which each node makes what it shares with nobody. */
  readonly dataDirs: () => readonly string[];
}

/** Into what nodes share, and into what each has for itself. */
export const lookIntoShared = ({ databaseUrl, storage, dataDirs }: SharedPlaces): Look => {
  const query = async <R extends object>(sql: string, value: string): Promise<R[]> => {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      return (await client.query<R>(sql, [value])).rows;
    } finally {
      await client.end();
    }
  };
  return {
    // As numbers: 64 bits come as text otherwise.
    rows: (conversationId) =>
      query<KeptRow>(
        `SELECT id, state, size::int, message_seq::int FROM attachments
         WHERE conversation_id = $1 ORDER BY id`,
        conversationId,
      ),
    usage: async (tenant) =>
      (await query<{ bytes: number }>('SELECT bytes::int FROM attachment_usage WHERE tenant = $1', tenant))[0]?.bytes ??
      0,
    files: () =>
      Promise.resolve(
        [
          ...filesUnder(storage).map((path) => join('attachments', path)),
          ...dataDirs().flatMap((dataDir) => filesUnder(join(dataDir, 'temp')).map((path) => join('temp', path))),
        ].sort(),
      ),
  };
};
