import type { Bus, Note } from '../ports/bus.ts';
import { systemClock, type Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { RedisConnections, Subscription } from './connections.ts';
import { readNote, noteText } from './note-text.ts';

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

/** Makes a nudge one that asks for nothing. */
const GREETING = 'greeting';

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
  readonly #nudgeSubscription: Subscription;
  #nudge: 'idle' | 'under way' | 'wanted again' = 'idle';
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
      const [nodeId = '', kind] = message.toString().split('\n');
      if (nodeId === this.#nodeId) return;
      for (const listener of this.#greeted) this.#call(() => listener(nodeId));
      if (kind === undefined) for (const listener of this.#nudged) this.#call(listener);
    });
    // What was published in the meantime, and what was on its way when the connection broke, nobody got.
    this.#connections.onConnected((connected) => {
      if (connected) this.nudge();
    });
    this.#connections.onTurnedBack(() => {
      this.nudge();
    });
  }

  get connected(): boolean {
    return this.#connections.connected;
  }

  publish(conversationId: string, note: Note): void {
    const channel = this.#conversationPrefix + conversationId;
    if (this.#connections.publish(channel, noteText(this.#nodeId, note))) return;
    // Connected and yet dropped: Redis does not take them fast enough. One nudge stands for all that is lost.
    if (this.connected) this.nudge();
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
    if (this.#closed) return;
    if (this.#nudge !== 'idle') {
      this.#nudge = 'wanted again';
      return;
    }
    this.#nudge = 'under way';
    const sent = this.#connections.publish(this.#nudgeChannel, this.#nodeId, () => this.#nudgeSent());
    if (sent) return;
    // Down: it is made up for when the bus is back. Only full: it has to be tried again.
    this.#nudge = this.connected ? 'wanted again' : 'idle';
    if (this.connected) this.#nudgeSent();
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

  #nudgeSent(): void {
    this.#clock.after(NUDGE_PAUSE_MS, () => {
      const again = this.#nudge === 'wanted again';
      this.#nudge = 'idle';
      if (again) this.nudge();
    });
  }
}

export const createRedisBus = (options: RedisBusOptions): Bus => new RedisBus(options);
