import { createShardedAdapter } from '@socket.io/redis-adapter';
import type { Server } from 'socket.io';
import { isAcrossNodes } from '../ports/rooms.ts';
import type { RedisConnections, Subscription } from './connections.ts';

type Receiver = (message: Buffer, channel: Buffer) => void;

/** What the adapter uses of a client of node-redis, which it tells by `sSubscribe`. */
interface AdapterClient {
  sPublish(channel: string, message: string | Buffer): Promise<number>;
  sSubscribe(channel: string, receiver: Receiver): void;
  sUnsubscribe(channel: string): void;
  sendCommand(): Promise<never>;
}

/** Nobody waits for what Redis says. */
const PUBLISHED = Promise.resolve(0);

const adapterClient = (connections: RedisConnections): AdapterClient => {
  const subscriptions = new Map<string, Subscription>();
  return {
    sPublish: (channel, message) => {
      connections.publish(channel, message);
      return PUBLISHED;
    },
    sSubscribe: (channel, receiver) => {
      if (subscriptions.has(channel)) return;
      const name = Buffer.from(channel);
      subscriptions.set(
        channel,
        connections.subscribe(channel, (message) => receiver(message, name)),
      );
    },
    sUnsubscribe: (channel) => {
      subscriptions.get(channel)?.end();
      subscriptions.delete(channel);
    },
    sendCommand: () =>
      Promise.reject(
        new Error('asking all nodes for their connections is not offered: one that is frozen would make it wait'),
      ),
  };
};

/** What is used of Socket.IO's adapter, here and on its way to other nodes. */
interface Broadcasting {
  shouldUseASeparateNamespace(room: string): boolean;
  broadcast(packet: unknown, options: { flags?: { local?: boolean } }): unknown;
  publish(message: { type: number; data: object }): void;
}

/** Socket.IO's own number for it. */
const BROADCAST = 3;

/**
 * The adapter waits for Redis before it delivers to connections of its own node, so that a frozen Redis would stop those too, and what is
 * emitted to this node alone would overtake what was emitted to all before it. Here it tells the others, and delivers at once.
 */
const deliverAtOnce = (adapter: Broadcasting): void => {
  const broadcast = adapter.broadcast.bind(adapter);
  adapter.broadcast = (packet, options) => {
    if (options.flags?.local === true) return broadcast(packet, options);
    const { rooms, except, flags } = options as unknown as { rooms: Set<string>; except: Set<string>; flags?: object };
    adapter.publish({
      type: BROADCAST,
      data: { packet, opts: { rooms: [...rooms], except: [...((except as Set<string> | undefined) ?? [])], flags } },
    });
    return broadcast(packet, { ...options, flags: { ...flags, local: true } });
  };
};

/** A room to which nothing comes from other nodes needs no subscription: most connections enter several such rooms, and leave them soon. */
const subscribeToShared = (adapter: Broadcasting): void => {
  const isPublic = adapter.shouldUseASeparateNamespace.bind(adapter);
  adapter.shouldUseASeparateNamespace = (room) => isAcrossNodes(room) && isPublic(room);
};

/**
 * Takes what is emitted to rooms to the connections on other nodes too, through Redis: at most once, and not at all while Redis is
 * down. Delivery to connections here needs no Redis. To be called before the first connection.
 */
export const attachAdapter = (io: Server, connections: RedisConnections): void => {
  const client = adapterClient(connections);
  const create = createShardedAdapter(client, client, {
    channelPrefix: `${connections.prefix}:rooms`,
    subscriptionMode: 'dynamic',
  });
  // Socket.IO calls it with `new`, which an arrow function does not take.
  io.adapter(function (namespace: unknown) {
    const adapter = create(namespace);
    deliverAtOnce(adapter as unknown as Broadcasting);
    subscribeToShared(adapter as unknown as Broadcasting);
    return adapter;
  });
};
