import { systemClock, type Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { channelPrefix, placeText, type RedisPlace } from './redis-place.ts';
import { ClusterShards, singleShard, type Shards, type ShardsOptions } from './shards.ts';
import type { Line } from './line.ts';
import { checkRedis, type Obstacle } from './check-redis.ts';
import { uncoveredText } from './slots.ts';
import type { Channel, Receiver } from './subscribe-line.ts';

/** This node's connections to Redis, for as long as it runs. Nothing here throws or waits because Redis is down. */
export interface RedisConnections {
  /** What all channels begin with. */
  readonly prefix: string;
  /** Messages go out, and all subscriptions are in force. */
  readonly connected: boolean;
  /** Tells of each change of `connected`. */
  onConnected(listener: (connected: boolean) => void): void;
  /** A message that seemed to be on its way was turned back, because another server of the cluster has its channel now. */
  onTurnedBack(listener: () => void): void;
  /** False: dropped, because Redis can't take it now. `settled` is called once Redis has taken it, or when it is lost on the way. */
  publish(channel: string, message: string | Buffer, settled?: () => void): boolean;
  /** Several receivers of a channel are one subscription. The same function twice counts once. */
  subscribe(channel: string, receiver: Receiver): Subscription;
  /** At once, whatever state Redis is in. */
  close(): Promise<void>;
}

export interface Subscription {
  /** Resolves once it is in force; at once when it can't be now, and then it comes into force with `connected`. */
  readonly inForce: Promise<void>;
  end(): void;
}

export interface ConnectRedisOptions {
  readonly place: RedisPlace;
  /** Those who share it hear each other; other desks may use the same server. @default one desk a server and database */
  readonly desk?: string;
  readonly log: Log;
  /** @default systemClock */
  readonly clock?: Clock;
}

const WITHOUT =
  'Starting without it: what happens on other nodes arrives up to a second late, typing and presence not at all.';
const UNREACHABLE = `REDIS_URL: Redis cannot be reached. ${WITHOUT} Check that it runs, that host and port are right, that a firewall lets this machine through, and rediss:// or redis:// (TLS or not)`;
const UNCOVERED = `REDIS_URL: the Redis cluster answers, and has slots that no server serves. ${WITHOUT} See which with redis-cli --cluster check <host:port>, and bring back the server that had them, or give them to another with redis-cli --cluster fix <host:port>`;

const AT_ONCE = Promise.resolve();

/** What is logged once, not for each message. */
const REFUSALS_EVERY_MS = 10_000;
/** While Redis is away each try may fail with another reason. */
const REASONS_EVERY_MS = 10_000;

class Connections implements RedisConnections {
  readonly prefix: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #place: string;
  readonly #shards: Shards;
  readonly #channels = new Map<string, Channel>();
  readonly #listeners: ((connected: boolean) => void)[] = [];
  readonly #turnedBack: (() => void)[] = [];
  #connected = false;
  #closed = false;
  #refusalLoggedMs = -Infinity;
  /** Why Redis is away, as it was logged last. */
  #logged = '';
  #loggedMs: number;

  constructor({ place, desk, log, clock = systemClock }: ConnectRedisOptions) {
    this.prefix = desk === undefined ? channelPrefix(place) : `${channelPrefix(place)}:${desk}`;
    this.#log = log;
    this.#clock = clock;
    this.#place = placeText(place);
    // A start has its own words.
    this.#loggedMs = clock.now();
    const options: ShardsOptions = {
      place,
      clock,
      received: (name, message) => {
        const receivers = this.#channels.get(name)?.receivers ?? [];
        for (const receive of receivers) {
          // What it throws must not reach the connection, which would take it for its own failure, and the process would end.
          try {
            receive(message, name);
          } catch (error) {
            log.error({ error, bytes: message.length }, 'a message of another node could not be taken in');
          }
        }
      },
      refused: (message) => {
        this.#refused(message);
      },
      changed: () => {
        this.#update();
      },
      failed: (reason) => {
        this.#failed(reason);
      },
      remapped: () => {
        this.#remap();
      },
    };
    this.#shards = place.kind === 'cluster' ? new ClusterShards({ ...options, place }) : singleShard(options);
  }

  get connected(): boolean {
    return this.#connected;
  }

  onConnected(listener: (connected: boolean) => void): void {
    this.#listeners.push(listener);
  }

  onTurnedBack(listener: () => void): void {
    this.#turnedBack.push(listener);
  }

  publish(channel: string, message: string | Buffer, settled?: () => void): boolean {
    return this.#shards.at(this.#shards.slotOf(channel))?.publisher.publish(channel, message, settled) ?? false;
  }

  subscribe(name: string, receiver: Receiver): Subscription {
    if (this.#closed) return { inForce: AT_ONCE, end: () => undefined };
    const channel = this.#channel(name);
    channel.receivers.add(receiver);
    channel.line?.touch(channel);
    const soon = channel.line?.synced === true && !channel.confirmed;
    return {
      inForce: soon ? new Promise((resolve) => channel.waiting.push(resolve)) : AT_ONCE,
      end: () => {
        if (!channel.receivers.delete(receiver) || channel.receivers.size > 0) return;
        for (const resolve of channel.waiting.splice(0)) resolve();
        this.#channels.delete(name);
        channel.line?.touch(channel);
      },
    };
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#shards.close();
    return AT_ONCE;
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const channel: Channel = {
      name,
      slot: this.#shards.slotOf(name),
      receivers: new Set(),
      waiting: [],
      line: undefined,
      sent: 0,
      confirmed: false,
    };
    channel.line = this.#shards.at(channel.slot)?.subscriber;
    this.#channels.set(name, channel);
    return channel;
  }

  /** Logs that the start goes on without Redis. @param obstacle what the start has met; without one, what the connections have met */
  startWithout(obstacle: Obstacle = { reason: this.#reason, uncovered: this.#shards.uncovered > 0 }): void {
    this.#note(obstacle.reason);
    this.#log.error({ redis: this.#place, reason: obstacle.reason }, obstacle.uncovered ? UNCOVERED : UNREACHABLE);
  }

  /** Why it is not connected. */
  get #reason(): string {
    if (this.#shards.uncovered > 0) return uncoveredText(this.#shards.uncovered);
    if (!this.#shards.known) return 'it is not known which server serves what';
    return this.#lines().find(({ up }) => !up)?.reason ?? 'subscriptions have to be made anew';
  }

  #lines(): Line[] {
    return this.#shards.all.flatMap(({ publisher, subscriber }) => [publisher.line, subscriber.line]);
  }

  /** Brings channels to the servers that serve them now. */
  #remap(): void {
    for (const channel of this.#channels.values()) {
      const line = this.#shards.at(channel.slot)?.subscriber;
      if (line === channel.line) continue;
      channel.line?.release(channel);
      channel.line = line;
      line?.add(channel);
    }
  }

  #refused(message: string): void {
    if (/^(?:MOVED|CLUSTERDOWN|READONLY)\b/.test(message)) {
      this.#shards.doubt();
      for (const listener of this.#turnedBack) listener();
      return;
    }
    const now = this.#clock.now();
    if (now - this.#refusalLoggedMs < REFUSALS_EVERY_MS) return;
    this.#refusalLoggedMs = now;
    this.#log.warn({ redis: this.#place, reason: message }, 'Redis refused a message to other nodes');
  }

  #note(reason: string): void {
    this.#logged = reason;
    this.#loggedMs = this.#clock.now();
  }

  /** The loss is logged when it is noticed; often only a later try tells what has to be mended, such as a user that is gone. */
  #failed(told: string): void {
    // What the server says that had them is a part of it.
    const reason = this.#shards.uncovered > 0 ? uncoveredText(this.#shards.uncovered) : told;
    // What the start has logged begins with host and port.
    if (this.#connected || this.#closed || this.#logged.endsWith(reason)) return;
    if (this.#clock.now() - this.#loggedMs < REASONS_EVERY_MS) return;
    this.#note(reason);
    this.#log.warn({ redis: this.#place, reason }, 'Redis is still out of reach, now for another reason');
  }

  #update(): void {
    const lines = this.#lines();
    const connected =
      !this.#closed &&
      this.#shards.known &&
      lines.every(({ up }) => up) &&
      this.#shards.all.every(({ subscriber }) => subscriber.synced);
    if (!lines.every(({ up }) => up)) this.#shards.doubt();
    if (connected === this.#connected) return;
    this.#connected = connected;
    if (connected) {
      this.#log.info({ redis: this.#place, channels: this.#channels.size }, 'Redis is in reach');
    } else if (!this.#closed) {
      const reason = this.#reason;
      this.#note(reason);
      this.#log.warn(
        { redis: this.#place, reason },
        'Redis is out of reach: other nodes learn of changes from the store, up to a second late',
      );
    }
    for (const listener of this.#listeners) listener(connected);
  }
}

/** How long a start waits for connections to a server that has just answered. */
const START_MS = 3000;

/**
 * Connects this node to Redis. A server that can't be reached is no reason not to start, since nothing durable needs it: that is
 * logged as an error, and the connections come up by themselves later.
 * @throws RedisStartError when Redis answers, but can't be used as REDIS_URL says
 */
export const connectRedis = async (options: ConnectRedisOptions): Promise<RedisConnections> => {
  const { place, clock = systemClock } = options;
  const obstacle = await checkRedis(place);
  const connections = new Connections(options);
  if (obstacle !== undefined) {
    connections.startWithout(obstacle);
  } else {
    await new Promise<void>((resolve) => {
      const cancel = clock.after(START_MS, resolve);
      connections.onConnected(() => {
        cancel();
        resolve();
      });
    });
    // It answered where the address says, and not where it says itself that it is: another name, or another network.
    if (!connections.connected) connections.startWithout();
  }
  return connections;
};
