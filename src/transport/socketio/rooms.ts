import type { Server } from 'socket.io';
import type { ClientToServerEvents, EventName, EventPayload, ServerToClientEvents } from '../../contract/contract.ts';
import type { VerifiedToken } from '../../ports/actor.ts';
import type { Rooms, Target } from '../../ports/rooms.ts';

export interface SocketData {
  /** Set by the handshake. */
  verified?: VerifiedToken;
}

export type DeskwireServer = Server<ClientToServerEvents, ServerToClientEvents, Record<string, never>, SocketData>;

/** Connections that do not keep up: they get no ephemeral events. */
export const SLOW_ROOM = 'slow-readers';

/** Rooms over Socket.IO's own, and over its adapter between nodes. */
export const createRooms = (io: DeskwireServer): Rooms => {
  const namespace = io.of('/');
  const { sockets } = namespace;

  const to = ({ rooms, except }: Target, here: boolean, extra: readonly string[] = []) => {
    const broadcast = (here ? namespace.local : namespace).to([...rooms]);
    const left = [...(except ?? []), ...extra];
    return left.length === 0 ? broadcast : broadcast.except(left);
  };

  return {
    enter: (connectionId, room) => {
      const socket = sockets.get(connectionId);
      if (socket?.connected !== true) return false;
      void socket.join(room);
      return true;
    },
    exit: (connectionId, room) => {
      void sockets.get(connectionId)?.leave(room);
    },
    emitHere: <N extends EventName>(
      target: Target,
      event: N,
      payload: EventPayload<N>,
      options?: { ephemeral: boolean },
    ) => {
      to(target, true, options?.ephemeral === true ? [SLOW_ROOM] : []).emit(event, ...([payload] as never));
    },
    emit: <N extends EventName>(
      target: Target,
      event: N,
      payload: EventPayload<N>,
      { ephemeral }: { ephemeral: boolean },
    ) => {
      to(target, false, ephemeral ? [SLOW_ROOM] : []).emit(event, ...([payload] as never));
    },
    probe: (connectionId) => {
      // The server's own heartbeat, out of turn: every client answers it.
      (sockets.get(connectionId)?.conn as unknown as { sendPacket(type: 'ping'): void } | undefined)?.sendPacket(
        'ping',
      );
    },
    endRevoked: (connectionId) => {
      const socket = sockets.get(connectionId);
      socket?.emit('session:ended', { code: 'token_revoked', reconnect: false });
      // As at a token's end: who comes back with this token is told why not by connect_error.
      socket?.conn.close();
    },
    emitTo: <N extends EventName>(connectionId: string, event: N, payload: EventPayload<N>) => {
      sockets.get(connectionId)?.emit(event, ...([payload] as never));
    },
  };
};
