import jwt from 'jsonwebtoken';
import type { KeyObject } from 'node:crypto';
import { WebSocket } from 'ws';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const MESSAGE_CREATED = bytes('42["message:created"');
const SESSION_READY = bytes('42["session:ready"');
const OK = bytes('[{"ok":true');

const CONNECT = 0x30;
const EVENT = 0x32;
const ACK = 0x33;
const CONNECT_ERROR = 0x34;
const MESSAGE = 0x34;
const PING = 0x32;
const OPEN_BRACKET = 0x5b;

const startsWith = (data: Buffer, prefix: Buffer, at = 0): boolean =>
  data.length >= at + prefix.length && prefix.compare(data, at, at + prefix.length) === 0;

/** Requests of the set-up count from here, so that they are told from the numbers of a run. */
const FIRST_REQUEST_ID = 1_000_000_000;

export interface Identity {
  readonly sub: string;
  readonly role: 'customer' | 'agent';
}

export interface ClientOptions {
  readonly url: string;
  readonly key: KeyObject;
  /** Whether the server says session:ready; one that doesn't is ready once the namespace is connected. */
  readonly saysReady: boolean;
}

/**
 * A Socket.IO client that does next to nothing (protocol v5 over Engine.IO v4, https://socket.io/docs/v4/socket-io-protocol/):
 * it looks at the first bytes of each packet, counts entries and hands on acknowledgements, so that the load generator
 * leaves the machine to the server.
 */
export class LightClient {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, (reply: string) => void>();
  readonly #ready: Promise<void>;
  #nextRequestId = FIRST_REQUEST_ID;
  #closing = false;
  /** `message:created` events so far. */
  entryCount = 0;
  /** Gets the id of each acknowledged message, and whether the reply says ok. */
  onAcknowledged: (id: number, ok: boolean) => void = () => undefined;
  onEntry: () => void = () => undefined;

  constructor(identity: Identity, { url, key, saysReady }: ClientOptions) {
    const token = jwt.sign(identity, key, { algorithm: 'HS256', expiresIn: '1h' });
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    this.#ready = new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        if (!this.#closing) reject(new Error(`connection of ${identity.sub}: ${why}`));
      };
      this.#socket.on('error', (error) => fail(error.message));
      this.#socket.on('close', (code) => {
        fail(`closed with ${String(code)}`);
        if (!this.#closing) this.onClosed();
      });
      this.#socket.on('message', (data) => {
        const packet = data as Buffer;
        const [engineType, type] = packet;
        if (engineType === PING) this.#socket.send('3');
        else if (engineType !== MESSAGE) this.#socket.send(`40${JSON.stringify({ token })}`);
        else if (type === EVENT) {
          if (startsWith(packet, MESSAGE_CREATED)) {
            this.entryCount += 1;
            this.onEntry();
          } else if (startsWith(packet, SESSION_READY)) resolve();
        } else if (type === ACK) this.#acknowledged(packet);
        else if (type === CONNECT_ERROR) fail(packet.toString());
        else if (type === CONNECT && !saysReady) resolve();
      });
    });
  }

  /** Called when the connection ends and nobody here has closed it. */
  onClosed: () => void = () => undefined;

  /** Resolves once the session is signed in. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** Sends a packet's text that `messagePacket` made. */
  send(packet: string): void {
    this.#socket.send(packet);
  }

  /** Sends a request that has to succeed; gives its reply. */
  async request(event: string, payload: object): Promise<{ data?: unknown }> {
    const id = (this.#nextRequestId += 1);
    const text = await new Promise<string>((resolve) => {
      this.#pending.set(id, resolve);
      this.#socket.send(`42${String(id)}${JSON.stringify([event, payload])}`);
    });
    const [reply] = JSON.parse(text) as [{ ok: boolean; data?: unknown }];
    if (!reply.ok) throw new Error(`${event} failed: ${text}`);
    return reply;
  }

  close(): void {
    this.#closing = true;
    this.#socket.terminate();
  }

  #acknowledged(packet: Buffer): void {
    let at = 2;
    let id = 0;
    for (; at < packet.length && packet[at] !== OPEN_BRACKET; at += 1) id = id * 10 + (packet[at] ?? 0x30) - 0x30;
    if (id < FIRST_REQUEST_ID) {
      this.onAcknowledged(id, startsWith(packet, OK, at));
      return;
    }
    this.#pending.get(id)?.(packet.toString('utf8', at));
    this.#pending.delete(id);
  }
}
