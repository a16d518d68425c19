import jwt from 'jsonwebtoken';
import type { KeyObject } from 'node:crypto';
import { WebSocket } from 'ws';
import type { Identity } from '../client.ts';
import type { Kind } from './jobs.ts';

/** A conversation, as its followers have to see it. */
export interface Followed {
  readonly id: string;
  /** Entries that it has besides the messages, all of them before the first. */
  readonly firstSeq: number;
  /** Highest number of a message that is acknowledged; the first one is 1. */
  acknowledged: number;
  sent: number;
}

/** What followers share. */
export interface Surroundings {
  readonly kind: Kind;
  readonly key: KeyObject;
  /** Messages that go to one conversation are this far apart in their numbers. */
  readonly conversationCount: number;
  isCut: boolean;
  readonly urlOf: (follower: number, dials: number) => string;
  readonly failed: (why: string) => void;
}

const PAGE = 200;
/** socket.io-client's own: reconnectionDelay, reconnectionDelayMax, randomizationFactor. */
const BACKOFF = { firstMs: 1_000, maxMs: 5_000, spread: 0.5 };
/** Head of a frame from the server with 126 bytes or more, RFC 6455, 5.2. */
const FRAME_HEAD_BYTES = 4;
/** How a number begins in an entry of ours, and in the peer's message. */
const NUMBER_AFTER: Record<Kind, string> = { deskwire: '"seq":', peer: '"clientMessageId":"' };
const ENTRY = '42["message:created"';
const READY = '42["session:ready"';

const numberAt = (packet: Buffer, at: number): number => {
  let number = 0;
  for (let digit = packet[at] ?? 0; digit >= 0x30 && digit <= 0x39; digit = packet[(at += 1)] ?? 0)
    number = number * 10 + digit - 0x30;
  return number;
};

/**
 * A client that stays in one conversation, comes back by itself as stock clients do, and checks that its stream has every entry once
 * and in order. It speaks as little of the protocol as LightClient.
 */
export class Follower {
  readonly conversation: Followed;
  readonly #surroundings: Surroundings;
  readonly #index: number;
  readonly #token: string;
  #socket: WebSocket | undefined;
  #dials = 0;
  #attempts = 0;
  #isClosing = false;
  /** What was acknowledged when it came back, as the last it has to have. */
  #wanted = 0;
  lastSeq = 0;
  isLive = false;
  lostCount = 0;
  doubledCount = 0;
  missedCount = 0;
  dialledAt = 0;
  acceptedAt = 0;
  joinedAt = 0;
  /** undefined: it has not got all of that. */
  caughtUpAt: number | undefined;
  entryCount = 0;
  entryBytes = 0;

  constructor(index: number, identity: Identity, conversation: Followed, surroundings: Surroundings) {
    this.conversation = conversation;
    this.#index = index;
    this.#surroundings = surroundings;
    this.#token = jwt.sign(identity, surroundings.key, { algorithm: 'HS256', expiresIn: '1h' });
  }

  get endSeq(): number {
    return this.conversation.firstSeq + this.conversation.sent;
  }

  dial(): void {
    const { isCut, urlOf } = this.#surroundings;
    if (isCut) {
      this.#comeBackLater();
      return;
    }
    this.dialledAt = performance.now();
    const url = urlOf(this.#index, this.#dials);
    this.#dials += 1;
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => this.#comeBackLater());
    socket.on('message', (data) => this.#received(socket, data as Buffer));
  }

  /** The line is gone. */
  cut(): void {
    this.#socket?.terminate();
  }

  close(): void {
    this.#isClosing = true;
    this.#socket?.terminate();
  }

  #comeBackLater(): void {
    this.isLive = false;
    if (this.#isClosing) return;
    const { firstMs, maxMs, spread } = BACKOFF;
    const delayMs = firstMs * 2 ** this.#attempts * (1 + spread * (2 * Math.random() - 1));
    this.#attempts += 1;
    setTimeout(() => this.dial(), Math.min(maxMs, delayMs));
  }

  #received(socket: WebSocket, packet: Buffer): void {
    const [engineType, type] = packet.toString('latin1', 0, 2);
    if (engineType === '0') socket.send(`40${JSON.stringify({ token: this.#token })}`);
    else if (engineType === '2') socket.send('3');
    else if (type === '0') this.#accepted(socket);
    else if (type === '2') this.#event(socket, packet);
    else if (type === '3') this.#page(socket, packet);
    else if (type === '4') this.#surroundings.failed(`a handshake was refused: ${packet.toString()}`);
  }

  #accepted(socket: WebSocket): void {
    this.#attempts = 0;
    this.acceptedAt = performance.now();
    this.caughtUpAt = undefined;
    this.#wanted = this.conversation.firstSeq + this.conversation.acknowledged;
    this.missedCount += Math.max(0, this.#wanted - this.lastSeq);
    if (this.#surroundings.kind === 'peer')
      socket.send(`420${JSON.stringify(['join', { room: this.conversation.id }])}`);
  }

  #event(socket: WebSocket, packet: Buffer): void {
    const { kind, conversationCount } = this.#surroundings;
    if (packet.toString('latin1', 0, ENTRY.length) === ENTRY) {
      this.entryCount += 1;
      this.entryBytes += packet.length + FRAME_HEAD_BYTES;
      const mark = NUMBER_AFTER[kind];
      const number = numberAt(packet, packet.indexOf(mark) + mark.length);
      this.#take(kind === 'deskwire' ? number : Math.floor(number / conversationCount) + 1);
    } else if (packet.toString('latin1', 0, READY.length) === READY) this.#askForPage(socket);
  }

  #askForPage(socket: WebSocket): void {
    const payload = { conversationId: this.conversation.id, afterSeq: this.lastSeq, limit: PAGE };
    socket.send(`420${JSON.stringify(['conversation:join', payload])}`);
  }

  #page(socket: WebSocket, packet: Buffer): void {
    const [reply] = JSON.parse(packet.toString('utf8', packet.indexOf('['))) as [
      { ok: boolean; data?: { entries: { seq: number }[]; hasMore: boolean } },
    ];
    if (!reply.ok) this.#surroundings.failed(`a join was refused: ${packet.toString()}`);
    for (const { seq } of reply.data?.entries ?? []) this.#take(seq);
    if (reply.data?.hasMore === true) {
      this.#askForPage(socket);
      return;
    }
    this.isLive = true;
    this.joinedAt = performance.now();
    this.#look();
  }

  #take(seq: number): void {
    if (seq <= this.lastSeq) this.doubledCount += 1;
    else {
      this.lostCount += seq - this.lastSeq - 1;
      this.lastSeq = seq;
    }
    if (this.isLive) this.#look();
  }

  /** Entries that it never got don't count as got because later ones came. */
  #look(): void {
    if (this.caughtUpAt === undefined && this.lostCount === 0 && this.lastSeq >= this.#wanted)
      this.caughtUpAt = performance.now();
  }
}
