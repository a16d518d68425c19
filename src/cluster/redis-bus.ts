import type { Bus, Note } from '../ports/bus.ts';
import { systemClock, type Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { RedisConnections, Subscription } from './connections.ts';
import type { Revocation } from '../ports/store.ts';
import { noteText, readNote, readRevocation } from './note-text.ts';
import { Signal } from './signal.ts';

export interface RedisBusOptions {
  readonly connections: RedisConnections;
  /** Of this node; no other has it, and it has no line end in it. */
  readonly nodeId: string;
  readonly log: Log;
  /** What the bus's channels begin with. @default the connections' own */
  readonly prefix?: string;
  /** @default systemClock */
  readonly clock?: Clock;
}

/** Between two nudges: each makes all other nodes ask the store. */
const NUDGE_PAUSE_MS = 5;

/** Between two that tell of a loss: each makes all other nodes ask about whatever this one has told them. */
const LOSS_PAUSE_MS = 1_000;

/** Makes a nudge one that asks for nothing. */
const GREETING = 'greeting';

/** Makes a nudge one that tells of a loss. */
const LOSS = 'loss';

/** Makes a nudge one that brings a revocation. */
const REVOCATION = 'revocation';

/** What can't be read is logged once in so long. */
const GARBLED_EVERY_MS = 1000;

type NoteListener = (note: Note, nodeId: string) => void;

interface Topic {
  readonly listeners: Set<NoteListener>;
  readonly subscription: Subscription;
}

/** The bus over Redis: a sharded channel for each conversation that has members here, and one that all nodes hear. */
export class RedisBus implements Bus {
  readonly #connections: RedisConnections;
  readonly #nodeId: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #conversationPrefix: string;
  readonly #nudgeChannel: string;
  readonly #topics = new Map<string, Topic>();
  readonly #nudged: (() => void)[] = [];
  readonly #greeted: ((nodeId: string) => void)[] = [];
  readonly #lost: ((nodeId: string) => void)[] = [];
  readonly #revoked: ((revocation: Revocation) => void)[] = [];
  readonly #nudgeSubscription: Subscription;
  readonly #nudge: Signal;
  readonly #loss: Signal;
  #garbledLoggedMs = -Infinity;
  #closed = false;

  constructor(options: RedisBusOptions) {
    this.#connections = options.connections;
    this.#nodeId = options.nodeId;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    const prefix = options.prefix ?? options.connections.prefix;
    this.#conversationPrefix = `${prefix}:c:`;
    this.#nudgeChannel = `${prefix}:nudge`;
    this.#nudgeSubscription = this.#connections.subscribe(this.#nudgeChannel, (message) => {
      const [nodeId = '', kind, text = ''] = message.toString().split('\n');
      if (nodeId === this.#nodeId) return;
      for (const listener of this.#greeted) this.#call(() => listener(nodeId));
      if (kind === LOSS) for (const listener of this.#lost) this.#call(() => listener(nodeId));
      if (kind === REVOCATION) for (const listener of this.#revoked) this.#call(() => listener(readRevocation(text)));
      if (kind !== GREETING) for (const listener of this.#nudged) this.#call(listener);
    });
    this.#nudge = this.#signal(this.#nodeId, NUDGE_PAUSE_MS);
    this.#loss = this.#signal(`${this.#nodeId}\n${LOSS}`, LOSS_PAUSE_MS);
    // What was published in the meantime, and what was on its way when the connection broke, nobody got.
    this.#connections.onConnected((connected) => {
      if (connected) this.#loss.raise();
    });
    this.#connections.onTurnedBack(() => {
      this.#loss.raise();
    });
  }

  get connected(): boolean {
    return this.#connections.connected;
  }

  publish(conversationId: string, note: Note): void {
    const channel = this.#conversationPrefix + conversationId;
    if (this.#connections.publish(channel, noteText(this.#nodeId, note))) return;
    // Connected and yet dropped: Redis does not take them fast enough. One word stands for all that is lost.
    if (this.connected) this.#loss.raise();
  }

  async subscribe(conversationId: string, listener: NoteListener): Promise<() => void> {
    const topic = this.#topics.get(conversationId) ?? this.#open(conversationId);
    // One of its own for each call, so that each can be ended once.
    const own: NoteListener = (note, nodeId) => listener(note, nodeId);
    topic.listeners.add(own);
    await topic.subscription.inForce;
    return () => {
      if (!topic.listeners.delete(own) || topic.listeners.size > 0) return;
      topic.subscription.end();
      if (this.#topics.get(conversationId) === topic) this.#topics.delete(conversationId);
    };
  }

  nudge(): void {
    this.#nudge.raise();
  }

  onNudge(listener: () => void): void {
    this.#nudged.push(listener);
  }

  greet(): void {
    if (!this.#closed) this.#connections.publish(this.#nudgeChannel, `${this.#nodeId}\n${GREETING}`);
  }

  onGreeting(listener: (nodeId: string) => void): void {
    this.#greeted.push(listener);
  }

  onLoss(listener: (nodeId: string) => void): void {
    this.#lost.push(listener);
  }

  revoke(revocation: Revocation): void {
    if (this.#closed) return;
    this.#connections.publish(this.#nudgeChannel, `${this.#nodeId}\n${REVOCATION}\n${JSON.stringify(revocation)}`);
  }

  onRevocation(listener: (revocation: Revocation) => void): void {
    this.#revoked.push(listener);
  }

  onConnected(listener: (connected: boolean) => void): void {
    this.#connections.onConnected(listener);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#nudgeSubscription.end();
    for (const { subscription } of this.#topics.values()) subscription.end();
    this.#topics.clear();
    return Promise.resolve();
  }

  #open(conversationId: string): Topic {
    const listeners = new Set<NoteListener>();
    const subscription = this.#connections.subscribe(this.#conversationPrefix + conversationId, (message) => {
      this.#receive(conversationId, listeners, message);
    });
    const topic = { listeners, subscription };
    this.#topics.set(conversationId, topic);
    return topic;
  }

  #receive(conversationId: string, listeners: ReadonlySet<NoteListener>, message: Buffer): void {
    let read;
    try {
      read = readNote(message, this.#nodeId);
    } catch (error) {
      const now = this.#clock.now();
      if (now - this.#garbledLoggedMs < GARBLED_EVERY_MS) return;
      this.#garbledLoggedMs = now;
      const reason = (error as Error).message;
      this.#log.warn({ conversationId, bytes: message.length, reason }, 'a note of another node could not be read');
      return;
    }
    if (read === undefined) return;
    const { note, nodeId } = read;
    for (const listener of listeners) this.#call(() => listener(note, nodeId));
  }

  /** What a listener throws must not reach the connection, which would take it for its own failure. */
  #call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#log.error({ error }, 'a note of another node could not be taken in');
    }
  }

  #signal(message: string, pauseMs: number): Signal {
    return new Signal({
      clock: this.#clock,
      pauseMs,
      send: (settled) => !this.#closed && this.#connections.publish(this.#nudgeChannel, message, settled),
      // What is down makes up for it when it is back.
      isDown: () => this.#closed || !this.connected,
    });
  }
}

export const createRedisBus = (options: RedisBusOptions): Bus => new RedisBus(options);
