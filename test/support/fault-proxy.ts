import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Which bytes are held: those to the server, or those to who connected. */
export type Way = 'toServer' | 'toClient';

/** One way of one connection: bytes in their order, at once or late. */
class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #late: { readonly bytes: Buffer; readonly dueAt: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #isStalled = false;
  delayMs = 0;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (bytes: Buffer) => {
      if (this.delayMs === 0 && this.#late.length === 0) this.#write(bytes);
      else this.#hold(bytes);
    });
    from.once('end', () => {
      this.#ended = true;
      if (this.#late.length === 0) to.end();
    });
    to.on('drain', () => {
      if (!this.#isStalled) from.resume();
    });
  }

  set stalled(stalled: boolean) {
    this.#isStalled = stalled;
    if (stalled) this.#from.pause();
    else this.#from.resume();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #write(bytes: Buffer): void {
    if (this.#to.destroyed) return;
    if (!this.#to.write(bytes)) this.#from.pause();
  }

  #hold(bytes: Buffer): void {
    // What comes later is never due earlier: a stream keeps its order.
    const dueAt = Math.max(performance.now() + this.delayMs, this.#late.at(-1)?.dueAt ?? 0);
    this.#late.push({ bytes, dueAt });
    this.#timer ??= setTimeout(() => this.#release(), dueAt - performance.now());
  }

  #release(): void {
    this.#timer = undefined;
    const now = performance.now();
    while (this.#late[0] !== undefined && this.#late[0].dueAt <= now) this.#write(this.#late.shift()!.bytes);
    const [next] = this.#late;
    if (next !== undefined) this.#timer = setTimeout(() => this.#release(), next.dueAt - now);
    else if (this.#ended) this.#to.end();
  }
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly lanes: Readonly<Record<Way, Lane>>;
}

/** A TCP line before one port of this machine, which can be cut, closed, slowed down and held up. */
export class FaultProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #targetPort: number;
  #isRefusing = false;
  #delayMs = 0;
  #stalled: Way | undefined;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.#targetPort = targetPort;
    server.on('connection', (client: Socket) => this.#connected(client));
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const proxy = new FaultProxy(server, targetPort);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resets all connections; new ones are taken. */
  cut(): void {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Resets whoever connects from now on. */
  set refusing(refusing: boolean) {
    this.#isRefusing = refusing;
  }

  /** Every byte comes this much later, each way. */
  set delayMs(delayMs: number) {
    this.#delayMs = delayMs;
    for (const { lanes } of this.#links) lanes.toServer.delayMs = lanes.toClient.delayMs = delayMs;
  }

  /** Bytes of one way wait, of connections that are there and of new ones; nothing is closed. */
  set stalled(stalled: Way | undefined) {
    this.#stalled = stalled;
    for (const { lanes } of this.#links) {
      lanes.toServer.stalled = stalled === 'toServer';
      lanes.toClient.stalled = stalled === 'toClient';
    }
  }

  heal(): void {
    this.refusing = false;
    this.delayMs = 0;
    this.stalled = undefined;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #connected(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.#targetPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    server.on('error', () => undefined);
    const link = { client, server, lanes: { toServer: new Lane(client, server), toClient: new Lane(server, client) } };
    this.#links.add(link);
    for (const [way, lane] of Object.entries(link.lanes)) {
      lane.delayMs = this.#delayMs;
      if (this.#stalled === way) lane.stalled = true;
    }
    const gone = (): void => {
      if (!this.#links.delete(link)) return;
      for (const lane of Object.values(link.lanes)) lane.stop();
      // A side that went without a word is not said goodbye to by the other either.
      for (const socket of [client, server]) if (!socket.destroyed) socket.resetAndDestroy();
    };
    const closed = (): void => {
      // Both have said all: what was written last is still on its way, and is not to be reset.
      if (client.readableEnded && server.readableEnded && client.writableFinished && server.writableFinished)
        this.#links.delete(link);
      else gone();
    };
    for (const socket of [client, server]) {
      socket.once('close', (hadError) => {
        if (hadError || !socket.readableEnded || !socket.writableFinished) gone();
        else if (client.destroyed && server.destroyed) closed();
      });
    }
  }
}
