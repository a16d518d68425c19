import { parentPort, workerData } from 'node:worker_threads';
import { StoreStartError } from '../start-error.ts';
import { type OpenDatabase, openDatabase } from './database.ts';
import { QueryRunner, sqliteCode } from './driver.ts';
import type { Answer, Hello, Request, WorkerOptions } from './messages.ts';
import { BatchWriter } from './writer.ts';

/** The thread that has the database: one thing at a time, in the order in which it was asked. */
const serve = (port: NonNullable<typeof parentPort>, database: OpenDatabase, options: WorkerOptions): void => {
  const queries = new QueryRunner(database.db);
  const writer = new BatchWriter(database.db, queries, options.cachedKeys);

  const answer = (request: Request): Answer => {
    switch (request.kind) {
      case 'batch':
        return { kind: 'outcomes', outcomes: writer.run(request.writes) };
      case 'read':
        return { kind: 'rows', rows: request.queries.map((query) => queries.run(query)) };
      case 'find': {
        const body = writer.findUnnamed(request.tenant, request.customerId, request.customerId, request.clientId);
        return { kind: 'rows', rows: [body === undefined ? [] : [{ body }]] };
      }
      case 'probe':
        writer.probe();
        return { kind: 'done' };
      case 'close':
        port.off('message', onMessage);
        database.close();
        return { kind: 'done' };
    }
  };

  const onMessage = (request: Request | null): void => {
    // Answers are told apart by their order: one to something that was not asked would be taken for another's.
    if (request === null) throw new TypeError('expected a request');
    let reply: Answer;
    try {
      reply = answer(request);
    } catch (error) {
      reply = { kind: 'failed', code: 'unavailable', cause: sqliteCode(error) };
    }
    port.postMessage(reply);
  };
  port.on('message', onMessage);
};

if (parentPort !== null) {
  const options = workerData as WorkerOptions;
  let hello: Hello;
  try {
    const database = openDatabase(options.path, options.checkpointPages);
    serve(parentPort, database, options);
    hello = { kind: 'ready', ...database.migrated };
  } catch (error) {
    if (!(error instanceof StoreStartError)) throw error;
    hello = { kind: 'refused', message: error.message, versions: error.versions };
  }
  parentPort.postMessage(hello);
}
