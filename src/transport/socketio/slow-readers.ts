import type { Limits } from '../../contract/limits.ts';
import type { Log } from '../../ports/log.ts';
import type { Metrics } from '../../ports/metrics.ts';
import { SLOW_ROOM, type DeskwireServer } from './rooms.ts';

/** How often the buffers are looked at. */
const SWEEP_MS = 250;
/** A buffer this many times over limits.slowReaderBytes is not given any more time. */
const HARD_FACTOR = 4;

interface EngineSocket {
  readonly writeBuffer?: readonly { data?: string | Buffer; options?: { wsPreEncodedFrame?: readonly Buffer[] } }[];
  readonly transport?: { readonly socket?: { readonly bufferedAmount?: number } };
}

/** Bytes that wait for one connection, in this process: not yet handed to the transport, and not yet taken by the kernel. */
export const waitingBytes = (conn: EngineSocket): number => {
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
 * Looks after readers that do not keep up: first they get no ephemeral events, then, when that has not helped in time or too much
 * waits, their connection is closed. They come back and catch up from the log.
 */
export const watchSlowReaders = ({ io, limits, log, metrics }: SlowReadersOptions): (() => void) => {
  const slowSince = new Map<string, number>();
  const sweep = setInterval(() => {
    const now = Date.now();
    for (const socket of io.of('/').sockets.values()) {
      const bytes = waitingBytes(socket.conn as unknown as EngineSocket);
      if (bytes <= limits.slowReaderBytes) {
        if (slowSince.delete(socket.id)) void socket.leave(SLOW_ROOM);
        continue;
      }
      const since = slowSince.get(socket.id);
      if (since === undefined) {
        slowSince.set(socket.id, now);
        void socket.join(SLOW_ROOM);
      }
      if (bytes > HARD_FACTOR * limits.slowReaderBytes || (since !== undefined && now - since >= limits.slowReaderMs)) {
        log.warn({ connectionId: socket.id, bytes }, 'closing a connection that does not keep up');
        metrics.slowReader();
        socket.conn.close(true);
      }
    }
    for (const id of slowSince.keys()) if (!io.of('/').sockets.has(id)) slowSince.delete(id);
  }, SWEEP_MS);
  sweep.unref();
  return () => {
    clearInterval(sweep);
  };
};
