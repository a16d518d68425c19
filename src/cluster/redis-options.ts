import { isIP } from 'node:net';
import type { RedisOptions } from 'ioredis';
import type { Endpoint, RedisPlace } from './redis-place.ts';

/** A server that has not answered for so long is taken for gone. */
export const ANSWER_MS = 1000;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

/** Before the next try: doubled each time, at most a second, and never the same for two nodes, or they would all come at once. */
export const pauseMs = (tries: number): number => {
  const whole = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(tries, 10), LONGEST_PAUSE_MS);
  return Math.round(whole * (0.5 + Math.random() / 2));
};

const security = ({ tls }: RedisPlace, endpoint?: Endpoint): Pick<RedisOptions, 'tls'> => {
  if (tls === undefined) return {};
  // Hosted servers tell their customers apart by the name; an address must not stand in its place (RFC 6066 §3).
  const named = endpoint !== undefined && isIP(endpoint.host) === 0;
  return { tls: { ...(tls.ca === undefined ? {} : { ca: tls.ca }), ...(named ? { servername: endpoint.host } : {}) } };
};

/** A connection that is asked something once, and then closed. */
export const onceOptions = (place: RedisPlace, endpoint: Endpoint): RedisOptions => ({
  ...endpoint,
  ...security(place, endpoint),
  lazyConnect: true,
  retryStrategy: () => null,
  enableReadyCheck: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  disableClientInfo: true,
  connectTimeout: ANSWER_MS,
  commandTimeout: ANSWER_MS,
  disconnectTimeout: 50,
});

const credentials = ({ username, password }: RedisPlace): Pick<RedisOptions, 'username' | 'password'> => ({
  ...(username === undefined ? {} : { username }),
  ...(password === undefined ? {} : { password }),
});

/** The same with the place's user and password. */
export const signedInOnce = (place: RedisPlace, endpoint: Endpoint): RedisOptions => ({
  ...onceOptions(place, endpoint),
  ...credentials(place),
});

/** A connection that is kept for ever. Nothing waits in it for better times: what can't be written now fails now. */
export const lineOptions = (place: RedisPlace, endpoint: Endpoint | undefined, name: string): RedisOptions => ({
  ...credentials(place),
  ...security(place, endpoint),
  ...(endpoint ?? {}),
  lazyConnect: true,
  enableOfflineQueue: false,
  // What was under way on a connection that breaks fails with it. Zero means that; null would keep it.
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  // The line subscribes again by itself: ioredis does it too, but nobody learns when it is done.
  autoResubscribe: false,
  disableClientInfo: true,
  connectionName: `deskwire-${name}`,
  connectTimeout: ANSWER_MS,
  // A frozen server never answers the end of a connection either.
  disconnectTimeout: 50,
  maxLoadingRetryTime: ANSWER_MS,
  keepAlive: 10_000,
  ...sentinelOptions(place),
});

const sentinelOptions = (place: RedisPlace): RedisOptions => {
  if (place.kind !== 'sentinel') return {};
  const { username, password } = place.sentinelCredentials;
  const { tls } = security(place);
  return {
    sentinels: place.sentinels.map(({ host, port }) => ({ host, port })),
    name: place.masterName,
    sentinelCommandTimeout: ANSWER_MS,
    // The line tries again itself, so that closing need not wait for a pause in there.
    sentinelRetryStrategy: () => null,
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
    ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
  };
};
