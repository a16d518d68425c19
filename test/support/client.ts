import { io, type Socket } from 'socket.io-client';
import type {
  ClientToServerEvents,
  EventName,
  EventPayload,
  PayloadInput,
  Reply,
  ReplyData,
  RequestName,
  ServerToClientEvents,
} from '../../src/contract/contract.ts';
import { ENTRIES } from '../../src/contract/schemas.ts';
import type { Entry } from '../../src/contract/schemas.ts';
import type { ErrorObject } from '../../src/contract/errors.ts';
import { tokenFor, type Identity } from './server.ts';
import { until } from './until.ts';

export type TestSocket = Socket<ServerToClientEvents, ClientToServerEvents>;

export interface Received {
  readonly event: string;
  readonly payload: unknown;
}

/** A stock Socket.IO client that keeps all it receives. */
export class TestClient {
  readonly socket: TestSocket;
  readonly received: Received[] = [];

  constructor(url: string, auth: object, options: Record<string, unknown> = {}) {
    this.socket = io(url, { auth, forceNew: true, transports: ['websocket'], reconnection: false, ...options });
    this.socket.onAny((event: string, payload: unknown) => {
      this.received.push({ event, payload });
    });
  }

  /** Sends a request; gives the whole reply. */
  async reply<N extends RequestName>(name: N, payload?: PayloadInput<N>): Promise<Reply<ReplyData<N>>> {
    return (await this.raw(name, ...(payload === undefined ? [] : [payload]))) as Reply<ReplyData<N>>;
  }

  /** Sends a request that has to succeed; gives its data. */
  async request<N extends RequestName>(name: N, payload?: PayloadInput<N>): Promise<ReplyData<N>> {
    const reply = await this.reply(name, payload);
    if (!reply.ok) throw new Error(`${name} failed: ${JSON.stringify(reply.error)}`);
    return reply.data;
  }

  /** Sends a request that has to fail; gives its error. */
  async refused(name: string, ...args: unknown[]): Promise<ErrorObject> {
    const reply = (await this.raw(name, ...args)) as Reply;
    if (reply.ok) throw new Error(`${name} succeeded: ${JSON.stringify(reply.data)}`);
    return reply.error;
  }

  /** Sends anything. */
  raw(name: string, ...args: unknown[]): Promise<unknown> {
    return (
      this.socket.timeout(15_000) as unknown as { emitWithAck(event: string, ...a: unknown[]): Promise<unknown> }
    ).emitWithAck(name, ...args);
  }

  /** Payloads of all events of this name so far. */
  all<N extends EventName>(name: N): EventPayload<N>[] {
    return this.received.filter(({ event }) => event === name).map(({ payload }) => payload as EventPayload<N>);
  }

  /** The next, or an earlier, event of this name that fits. */
  event<N extends EventName>(
    name: N,
    fits: (payload: EventPayload<N>) => boolean = () => true,
  ): Promise<EventPayload<N>> {
    return until(`event ${name}`, () => this.all(name).find(fits));
  }

  /** Entries that came as events, in the order in which they came. */
  entries(conversationId: string): Entry[] {
    return this.received
      .filter(({ event }) => event in ENTRIES)
      .map(({ payload }) => payload as Entry)
      .filter((entry) => entry.conversationId === conversationId);
  }

  async connected(): Promise<this> {
    await until('session:ready', () => this.all('session:ready')[0]);
    return this;
  }

  close(): void {
    this.socket.disconnect();
  }
}

/** Clients that are closed together at the end of a test. */
export class Clients {
  readonly #clients: TestClient[] = [];

  open(url: string, auth: object, options?: Record<string, unknown>): TestClient {
    const client = new TestClient(url, auth, options);
    this.#clients.push(client);
    return client;
  }

  /** Signed in as `identity`. */
  connect(url: string, identity: Identity, options?: Record<string, unknown>): Promise<TestClient> {
    return this.open(url, { token: tokenFor(identity) }, options).connected();
  }

  closeAll(): void {
    for (const client of this.#clients.splice(0)) client.close();
  }
}

let serial = 0;
/** A client id that no other call gives. */
export const clientId = (): string => `id-${String((serial += 1))}`;
