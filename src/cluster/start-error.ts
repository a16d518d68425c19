/** Why Redis can't be used as REDIS_URL says, in a sentence for the one who runs the server: what was found and what to do. Never a password. */
export class RedisStartError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'RedisStartError';
  }
}
