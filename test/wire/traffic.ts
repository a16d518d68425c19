import type { ValidateFunction } from 'ajv';
import { Decoder, PacketType, type Packet } from 'socket.io-parser';
import type { TestSocket } from '../support/client.ts';
import { BYTES, eachObject, type WireDocument } from './document.ts';

/** What a connection has said and heard, packet by packet, before any library has made sense of it. */
export type Traffic =
  | { readonly kind: 'request'; readonly name: string; readonly args: readonly unknown[]; readonly id?: number }
  | { readonly kind: 'reply'; readonly id: number; readonly args: readonly unknown[] }
  | { readonly kind: 'event'; readonly name: string; readonly args: readonly unknown[] }
  | { readonly kind: 'connect_error'; readonly data: unknown }
  | { readonly kind: 'disconnect' };

interface EnginePacket {
  readonly type: string;
  readonly data?: string | Buffer;
}

const decoded = (onPacket: (packet: Packet) => void): ((packet: EnginePacket) => void) => {
  const decoder = new Decoder();
  decoder.on('decoded', onPacket);
  return ({ type, data }) => {
    if (type === 'message') decoder.add(data);
  };
};

/** As the document has it, which is about JSON. */
const shown = (value: unknown): unknown => {
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) return BYTES;
  if (Array.isArray(value)) return value.map(shown);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shown(member)]));
};

const named = (data: unknown): { name: string; args: unknown[] } => {
  const [name, ...args] = data as [unknown, ...unknown[]];
  return { name: String(name), args: args.map(shown) };
};

/** Writes down all packets of a connection, both ways. Call it in the tick in which the client was made. */
export const record = (socket: TestSocket): Traffic[] => {
  const traffic: Traffic[] = [];
  const engine = socket.io.engine as unknown as { on(event: string, listener: (packet: EnginePacket) => void): void };
  const sent = ({ type, data, id }: Packet): void => {
    if (type !== PacketType.EVENT && type !== PacketType.BINARY_EVENT) return;
    traffic.push({ kind: 'request', ...named(data), ...(id === undefined ? {} : { id }) });
  };
  const heard = ({ type, data, id }: Packet): void => {
    switch (type) {
      case PacketType.EVENT:
      case PacketType.BINARY_EVENT:
        traffic.push({ kind: 'event', ...named(data) });
        break;
      case PacketType.ACK:
      case PacketType.BINARY_ACK:
        traffic.push({ kind: 'reply', id: id ?? -1, args: (data as unknown[]).map(shown) });
        break;
      case PacketType.CONNECT_ERROR:
        traffic.push({ kind: 'connect_error', data: (data as { data?: unknown }).data });
        break;
      case PacketType.DISCONNECT:
        traffic.push({ kind: 'disconnect' });
        break;
      default:
    }
  };
  engine.on('packetCreate', decoded(sent));
  engine.on('packet', decoded(heard));
  return traffic;
};

const why = ({ errors }: ValidateFunction): string =>
  (errors ?? [])
    .filter(({ keyword }) => keyword !== 'oneOf')
    .map(({ instancePath, message, params }) => `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`)
    .join('; ');

const isDone = (reply: unknown): boolean => (reply as { ok?: unknown } | null)?.ok === true;

/** Holds traffic against the document: what is on the wire and not in it, and what is in it and was never on the wire. */
export class TrafficCheck {
  readonly #document: WireDocument;
  /** Broken promises, in sentences. */
  readonly problems: string[] = [];
  readonly #seen = new Set<string>();
  readonly #fields = new Set<string>();

  constructor(document: WireDocument) {
    this.#document = document;
  }

  /** All that one connection has said and heard. */
  connection(traffic: readonly Traffic[]): void {
    const asked = new Map<number, { name: string; payload: unknown; replies: number }>();
    for (const item of traffic) {
      if ('args' in item) this.#fieldsIn(item.args);
      switch (item.kind) {
        case 'request':
          if (item.id !== undefined) asked.set(item.id, { name: item.name, payload: item.args[0], replies: 0 });
          break;
        case 'reply': {
          const request = asked.get(item.id);
          if (request === undefined) this.problems.push(`a reply to ${String(item.id)}, which nobody asked`);
          else {
            request.replies += 1;
            this.#reply(request.name, request.payload, item.args);
          }
          break;
        }
        case 'event':
          this.#event(item.name, item.args);
          break;
        case 'connect_error':
          this.#seen.add('connect_error');
          if (!this.#document.connectError(item.data))
            this.problems.push(`connect_error: ${why(this.#document.connectError)}`);
          break;
        case 'disconnect':
          this.problems.push('the server sent a disconnect packet, after which stock clients stay away');
          break;
      }
    }
    for (const { name, replies } of asked.values()) {
      if (replies !== 1) this.problems.push(`${name}: ${String(replies)} replies`);
    }
  }

  /** Of the document, what has never been on the wire. */
  missing(): string[] {
    const wanted = [
      ...[...this.#document.requests.keys()].flatMap((name) => [`${name}, done`, `${name}, refused`]),
      ...this.#document.events.keys(),
      'connect_error',
    ];
    return wanted.filter((what) => !this.#seen.has(what));
  }

  /** Of the fields that may be left out, those that always were. */
  missingFields(): string[] {
    return [...this.#document.optionalFields].filter((name) => !this.#fields.has(name));
  }

  #fieldsIn(args: readonly unknown[]): void {
    eachObject(args, (object) => {
      for (const name of Object.keys(object)) this.#fields.add(name);
    });
  }

  #event(name: string, args: readonly unknown[]): void {
    const check = this.#document.events.get(name);
    this.#seen.add(name);
    if (check === undefined) this.problems.push(`the event ${name} is not in the document`);
    else if (args.length !== 1) this.problems.push(`${name}: ${String(args.length)} arguments`);
    else if (!check(args[0])) this.problems.push(`${name}: ${why(check)}`);
  }

  #reply(name: string, payload: unknown, args: readonly unknown[]): void {
    const [reply] = args;
    if (args.length !== 1) this.problems.push(`${name}: a reply of ${String(args.length)} arguments`);
    const known = this.#document.requests.get(name);
    if (known === undefined) {
      const { ok, error } = reply as { ok?: unknown; error?: { code?: unknown } };
      const told = ok === false && error?.code === 'unknown_event' && this.#document.error(error);
      if (!told) this.problems.push(`the request ${name} is not in the document, and was not refused as unknown`);
      return;
    }
    this.#seen.add(`${name}, ${isDone(reply) ? 'done' : 'refused'}`);
    if (!known.reply(reply)) this.problems.push(`${name}, reply: ${why(known.reply)}`);
    // An absent payload counts as {}.
    if (!known.payload(payload ?? {}) && isDone(reply)) {
      this.problems.push(`${name} was done with a payload that the document refuses: ${why(known.payload)}`);
    }
  }
}
