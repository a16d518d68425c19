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
/** How long replies may take to leave the process once everything is answered. */
const FLUSH_MS = 2_000;
const FLUSH_CHECK_MS = 10;

const hasWaiting = (io: DeskwireServer): boolean => {
  for (const { conn } of io.of('/').sockets.values()) {
    const { writeBuffer } = conn as unknown as { writeBuffer?: readonly unknown[] };
    if ((writeBuffer?.length ?? 0) > 0) return true;
  }
  return false;
};

const flushed = (io: DeskwireServer): Promise<void> =>
  new Promise((resolve) => {
    const deadline = Date.now() + FLUSH_MS;
    const check = (): void => {
      if (!hasWaiting(io) || Date.now() > deadline) resolve();
      else setTimeout(check, FLUSH_CHECK_MS);
    };
    check();
  });

/** In this order: nobody new, everybody told, everything under way answered, answers out, connections closed, port closed. */
export const createDrain = ({ io, app, dispatcher, log, limits, begin }: DrainOptions) => async (): Promise<void> => {
  begin();
  const { sockets } = io.of('/');
  log.info({ connections: sockets.size }, 'draining');
  for (const socket of sockets.values()) {
    const reconnectAfterMs = RECONNECT_MIN_MS + Math.floor(Math.random() * RECONNECT_SPREAD_MS);
    socket.emit('server:draining', { reconnectAfterMs });
  }
  const tooLong = new Promise<void>((resolve) => setTimeout(resolve, limits.requestTimeoutMs).unref());
  await Promise.race([dispatcher.drain(), tooLong]);
  await flushed(io);
  for (const { conn } of sockets.values()) {
    // A polling client that is told of a close may take it as final (python-socketio does); a lost connection it mends.
    if (conn.transport.name === 'websocket') conn.close();
  }
  const closed = app.close();
  app.server.closeAllConnections();
  await closed;
};
