import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Entry } from '../../src/contract/schemas.ts';
import { PYTHON, wholeLog } from '../examples/support.ts';
import { Clients, type TestClient } from '../support/client.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { ServerProcess } from '../support/process.ts';
import { agent, customer, supervisor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { pdfOf, upload } from '../support/uploader.ts';

const run = promisify(execFile);
const clients = new Clients();
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deskwire-backup-'));
});
afterEach(() => {
  clients.closeAll();
  rmSync(folder, { recursive: true, force: true });
});

const DESKWIRE_LIMITS = JSON.stringify({ requestsPerSecond: 100_000 });

const start = async (env: Record<string, string>): Promise<{ server: ServerProcess; url: string }> => {
  const server = new ServerProcess({ DESKWIRE_LIMITS, ...env });
  onTestFinished(() => server.end('SIGKILL').then(() => undefined));
  return { server, url: await server.url() };
};

const send = (client: TestClient, conversationId: string, name: string) =>
  client.request('message:send', { conversationId, clientMessageId: name, text: name });

interface Desk {
  readonly conversationId: string;
  readonly waitingId: string;
  readonly attachmentId: string;
  /** Relative, and good for an hour. */
  readonly link: string;
  readonly file: Buffer;
  readonly before: readonly Entry[];
}

/** A conversation with a file in it that an agent has, and one that waits. */
const fill = async (url: string): Promise<Desk> => {
  const bob = await clients.connect(url, agent('bob'));
  await bob.request('agent:status', { status: 'online', capacity: 1 });
  const ann = await clients.connect(url, customer('ann'));
  const { entry } = await ann.request('message:send', { clientMessageId: 'first', text: 'Hello' });
  const { conversationId } = entry;
  const file = pdfOf(200_000, 7);
  const { id } = await upload(ann, { conversationId, name: 'terms.pdf', data: file });
  const sent = await ann.request('message:send', { conversationId, clientMessageId: 'file', attachmentIds: [id] });
  const link = sent.entry.attachments[0]?.url ?? '';
  await bob.request('conversation:update', { conversationId, tags: ['terms'] });
  const cid = await clients.connect(url, customer('cid'));
  const waiting = await cid.request('message:send', { clientMessageId: 'waiting', text: 'And me?' });
  const reader = await clients.connect(url, supervisor('reader'));
  const waitingId = waiting.entry.conversationId;
  return { conversationId, waitingId, attachmentId: id, link, file, before: await wholeLog(reader, conversationId) };
};

/** Everything that was there when the copy began is there as it was, and work goes on from it. */
const check = async (url: string, desk: Desk, original: readonly Entry[]): Promise<void> => {
  const reader = await clients.connect(url, supervisor('reader'));
  const log = await wholeLog(reader, desk.conversationId);
  expect(log.length).toBeGreaterThanOrEqual(desk.before.length);
  const withoutLinks = (entries: readonly Entry[]): string =>
    JSON.stringify(entries, (name, value: unknown) => (name === 'url' || name === 'expiresAt' ? undefined : value));
  expect(withoutLinks(log)).toBe(withoutLinks(original.slice(0, log.length)));

  const ann = await clients.connect(url, customer('ann'));
  expect(await ann.request('message:send', { clientMessageId: 'first', text: 'Hello' })).toMatchObject({
    duplicate: true,
  });
  const next = await send(ann, desk.conversationId, 'after the copy');
  expect(next.entry.seq).toBe(log.length + 1);

  const { url: fresh } = await ann.request('attachment:link', { attachmentId: desk.attachmentId });
  // A link of the time before leads to the file, too: what it is signed with is in the copy.
  for (const link of [fresh, desk.link]) {
    const answer = await fetch(new URL(link, url));
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(desk.file)).toBe(true);
  }

  const carol = await clients.connect(url, agent('carol'));
  await carol.request('agent:status', { status: 'online', capacity: 1 });
  await carol.event('conversation:assigned', ({ conversationId }) => conversationId === desk.waitingId);
};

/** Messages until it is told to end; resolves with the log that they are in. */
const keepWriting = (ann: TestClient, conversationId: string) => {
  const ending = new AbortController();
  let count = 0;
  const writing = (async () => {
    while (!ending.signal.aborted) {
      await send(ann, conversationId, `during-${String(count)}`);
      count += 1;
    }
  })();
  return {
    written: () => count,
    end: async (): Promise<readonly Entry[]> => {
      ending.abort();
      await writing;
      const reader = await clients.connect((ann.socket.io as unknown as { uri: string }).uri, supervisor('reader'));
      return wholeLog(reader, conversationId);
    },
  };
};

describe('a backup of Postgres', () => {
  const servers: TestPostgres[] = [];
  afterEach(async () => {
    for (const postgres of servers.splice(0)) await postgres.remove();
  });

  it('taken with pg_dump while messages are written, and restored on another server with a copy of the folder, goes on where it was', async () => {
    servers.push(...(await Promise.all([startPostgres({ fsync: false }), startPostgres({ fsync: false })])));
    const [old, other] = servers as [TestPostgres, TestPostgres];
    const [DATABASE_URL, newUrl] = await Promise.all([old.newDatabase(), other.newDatabase()]);
    const attachments = join(folder, 'attachments');
    const first = await start({ DATABASE_URL, ATTACHMENTS_URL: `file:${attachments}`, DATA_DIR: join(folder, 'a') });
    const desk = await fill(first.url);
    const ann = await clients.connect(first.url, customer('ann'));
    const writing = keepWriting(ann, desk.conversationId);
    await until('messages', () => writing.written() > 20);

    const dump = join(folder, 'deskwire.dump');
    // First the database, then the files: what the database names is in the folder then.
    await run('pg_dump', ['--format=custom', `--file=${dump}`, DATABASE_URL]);
    const copy = join(folder, 'copy');
    cpSync(attachments, copy, { recursive: true });
    const original = await writing.end();
    expect(original.length).toBeGreaterThan(desk.before.length + 20);
    expect(await first.server.end('SIGTERM')).toBe(0);

    await run('pg_restore', ['--no-owner', '--exit-on-error', '--single-transaction', `--dbname=${newUrl}`, dump]);
    const second = await start({
      DATABASE_URL: newUrl,
      ...{ ATTACHMENTS_URL: `file:${copy}`, DATA_DIR: join(folder, 'b') },
    });
    await check(second.url, desk, original);
    expect(await second.server.end('SIGTERM')).toBe(0);
  }, 90_000);
});

/** What `sqlite3 <from> ".backup <to>"` does. */
const BACKUP = `
import sqlite3, sys
source, target = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2])
source.backup(target)
`;

describe('a backup of SQLite', () => {
  it('taken while messages are written, with a copy of the folder, goes on where it was', async () => {
    const data = join(folder, 'a');
    const first = await start({ DATA_DIR: data });
    const desk = await fill(first.url);
    const ann = await clients.connect(first.url, customer('ann'));
    const writing = keepWriting(ann, desk.conversationId);
    await until('messages', () => writing.written() > 20);
    const copy = join(folder, 'b');
    mkdirSync(copy);
    await run(PYTHON, ['-c', BACKUP, join(data, 'deskwire.db'), join(copy, 'deskwire.db')]);
    cpSync(join(data, 'attachments'), join(copy, 'attachments'), { recursive: true });
    const original = await writing.end();
    expect(await first.server.end('SIGTERM')).toBe(0);
    const second = await start({ DATA_DIR: copy });
    await check(second.url, desk, original);
  }, 60_000);
});
