import type { Limits } from '../../contract/limits.ts';
import type { Log } from '../../ports/log.ts';
import type { Metrics } from '../../ports/metrics.ts';
import { SLOW_ROOM, type DeskwireServer } from './rooms.ts';

/** How often the buffers are looked at. */
const SWEEP_MS = 250;
/** A buffer this many times over limits.slowReaderBytes is not given any more time. */
const HARD_FACTOR = 4;
/** When a buffer has come to be that large, it is looked at this soon: a large page to a reader that keeps up is gone by then. */
const SOON_MS = 20;

interface EngineSocket {
  /** Ours: bytes that were added since the buffer was last empty. */
  countedBytes: number;
  readonly writeBuffer?: readonly { data?: string | Buffer; options?: { wsPreEncodedFrame?: readonly Buffer[] } }[];
  readonly transport?: {
    readonly writable?: boolean;
    /** Of a WebSocket; polling has none. */
    readonly socket?: { readonly bufferedAmount?: number; terminate?(): void };
  };
  on(event: 'packetCreate', listener: (this: EngineSocket, packet: { data?: string | Buffer }) => void): void;
}

/** Bytes that wait for one connection, in this process: not yet handed to the transport, and not yet taken by the kernel. */
export const waitingBytes = (conn: Pick<EngineSocket, 'writeBuffer' | 'transport'>): number => {
  let bytes = conn.transport?.socket?.bufferedAmount ?? 0;
  for (const { data } of conn.writeBuffer ?? []) bytes += data?.length ?? 0;
  return bytes;
};

export interface SlowReadersOptions {
  readonly io: DeskwireServer;
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * Calls back when a packet has brought what waits for a connection over `bytes`. Counts along instead of adding up the
 * buffer, and costs a reader that keeps up two comparisons a packet.
 */
const whenOver = (bytes: number, callBack: () => void): ((conn: EngineSocket) => void) => {
  // One function for all connections: a closure for each would be memory for each.
  function onPacket(this: EngineSocket, { data }: { data?: string | Buffer }): void {
    const isFirst = (this.writeBuffer?.length ?? 0) === 0;
    if (isFirst && this.transport?.writable === true) {
      this.countedBytes = 0;
      return;
    }
    const waiting = (isFirst ? 0 : this.countedBytes) + (data?.length ?? 0);
    this.countedBytes = waiting;
    if (waiting + (this.transport?.socket?.bufferedAmount ?? 0) > bytes) callBack();
  }
  return (conn) => {
    conn.countedBytes = 0;
    conn.on('packetCreate', onPacket);
  };
};

/**
 * Looks after readers that do not keep up: first they get no ephemeral events, then, when that has not helped in time or too much
 * waits, their connection is closed. They come back and catch up from the log.
 */
export const watchSlowReaders = ({ io, limits, log, metrics }: SlowReadersOptions): (() => void) => {
  const hardBytes = HARD_FACTOR * limits.slowReaderBytes;
  const slowSince = new Map<string, number>();
  const close = (connectionId: string, conn: EngineSocket & { close(discard: boolean): void }, bytes: number): void => {
    log.warn({ connectionId, bytes }, 'closing a connection that does not keep up');
    metrics.slowReader();
    const { transport } = conn;
    conn.close(true);
    // A WebSocket's goodbye would stand behind all that waits, and keep it in memory until that is given up.
    transport?.socket?.terminate?.();
  };

  const look = (): void => {
    const now = Date.now();
    for (const socket of io.of('/').sockets.values()) {
      const conn = socket.conn as unknown as EngineSocket & { close(discard: boolean): void };
      const bytes = waitingBytes(conn);
      if (bytes <= limits.slowReaderBytes) {
        if (slowSince.delete(socket.id)) void socket.leave(SLOW_ROOM);
        continue;
      }
      const since = slowSince.get(socket.id);
      if (since === undefined) {
        slowSince.set(socket.id, now);
        void socket.join(SLOW_ROOM);
      }
      if (bytes > hardBytes || (since !== undefined && now - since >= limits.slowReaderMs))
        close(socket.id, conn, bytes);
    }
    for (const id of slowSince.keys()) if (!io.of('/').sockets.has(id)) slowSince.delete(id);
  };
  const sweep = setInterval(look, SWEEP_MS);
  sweep.unref();

  // Between two sweeps a fast conversation adds many times the bound.
  let soon: NodeJS.Timeout | undefined;
  const watch = whenOver(hardBytes, () => {
    soon ??= setTimeout(() => {
      soon = undefined;
      look();
    }, SOON_MS).unref();
  });
  const watchConnection = ({ conn }: { conn: unknown }): void => {
    watch(conn as EngineSocket);
  };
  io.on('connection', watchConnection);
  return () => {
    clearInterval(sweep);
    clearTimeout(soon);
    io.off('connection', watchConnection);
  };
};
