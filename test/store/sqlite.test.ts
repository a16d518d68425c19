import { execFile, spawn } from 'node:child_process';
import { copyFileSync, existsSync, truncateSync, writeFileSync } from 'node:fs';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import Database from 'libsql';
import { describe, expect, it } from 'vitest';
import { noMetrics } from '../../src/ports/metrics.ts';
import { migrateSqlite } from '../../src/store/sqlite/database.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { StoreStartError } from '../../src/store/start-error.ts';
import { Random, seedOf } from '../support/random.ts';
import { silentLog, temporaryStore } from '../support/store.ts';
import { until } from '../support/until.ts';
import { agentIn, agentRecord, factsOf, fill, messageEntry, opened, openOf, send, user } from './builders.ts';
import { codeOf, messagesOf, nextTurn, wholeLog } from './checks.ts';
import { keepChanging, storeCommitsSuite } from './contract-commits-suite.ts';
import { storeContractSuite } from './contract-suite.ts';
import { sqliteScene } from './sqlite-scene.ts';

storeContractSuite('SQLite', () => temporaryStore());

describe('the SQLite store', () => {
  const scene = sqliteScene();
  const { open } = scene;

  const refusal = async (given = scene.path): Promise<StoreStartError> => {
    const error = await openSqliteStore({ path: given, log: silentLog, metrics: noMetrics }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof StoreStartError)) throw new Error(`expected a StoreStartError, found ${String(error)}`);
    return error;
  };

  storeCommitsSuite(open);

  describe('its group commit', () => {
    it('[STORE-1] opens conversations with what else is written', async () => {
      const batches: number[] = [];
      const store = await open({ metrics: { ...noMetrics, commit: (writes) => batches.push(writes) } });
      await Promise.all(Array.from({ length: 40 }, () => opened(store)));
      expect(batches).toEqual([40]);
    });

    it('[STORE-1] resolves a batch in one go, so that nothing comes between', async () => {
      const store = await open();
      const facts = await opened(store);
      const turns = new Set<number>();
      let turn = 0;
      let counting = true;
      const count = (): void => {
        turn++;
        if (counting) setImmediate(count);
      };
      count();
      const writes = Array.from({ length: 50 }, (_, index) =>
        send(store, facts, index + 2).then(() => turns.add(turn)),
      );
      await Promise.all(writes);
      counting = false;
      expect(turns.size).toBe(1);
    });

    it('[STORE-2] keeps every log whole under many writers', async () => {
      const seed = seedOf(20_260_115);
      const random = new Random(seed);
      const store = await open({ cachedKeys: 40 });
      const conversations = await Promise.all(Array.from({ length: 4 }, () => opened(store)));
      const committed = new Map<string, string>();
      const writer = async (name: string): Promise<void> => {
        for (let count = 0; count < 40; count++) {
          const facts = random.pick(conversations);
          const author = user(name);
          const clientMessageId = `m${String(random.below(30))}`;
          const key = `${facts.id} ${name} ${clientMessageId}`;
          for (let done = false; !done;) {
            const seq = ((await store.heads([facts.id])).get(facts.id) ?? 0) + 1;
            const outcome = await send(store, facts, seq, { author, clientMessageId, text: `${key} ${String(count)}` });
            if (outcome.kind === 'duplicate') expect(outcome.entry.text).toBe(committed.get(key));
            if (outcome.kind === 'committed') {
              expect(committed.has(key)).toBe(false);
              committed.set(key, `${key} ${String(count)}`);
            }
            done = outcome.kind !== 'conflict';
          }
        }
      };
      await Promise.all(Array.from({ length: 12 }, (_, index) => writer(`writer-${String(index)}`)));
      const logged: (string | null)[] = [];
      for (const { id } of conversations) {
        const entries = await wholeLog(store, id, `seed ${String(seed)}`);
        logged.push(...messagesOf(entries).map(({ text }) => text));
      }
      expect(logged.sort(), `seed ${String(seed)}`).toEqual([...committed.values()].sort());
    });
  });

  describe('what it keeps', () => {
    it('[STORE-3] everything outlives closing and opening: entries, state, client ids, cursors, agents', async () => {
      const first = await open();
      const facts = await opened(first, { tags: ['vip'] });
      await fill(first, facts, 5);
      const moved = { userId: 'ann', deliveredSeq: 5, readSeq: 4, publicDeliveredSeq: 3, publicReadSeq: 2 };
      await first.moveCursor({ conversationId: facts.id, ...moved });
      await first.saveAgent(agentRecord(facts.tenant, 'bob'));
      const state = await first.conversation(facts.tenant, facts.id);
      await first.close();

      const second = await open();
      expect(await second.conversation(facts.tenant, facts.id)).toEqual(state);
      expect(await second.cursors(facts.id)).toEqual([moved]);
      expect(await agentIn(second, facts.tenant, 'bob')).toEqual(agentRecord(facts.tenant, 'bob'));
      expect(await send(second, facts, 6, { clientMessageId: 'message-3' })).toEqual({
        kind: 'duplicate',
        entry: messageEntry(facts, 3),
      });
      expect(await send(second, facts, 6)).toEqual({ kind: 'committed' });
      // The log was moved into the file: it is whole without its companions.
      await second.close();
      const copy = new Database(scene.path);
      expect(copy.prepare('SELECT count(*) AS count FROM entries').all()).toEqual([{ count: 6 }]);
      copy.close();
    });

    it('[STORE-3] finds client ids that it no longer has in memory', async () => {
      const store = await open({ cachedKeys: 8 });
      const conversations = await Promise.all(Array.from({ length: 6 }, () => opened(store)));
      for (const facts of conversations) await fill(store, facts, 6);
      for (const facts of conversations) {
        for (let seq = 2; seq <= 6; seq++) {
          const outcome = await send(store, facts, 7, { clientMessageId: `message-${String(seq)}` });
          expect(outcome).toEqual({ kind: 'duplicate', entry: messageEntry(facts, seq) });
        }
        expect(await send(store, facts, 7)).toEqual({ kind: 'committed' });
      }
    });

    it('[STORE-8] can be copied while it is written to, and the copy is one commit’s state', async () => {
      const { facts, lastSeq, stop } = await keepChanging(await open());
      await until('some writes', () => lastSeq() > 20);
      const copies = ['a', 'b', 'c'].map((name) => join(scene.folder, `copy-${name}.db`));
      for (const [index, copy] of copies.entries()) {
        if (index === 0) await promisify(execFile)('sqlite3', [scene.path, `.backup ${copy}`]);
        else await promisify(execFile)('sqlite3', ['-readonly', scene.path, `VACUUM INTO '${copy}'`]);
        const before = lastSeq();
        await until('writes that go on', () => lastSeq() > before + 5);
      }
      await stop();
      for (const copy of copies) {
        const db = new Database(copy);
        expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
        const [row] = db
          .prepare(
            'SELECT count(*) AS count, max(seq) AS last, (SELECT facts FROM conversations) AS facts FROM entries',
          )
          .all() as [{ count: number; last: number; facts: string }];
        expect(row.last).toBeGreaterThan(20);
        expect(row.count).toBe(row.last);
        expect((JSON.parse(row.facts) as { subject: string }).subject).toBe(`subject ${String(row.last)}`);
        db.close();
        const restored = await open({ path: copy });
        expect((await restored.heads([facts.id])).get(facts.id)).toBe(row.last);
      }
    });
  });

  describe('starting', () => {
    it('makes the folder and the database, and migrates once', () => {
      const deep = join(scene.folder, 'a', 'b', 'deskwire.db');
      const versions = migrateSqlite(deep);
      expect(versions.from).toBe(0);
      expect(versions.to).toBeGreaterThan(0);
      expect(migrateSqlite(deep)).toEqual({ from: versions.to, to: versions.to });
    });

    it('[STORE-9] refuses a newer schema, and says what to do', async () => {
      const { to } = migrateSqlite(scene.path);
      const db = new Database(scene.path);
      db.exec(`PRAGMA user_version = ${String(to + 1)}`);
      db.close();
      const error = await refusal();
      expect(error.versions).toEqual({ found: to + 1, known: to });
      expect(error.message).toContain(scene.path);
      expect(error.message).toMatch(/newer version/);
      expect(() => migrateSqlite(scene.path)).toThrow(StoreStartError);
    });

    it.each([
      [
        'a file that is no database',
        /not a SQLite database/,
        (at: string) => writeFileSync(at, 'words '.repeat(2_000)),
      ],
      [
        'a database with other tables',
        /not Deskwire's/,
        (at: string) => {
          const db = new Database(at);
          db.exec('CREATE TABLE theirs (a)');
          db.close();
        },
      ],
      [
        'a database that was cut off',
        /damaged/,
        (at: string) => {
          migrateSqlite(`${at}.whole`);
          copyFileSync(`${at}.whole`, at);
          truncateSync(at, 6_000);
        },
      ],
    ])('[STORE-9] refuses %s, by its name', async (_what, message, make) => {
      make(scene.path);
      const error = await refusal();
      expect(error.message).toMatch(message);
      expect(error.message).toContain(scene.path);
    });

    it('[STORE-9] refuses a folder, a path that can’t be made, and a database in memory', async () => {
      expect((await refusal(scene.folder)).message).toMatch(/is a folder/);
      writeFileSync(scene.path, '');
      expect((await refusal(join(scene.path, 'below.db'))).message).toContain(scene.path);
      expect((await refusal(':memory:')).message).toMatch(/not supported/);
      expect((await refusal('')).message).toMatch(/expected a file/);
    });

    it('[STORE-9] refuses a file that another process has, until that one is gone, even killed', async () => {
      const script = join(import.meta.dirname, 'hold-store.ts');
      const holder = spawn(process.execPath, ['--import', 'tsx', script, scene.path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const gone = new Promise((resolve) => holder.once('exit', resolve));
      let said = '';
      holder.stdout.on('data', (data: Buffer) => (said += data.toString()));
      await until('the other process to open the store', () => said.includes('open'), 20_000);
      expect((await refusal()).message).toMatch(/in use by another process/);
      expect(() => migrateSqlite(scene.path)).toThrow(/in use by another process/);
      holder.kill('SIGKILL');
      await gone;
      const store = await open();
      expect(await store.health()).toBeUndefined();
    });

    it('[STORE-9] refuses a second store on the same file in one process, and frees it when it closes', async () => {
      const store = await open();
      expect((await refusal()).message).toMatch(/in use/);
      await store.close();
      await open();
      expect(existsSync(`${scene.path}.lock-journal`)).toBe(false);
    });
  });

  describe('failing', () => {
    it('[STORE-10] rejects with `unavailable` and keeps nothing while it can’t write, says so, and recovers', async () => {
      const store = await open();
      const facts = await opened(store);
      await send(store, facts, 2);
      const intruder = new Database(scene.path);
      intruder.exec('BEGIN IMMEDIATE');
      const codes = await Promise.all([
        codeOf(send(store, facts, 3)),
        codeOf(store.open(openOf(factsOf()))),
        codeOf(store.saveAgent(agentRecord(facts.tenant, 'bob'))),
      ]);
      expect(codes).toEqual(['unavailable', 'unavailable', 'unavailable']);
      expect(await store.health()).toMatch(/can't write/);
      intruder.exec('ROLLBACK');
      intruder.close();
      expect(await store.health()).toBeUndefined();
      expect((await store.heads([facts.id])).get(facts.id)).toBe(2);
      // Heads in memory did not move with what failed.
      expect(await send(store, facts, 3)).toEqual({ kind: 'committed' });
      expect(await send(store, facts, 4, { clientMessageId: 'message-2' })).toMatchObject({ kind: 'duplicate' });
    });

    it('[STORE-10] when its thread dies, what was sent rejects with `timeout`, the rest with `unavailable`', async () => {
      const workers: Worker[] = [];
      const onWorker = (message: unknown): void => void workers.push((message as { worker: Worker }).worker);
      subscribe('worker_threads', onWorker);
      const reasons: object[] = [];
      const store = await open({ log: { ...silentLog, error: (fields) => reasons.push(fields) } });
      unsubscribe('worker_threads', onWorker);
      const facts = await opened(store);
      // No request at all: the thread fails on it, before the batch that is sent behind it in the same turn.
      setImmediate(() => workers.forEach((worker) => worker.postMessage(null)));
      const sent = codeOf(send(store, facts, 2));
      await nextTurn();
      const gathered = codeOf(send(store, facts, 3));
      const read = codeOf(store.conversation(facts.tenant, facts.id));
      expect([await sent, await gathered, await read]).toEqual(['timeout', 'unavailable', 'unavailable']);
      expect(await codeOf(send(store, facts, 2))).toBe('unavailable');
      expect(await codeOf(store.heads([facts.id]))).toBe('unavailable');
      expect(await store.health()).toMatch(/worker failed/);
      expect(reasons).toHaveLength(1);
    });
  });
});
