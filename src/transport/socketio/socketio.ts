import type { Server as HttpServer } from 'node:http';
import { Server, type Socket } from 'socket.io';
import { DeskwireError } from '../../contract/errors.ts';
import { connect, disconnect, startWork } from '../../core/connect.ts';
import { isWorker } from '../../core/agents.ts';
import type { Desk } from '../../core/desk.ts';
import type { Connection, Dispatcher } from '../../dispatch/dispatcher.ts';
import { RequestQueue } from '../../dispatch/request-queue.ts';
import type { Reply } from '../../contract/contract.ts';
import type { VerifiedToken } from '../../ports/actor.ts';
import type { Log } from '../../ports/log.ts';
import { boundedDecoder } from './bounded-decoder.ts';
import { EntryEncoder } from './entry-encoder.ts';
import { forgetHandshake, forgetUpgrades } from './forget-handshake.ts';
import type { DeskwireServer } from './rooms.ts';
import { Session } from './session.ts';
import { writeTogether } from './write-together.ts';

/** The path clients connect to. */
export const SOCKET_IO_PATH = '/socket.io';

export interface SocketServerOptions {
  readonly httpServer: HttpServer;
  readonly payloadBytes: number;
  readonly frameBytes: number;
  /** Exact origins from which browsers may connect, besides the server's own. */
  readonly allowedOrigins: readonly string[];
}

export const createSocketServer = (options: SocketServerOptions): DeskwireServer => {
  const io: DeskwireServer = new Server(options.httpServer, {
    path: SOCKET_IO_PATH,
    serveClient: true,
    maxHttpBufferSize: options.frameBytes,
    // Compression costs four times the CPU and fifteen times the memory of a connection.
    perMessageDeflate: false,
    httpCompression: false,
    cors: { origin: [...options.allowedOrigins], credentials: true },
    parser: { Encoder: EntryEncoder, Decoder: boundedDecoder(options.payloadBytes) },
  });
  writeTogether(io);
  forgetUpgrades(io);
  return io;
};

export interface ServeSocketsOptions {
  readonly io: DeskwireServer;
  readonly desk: Desk;
  readonly dispatcher: Dispatcher;
  readonly log: Log;
}

/** Signs connections in and takes their requests to the dispatcher. */
export const serveSockets = ({ io, desk, dispatcher, log }: ServeSocketsOptions): void => {
  io.use((socket, next) => {
    signIn(desk, socket.handshake.auth as unknown).then(
      (verified) => {
        const { tenant, user } = verified.actor;
        if (desk.roster.connectionsOf(tenant, user).length >= desk.limits.connectionsPerUser) {
          log.warn({ tenant, userId: user.id }, 'too many connections of one user');
          // Closed, not refused: stock clients come back by themselves after this, and not after a refusal.
          socket.conn.close();
          return;
        }
        socket.data.verified = verified;
        next();
      },
      (error: unknown) => {
        next(refusal(error, log));
      },
    );
  });
  io.on('connection', (socket) => {
    const { verified } = socket.data;
    if (verified === undefined) throw new Error('a connection that did not pass the handshake');
    try {
      serveConnection(socket, verified, { io, desk, dispatcher, log });
    } catch (error) {
      // One connection that can't be served is no reason to end the others.
      log.error({ error, connectionId: socket.id }, 'a connection could not be served');
      socket.conn.close();
    }
  });
};

/** @throws DeskwireError */
const signIn = async (desk: Desk, auth: unknown): Promise<VerifiedToken> => {
  const token: unknown = auth !== null && typeof auth === 'object' && 'token' in auth ? auth.token : undefined;
  const verified = await desk.tokens.verify(token);
  desk.revocations.check(verified.actor);
  return verified;
};

/** What `connect_error` carries: an Error whose `data` is an error object. */
const refusal = (error: unknown, log: Log): Error => {
  const known = error instanceof DeskwireError ? error : new DeskwireError('internal', undefined, { cause: error });
  if (known.cause !== undefined) log.error({ error: known.cause }, 'handshake failed');
  return Object.assign(new Error(known.message), { data: known.toObject() });
};

const serveConnection = (socket: Socket, verified: VerifiedToken, { desk, dispatcher }: ServeSocketsOptions): void => {
  const { actor } = verified;
  connect(desk, socket.id, actor);
  const session = new Session(socket, verified, desk);
  const connection: Connection = {
    id: socket.id,
    actor,
    queue: new RequestQueue(),
    renew: (renewed) => {
      session.renew(renewed);
      connection.actor = renewed.actor;
    },
    fail: (event, error) => {
      socket.emit('request:failed', { event, error });
    },
    rate: { second: 0, count: 0 },
    bulkRate: { second: 0, count: 0 },
    bulkInFlight: 0,
  };
  // A middleware that never goes on: nothing is emitted under a name that a client has chosen.
  socket.use((packet) => {
    const [event, ...args] = packet as unknown[];
    const acknowledge = typeof args.at(-1) === 'function' ? (args.pop() as (reply: Reply) => void) : undefined;
    dispatcher.receive(connection, event, args, acknowledge);
  });
  socket.on('disconnect', () => {
    session.stop();
    disconnect(desk, socket.id);
    // There is one namespace: who has left it has no use for the transport.
    socket.conn.close();
  });
  forgetHandshake(socket);
  startWork(desk, socket.id, actor);
  if (isWorker(actor)) {
    // Anything at all is a sign of life, the answer to a heartbeat above all.
    socket.conn.on('packet', () => {
      desk.leases.heard(socket.id);
    });
  }
  // Since it was let in.
  if (desk.revocations.isRevoked(actor)) desk.rooms.endRevoked(socket.id);
};
