import { Redis, type RedisOptions } from 'ioredis';
import type { Clock } from '../ports/clock.ts';
import { Line } from './line.ts';

/** What may wait for a server that takes no more; later messages are dropped. Their loss is what the log mends. */
const MAX_WAITING_COMMANDS = 5000;
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

export interface PublishLineOptions {
  readonly redis: RedisOptions;
  readonly clock: Clock;
  /** It is up, or is not any more. */
  readonly changed: () => void;
  /** It can't be used, with this reason; told at each try. */
  readonly failed: (reason: string) => void;
  /** The server refused a message, with this. */
  readonly refused: (message: string) => void;
}

/** Publishes at one server, at once or not at all. */
export class PublishLine {
  readonly line: Line;
  readonly #refused: (message: string) => void;
  #corked: Redis['stream'] | undefined;

  constructor({ redis, clock, changed, failed, refused }: PublishLineOptions) {
    this.#refused = refused;
    this.line = new Line(new Redis(redis), clock, { up: changed, down: changed, failed });
  }

  /** False: dropped. `settled` is called once Redis has taken it, or when it is lost. */
  publish(channel: string, message: string | Buffer, settled?: () => void): boolean {
    const { redis, up } = this.line;
    if (!up || redis.commandQueue.length >= MAX_WAITING_COMMANDS) return false;
    const { stream } = redis;
    if (stream.writableLength >= MAX_WAITING_BYTES) return false;
    this.#cork(stream);
    redis.spublish(channel, message).then(settled, (error: unknown) => {
      settled?.();
      if (this.line.up) this.#refused((error as Error).message);
    });
    return true;
  }

  close(): void {
    this.line.close();
  }

  /** What is published in one turn of the event loop leaves with one system call. */
  #cork(stream: Redis['stream']): void {
    if (this.#corked === stream) return;
    this.#corked = stream;
    stream.cork();
    setImmediate(() => {
      if (this.#corked === stream) this.#corked = undefined;
      stream.uncork();
    });
  }
}
