import type { DeskwireServer } from './rooms.ts';

/** What is used of Engine.IO's socket, which has no types for it: what `flush` writes, and the TCP connection below. */
interface EngineSocket {
  flush: () => void;
  /** Ours: it is in line to be flushed. */
  inLine?: boolean;
  readonly writeBuffer: readonly unknown[];
  readonly transport: {
    readonly writable: boolean;
    readonly socket?: { readonly _socket?: { cork(): void; uncork(): void } | null };
  };
}

/**
 * Lets each connection's packets leave together, once at the end of the tick: the reply to a message and the entry that its
 * sender gets too are then one system call, not two, and a busy tick is one for each connection. Packets and their order stay as
 * they are; only Engine.IO's own "write at once" is put off, by less than a turn of the event loop.
 */
export const writeTogether = (io: DeskwireServer): void => {
  let waiting: EngineSocket[] = [];
  let flushNow: ((this: EngineSocket) => void) | undefined;

  const flushAll = (): void => {
    const connections = waiting;
    waiting = [];
    for (const connection of connections) {
      connection.inLine = false;
      const tcp = connection.transport.socket?._socket;
      tcp?.cork();
      flushNow?.call(connection);
      tcp?.uncork();
    }
  };

  /** One function for all connections: a closure for each would be memory for each. */
  function flushLater(this: EngineSocket): void {
    // Engine.IO also asks when nothing waits; when the transport is busy it asks again once it is not.
    if (this.inLine === true || this.writeBuffer.length === 0 || !this.transport.writable) return;
    this.inLine = true;
    if (waiting.length === 0) setImmediate(flushAll);
    waiting.push(this);
  }

  io.engine.on('connection', (connection: EngineSocket) => {
    flushNow ??= connection.flush;
    connection.inLine = false;
    connection.flush = flushLater;
  });
};
