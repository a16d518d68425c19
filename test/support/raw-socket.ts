import { WebSocket } from 'ws';
import { until } from './until.ts';

/** A WebSocket that speaks Engine.IO by hand, to send what a stock client never would. */
export class RawSocket {
  readonly received: string[] = [];
  closed = false;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer, isBinary) => {
      const text = isBinary ? '<binary>' : data.toString();
      if (text === '2') socket.send('3');
      else this.received.push(text);
    });
    socket.on('close', () => (this.closed = true));
    socket.on('error', () => (this.closed = true));
  }

  /** Connected and signed in. */
  static async open(url: string, token: string): Promise<RawSocket> {
    const raw = new RawSocket(new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`));
    await until('the engine to open', () => raw.received.some((text) => text.startsWith('0')));
    raw.send(`40${JSON.stringify({ token })}`);
    await until('session:ready', () => raw.received.some((text) => text.includes('session:ready')));
    return raw;
  }

  /** First arguments of the acknowledgements so far. */
  get replies(): unknown[] {
    return this.received
      .filter((text) => text.startsWith('43'))
      .map((text) => (JSON.parse(text.slice(text.indexOf('['))) as unknown[])[0]);
  }

  send(packet: string | Buffer): void {
    this.#socket.send(packet);
  }

  close(): void {
    this.#socket.terminate();
  }
}
