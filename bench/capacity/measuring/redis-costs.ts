import { Redis } from 'ioredis';
import { startRedis } from '../../../test/support/redis.ts';
import type { Costs } from '../costs.ts';

const NOTE_BYTES = 700;
const NOTE = 'n'.repeat(NOTE_BYTES);
/** Publish one note after the other, as nodes do whose turns of the event loop hold one each. */
const PUBLISHERS = 8;
const PUBLISH_COUNT = 80_000;
const SUBSCRIBERS = 4;
const CHANNEL_COUNT = 20_000;
const CHANNELS_PER_COMMAND = 20;
/** As long as a channel of a conversation's room. */
const channelName = (index: number): string => `deskwire:AbCdEfGh:rooms#/#public:c_${String(index).padStart(16, '0')}#`;

const field = (info: string, name: string): number => Number(new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1] ?? NaN);
const cpuMicros = (info: string): number => (field(info, 'used_cpu_user') + field(info, 'used_cpu_sys')) * 1e6;

/** CPU of Redis for each note, with so many who get it. */
const cpuPerNote = async (url: string, subscriberCount: number): Promise<number> => {
  const subscribers = Array.from({ length: subscriberCount }, () => new Redis(url));
  let receivedCount = 0;
  for (const subscriber of subscribers) {
    subscriber.on('smessage', () => (receivedCount += 1));
    await subscriber.ssubscribe('channel');
  }
  const publishers = Array.from({ length: PUBLISHERS }, () => new Redis(url));
  const publish = (count: number): Promise<unknown> =>
    Promise.all(
      publishers.map(async (publisher) => {
        for (let index = 0; index < count / PUBLISHERS; index += 1) await publisher.spublish('channel', NOTE);
      }),
    );
  await publish(PUBLISH_COUNT / 10);
  const admin = new Redis(url);
  const before = cpuMicros(await admin.info());
  await publish(PUBLISH_COUNT);
  const spent = cpuMicros(await admin.info()) - before;
  for (const redis of [...subscribers, ...publishers, admin]) redis.disconnect();
  if (receivedCount === 0 && subscriberCount > 0) throw new Error('no subscriber got anything');
  return spent / PUBLISH_COUNT;
};

const subscriptions = async (url: string): Promise<{ cpuMicros: number; bytes: number }> => {
  const [admin, subscriber] = [new Redis(url), new Redis(url)];
  const memory = async (): Promise<number> => field(await admin.info('memory'), 'used_memory');
  const memoryBefore = await memory();
  const cpuBefore = cpuMicros(await admin.info());
  const names = Array.from({ length: CHANNEL_COUNT }, (_, index) => channelName(index));
  const groups = Array.from({ length: CHANNEL_COUNT / CHANNELS_PER_COMMAND }, (_, index) =>
    names.slice(index * CHANNELS_PER_COMMAND, (index + 1) * CHANNELS_PER_COMMAND),
  );
  for (const group of groups) await subscriber.ssubscribe(...group);
  const bytes = (await memory()) - memoryBefore;
  for (const group of groups) await subscriber.sunsubscribe(...group);
  const spent = cpuMicros(await admin.info()) - cpuBefore;
  for (const redis of [admin, subscriber]) redis.disconnect();
  return { cpuMicros: spent / CHANNEL_COUNT, bytes: bytes / CHANNEL_COUNT };
};

/** Of a Redis server alone, with plain clients. */
export const measureRedis = async (): Promise<Partial<Costs>> => {
  const redis = await startRedis();
  try {
    const none = await cpuPerNote(redis.url, 0);
    const several = await cpuPerNote(redis.url, SUBSCRIBERS);
    const { cpuMicros: perSubscription, bytes } = await subscriptions(redis.url);
    return {
      redisCpuMicrosPerPublish: none,
      redisCpuMicrosPerDelivery: (several - none) / SUBSCRIBERS,
      redisCpuMicrosPerSubscription: perSubscription,
      redisBytesPerSubscription: bytes,
    };
  } finally {
    await redis.stop();
  }
};
