import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Limits } from '../contract/limits.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { Log } from '../ports/log.ts';
import type { DeskwireServer } from '../transport/socketio/rooms.ts';

export interface DrainOptions {
  readonly io: DeskwireServer;
  readonly app: FastifyInstance;
  readonly dispatcher: Dispatcher;
  readonly log: Log;
  readonly limits: Limits;
  /** From now on the server is not ready and admits nobody. */
  readonly begin: () => void;
}

/** Clients are told to come back within this, each at a time of its own, so that they do not all come at once. */
const RECONNECT_MIN_MS = 500;
const RECONNECT_SPREAD_MS = 2_000;
/** How long requests that were sent before their client was told may take to arrive: they are answered too. */
const LINGER_MS = 500;
/** How long replies may take to leave the process once everything is answered. */
const FLUSH_MS = 2_000;
/** How long peers may take to say goodbye to a WebSocket. */
const CLOSE_MS = 1_000;
const CHECK_MS = 10;
/** Connections are closed a few at a time, so that those who come back at once do not come all at once. */
const BATCH_MIN = 25;
const BATCH_PAUSE_MS = 50;
const BATCHES_MAX = 40;

const hasWaiting = (io: DeskwireServer): boolean => {
  for (const { conn } of io.of('/').sockets.values()) {
    const { writeBuffer } = conn as unknown as { writeBuffer?: readonly unknown[] };
    if ((writeBuffer?.length ?? 0) > 0) return true;
  }
  return false;
};

/** Waits for `holds`, but not longer than `timeoutMs`. */
const until = (timeoutMs: number, holds: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const deadline = Date.now() + timeoutMs;
    const check = (): void => {
      if (holds() || Date.now() > deadline) resolve();
      else setTimeout(check, CHECK_MS);
    };
    check();
  });

const within = (timeoutMs: number, work: Promise<void>): Promise<void> => {
  let over = false;
  void work.then(() => (over = true));
  return until(timeoutMs, () => over);
};

/** Closes what has not closed by itself; connections that were upgraded to WebSocket are not Node's to close any more. */
const trackConnections = (server: Server): (() => void) => {
  const open = new Set<Socket>();
  server.on('connection', (connection: Socket) => {
    open.add(connection);
    connection.once('close', () => open.delete(connection));
  });
  return () => {
    for (const connection of open) connection.destroy();
  };
};

/** In this order: nobody new, everybody told, everything under way answered, answers out, connections closed, port closed. */
export const createDrain = ({ io, app, dispatcher, log, limits, begin }: DrainOptions): (() => Promise<void>) => {
  const destroyConnections = trackConnections(app.server);
  return async () => {
    begin();
    const { sockets } = io.of('/');
    log.info({ connections: sockets.size }, 'draining');
    for (const socket of sockets.values()) {
      const reconnectAfterMs = RECONNECT_MIN_MS + Math.floor(Math.random() * RECONNECT_SPREAD_MS);
      socket.emit('server:draining', { reconnectAfterMs });
    }
    const answered = dispatcher.drain();
    await until(LINGER_MS, () => sockets.size === 0);
    await within(limits.requestTimeoutMs, answered);
    await until(FLUSH_MS, () => !hasWaiting(io));
    // A client that is cut while it changes transports may notice only at its next heartbeat.
    await until(CLOSE_MS, () =>
      [...sockets.values()].every(({ conn }) => !(conn as unknown as { upgrading: boolean }).upgrading),
    );
    // A polling client that is told of a close may take it as final (python-socketio does); a lost connection it mends.
    const closing = [...sockets.values()].filter(({ conn }) => conn.transport.name === 'websocket');
    const batchSize = Math.max(BATCH_MIN, Math.ceil(closing.length / BATCHES_MAX));
    for (let at = 0; at < closing.length; at += batchSize) {
      if (at > 0) await wait(BATCH_PAUSE_MS);
      for (const { conn } of closing.slice(at, at + batchSize)) conn.close();
    }
    await until(CLOSE_MS, () => [...sockets.values()].every(({ conn }) => conn.transport.name !== 'websocket'));
    const closed = app.close();
    destroyConnections();
    await closed;
  };
};
