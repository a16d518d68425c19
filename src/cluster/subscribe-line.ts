import { Redis, type RedisOptions } from 'ioredis';
import type { Clock } from '../ports/clock.ts';
import { Line } from './line.ts';

/** What arrives on a channel. */
export type Receiver = (message: Buffer, channel: string) => void;

/** A channel that somebody here listens to, or has just listened to. */
export interface Channel {
  readonly name: string;
  readonly slot: number;
  readonly receivers: Set<Receiver>;
  /** Called once it is in force, or can't be now. */
  waiting: (() => void)[];
  /** To the server that serves it; undefined: which one is not known yet. */
  line: SubscribeLine | undefined;
  /** Number of the SSUBSCRIBE that was the last the server was told of it, on the present connection; 0: there was none. */
  sent: number;
  /** And was answered. */
  confirmed: boolean;
}

export interface SubscribeLineOptions {
  readonly redis: RedisOptions;
  readonly clock: Clock;
  /** In a cluster one command takes channels of one slot only. */
  readonly oneSlotPerCommand: boolean;
  readonly received: (channel: string, message: Buffer) => void;
  /** `synced` has changed. */
  readonly changed: () => void;
  /** It can't be used, with this reason; told at each try. */
  readonly failed: (reason: string) => void;
  /** The server says that a channel is another one's. */
  readonly moved: () => void;
}

const CHANNELS_PER_BATCH = 500;

/** Until a channel is tried again whose server is another one; meanwhile it is found out which. */
const MOVED_PAUSE_MS = 200;

const settle = (channel: Channel): void => {
  const { waiting } = channel;
  if (waiting.length === 0) return;
  channel.waiting = [];
  for (const resolve of waiting) resolve();
};

/** Keeps the subscriptions at one server equal to what is wanted, whatever happens to the connection. */
export class SubscribeLine {
  readonly line: Line;
  readonly #options: SubscribeLineOptions;
  readonly #channels = new Set<Channel>();
  #changed = new Set<Channel>();
  #scheduled = false;
  /** Counts connections; what an earlier one answers means nothing. */
  #epoch = 0;
  #commands = 0;
  #batchesInFlight = 0;
  #synced = false;
  #retrying = false;

  constructor(options: SubscribeLineOptions) {
    this.#options = options;
    const redis = new Redis(options.redis);
    redis.on('smessageBuffer', (channel: Buffer, message: Buffer) => {
      options.received(channel.toString(), message);
    });
    // ioredis tells it in this way only; the command itself is never answered.
    redis.on('moved', () => {
      if (this.#retrying) return;
      this.#retrying = true;
      this.#setSynced(false);
      options.moved();
      options.clock.after(MOVED_PAUSE_MS, () => {
        this.#retrying = false;
        if (this.line.up) this.#renew();
      });
    });
    this.line = new Line(redis, options.clock, {
      up: () => {
        for (const channel of this.#channels) channel.confirmed = false;
        this.#renew();
      },
      down: () => {
        this.#epoch += 1;
        this.#setSynced(false);
      },
      failed: options.failed,
    });
  }

  /** The server has confirmed all that was wanted when the connection was made. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Takes a channel on. */
  add(channel: Channel): void {
    channel.sent = 0;
    channel.confirmed = false;
    this.#channels.add(channel);
    this.touch(channel);
    if (!this.#synced) settle(channel);
  }

  /** Somebody has begun or ended to listen. */
  touch(channel: Channel): void {
    if (channel.receivers.size === 0 && channel.sent === 0) {
      this.#channels.delete(channel);
      this.#changed.delete(channel);
      return;
    }
    this.#channels.add(channel);
    this.#changed.add(channel);
    this.#schedule();
  }

  /** Gives a channel up that another server serves from now on. This one has ended the subscription by itself, or will be closed. */
  release(channel: Channel): void {
    this.#channels.delete(channel);
    this.#changed.delete(channel);
    channel.sent = 0;
    channel.confirmed = false;
  }

  close(): void {
    this.line.close();
    for (const channel of this.#channels) settle(channel);
  }

  /** Tells the server of all that it has not confirmed. */
  #renew(): void {
    this.#epoch += 1;
    this.#batchesInFlight = 0;
    this.#setSynced(false);
    for (const channel of this.#channels) if (!channel.confirmed) channel.sent = 0;
    this.#changed = new Set(this.#channels);
    this.#schedule();
  }

  #setSynced(synced: boolean): void {
    if (this.#synced === synced) return;
    this.#synced = synced;
    // Nobody waits for better times.
    if (!synced) for (const channel of this.#channels) settle(channel);
    this.#options.changed();
  }

  /** What happens in one turn of the event loop is told together. */
  #schedule(): void {
    if (this.#scheduled || !this.line.up) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.line.up) return;
    const begin: Channel[] = [];
    const end: Channel[] = [];
    // One batch after the other until the first sync is done: thousands of channels at once would fill the connection.
    for (const channel of !this.#synced && this.#batchesInFlight > 0 ? [] : this.#changed) {
      if (begin.length + end.length === CHANNELS_PER_BATCH) break;
      this.#changed.delete(channel);
      const wanted = channel.receivers.size > 0;
      if (!wanted) this.#channels.delete(channel);
      if (wanted && channel.sent === 0) begin.push(channel);
      if (!wanted && channel.sent !== 0) end.push(channel);
      if (wanted) continue;
      channel.sent = 0;
      channel.confirmed = false;
    }
    if (end.length > 0) this.#run('sunsubscribe', end, () => undefined);
    if (begin.length > 0) {
      const number = (this.#commands += 1);
      for (const channel of begin) channel.sent = number;
      this.#run('ssubscribe', begin, () => {
        for (const channel of begin) {
          // Ended since; if it was begun again, that is another command.
          if (channel.sent !== number) continue;
          channel.confirmed = true;
          settle(channel);
        }
      });
    }
    if (this.#changed.size > 0) {
      if (this.#synced) this.#schedule();
    } else if (this.#batchesInFlight === 0) this.#setSynced(true);
  }

  #run(command: 'ssubscribe' | 'sunsubscribe', channels: readonly Channel[], done: () => void): void {
    const epoch = this.#epoch;
    this.#batchesInFlight += 1;
    const { stream } = this.line.redis;
    stream.cork();
    const answers = this.#groups(channels).map((names) => this.#send(command, names));
    stream.uncork();
    Promise.all(answers).then(
      () => {
        if (epoch !== this.#epoch) return;
        this.#batchesInFlight -= 1;
        done();
        if (!this.#synced) this.#schedule();
      },
      (error: unknown) => {
        if (epoch === this.#epoch) this.line.reset((error as Error).message);
      },
    );
  }

  #groups(channels: readonly Channel[]): string[][] {
    if (!this.#options.oneSlotPerCommand) return [channels.map(({ name }) => name)];
    const groups = new Map<number, string[]>();
    for (const { slot, name } of channels) {
      const group = groups.get(slot);
      if (group === undefined) groups.set(slot, [name]);
      else group.push(name);
    }
    return [...groups.values()];
  }

  #send(command: 'ssubscribe' | 'sunsubscribe', names: readonly string[]): Promise<unknown> {
    return this.line.redis[command](...names);
  }
}
