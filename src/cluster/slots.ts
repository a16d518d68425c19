import { Redis } from 'ioredis';
import { SLOT_COUNT } from './hash-slot.ts';
import { endpointText, type Endpoint, type RedisPlace } from './redis-place.ts';
import { signedInOnce } from './redis-options.ts';

/** Slots from `first` to `last` are served by `master`. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly master: Endpoint;
}

/** Opens a connection for one purpose and closes it whatever happens. @throws what connecting or `task` threw */
export const withConnection = async <T>(redis: Redis, task: (redis: Redis) => Promise<T>): Promise<T> => {
  let failure: Error | undefined;
  redis.on('error', (error: Error) => {
    failure ??= error;
  });
  try {
    await redis.connect();
    return await task(redis);
  } catch (error) {
    // Of a connection that failed the promise says only that it is closed; the event said why.
    throw failure ?? error;
  } finally {
    redis.disconnect();
  }
};

const UNKNOWN_HOSTS = new Set(['', '?']);

/** An answer to CLUSTER SLOTS: [first, last, [host, port, id, …] of the master, …replicas]. */
export const slotRanges = (answer: unknown, asked: Endpoint): SlotRange[] => {
  if (!Array.isArray(answer)) throw new Error('CLUSTER SLOTS gave no list');
  return (answer as [number, number, [string | null, number]][]).map(([first, last, [host, port]]) => ({
    first,
    last,
    // A node that does not know its own name is where it was asked.
    master: { host: host === null || UNKNOWN_HOSTS.has(host) ? asked.host : host, port },
  }));
};

/** How many slots no server has. */
export const uncoveredSlots = (ranges: readonly SlotRange[]): number =>
  SLOT_COUNT - ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);

export const uncoveredText = (count: number): string =>
  `${String(count)} of ${String(SLOT_COUNT)} slots are served by nobody`;

/** Asks one node after the other which master serves which slots. @throws Error of the last one when none answers */
export const askForSlots = async (
  place: RedisPlace & { kind: 'cluster' },
  known: readonly Endpoint[],
): Promise<SlotRange[]> => {
  const nodes = new Map([...known, ...place.nodes].map((node) => [endpointText(node), node]));
  let failure: unknown = new Error('no node is known');
  for (const node of nodes.values()) {
    try {
      const answer = await withConnection(new Redis(signedInOnce(place, node)), (redis) => redis.cluster('SLOTS'));
      const ranges = slotRanges(answer, node);
      if (ranges.length > 0) return ranges;
      failure = new Error(`${endpointText(node)}: ${uncoveredText(SLOT_COUNT)}`);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
};
