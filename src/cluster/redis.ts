/** All that needs Redis's client, in one place: it is loaded only where REDIS_URL is set. */
export { attachAdapter } from './adapter.ts';
export { connectRedis, type RedisConnections } from './connections.ts';
export { createRedisBus } from './redis-bus.ts';
