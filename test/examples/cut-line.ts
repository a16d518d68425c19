import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

export interface CutLineOptions {
  /** After so many bytes towards the server, counted over all connections and in ascending order, all of them are cut. */
  readonly cutAfterBytes?: readonly number[];
  /** After so many nothing reaches the server any more, until `release`. */
  readonly holdAfterBytes?: number;
}

/** A TCP line to a server that is cut in the middle of what goes over it, as often as is asked for. */
export class CutLine {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #cutAfterBytes: number[];
  readonly #held = new Set<Socket>();
  #holdAfterBytes: number;
  #bytes = 0;
  #cuts = 0;

  private constructor(url: URL, { cutAfterBytes = [], holdAfterBytes = Infinity }: CutLineOptions) {
    this.#cutAfterBytes = [...cutAfterBytes];
    this.#holdAfterBytes = holdAfterBytes;
    this.#server = createServer((near) => {
      this.#carry(near, connect({ host: url.hostname, port: Number(url.port) }));
    });
  }

  static async open(url: string, options: CutLineOptions = {}): Promise<CutLine> {
    const line = new CutLine(new URL(url), options);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  get cuts(): number {
    return this.#cuts;
  }

  /** Nothing reaches the server from now on. */
  get holds(): boolean {
    return this.#bytes >= this.#holdAfterBytes;
  }

  release(): void {
    this.#holdAfterBytes = Infinity;
    for (const socket of this.#held) socket.resume();
    this.#held.clear();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('drain', () => other.resume());
      socket.on('end', () => other.end());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    far.on('data', (data) => {
      if (!near.write(data)) far.pause();
    });
    near.on('data', (data) => {
      this.#bytes += data.length;
      // What was on its way is lost with the line.
      if (this.#isToBeCut()) return;
      if (!far.write(data)) near.pause();
      if (!this.holds) return;
      near.pause();
      this.#held.add(near);
    });
  }

  #isToBeCut(): boolean {
    const [next = Infinity] = this.#cutAfterBytes;
    if (this.#bytes < next) return false;
    this.#cutAfterBytes.shift();
    this.#cuts += 1;
    for (const socket of this.#sockets) socket.destroy();
    return true;
  }
}
