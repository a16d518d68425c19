import { afterEach, expect, onTestFinished } from 'vitest';
import { connectRedis, type RedisConnections } from '../../src/cluster/connections.ts';
import { createRedisBus } from '../../src/cluster/redis-bus.ts';
import type { User } from '../../src/contract/schemas.ts';
import type { Bus, Note } from '../../src/ports/bus.ts';
import type { Log } from '../../src/ports/log.ts';
import { redisPlace } from '../../src/server/redis-settings.ts';
import { until } from '../support/until.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

export const keptLog = (): Log & { readonly lines: LogLine[] } => {
  const lines: LogLine[] = [];
  const at = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, fields, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
};

export interface TestNode {
  readonly id: string;
  readonly connections: RedisConnections;
  readonly bus: Bus;
  readonly log: ReturnType<typeof keptLog>;
  /** Each change of `connected`, in order. */
  readonly changes: boolean[];
}

/** In every file that imports this, a test fails in which a promise was rejected and nobody looked. */
const rejections: unknown[] = [];
process.on('unhandledRejection', (error) => rejections.push(error));
afterEach(() => {
  expect(rejections.splice(0)).toEqual([]);
});

let nodes = 0;

/** What a node has of Redis; it is closed with the test. */
export const startNode = async (url: string): Promise<TestNode> => {
  const id = `node-${String((nodes += 1))}`;
  const log = keptLog();
  const connections = await connectRedis({ place: redisPlace(url), log });
  const bus = createRedisBus({ connections, nodeId: id, log });
  const changes: boolean[] = [];
  bus.onConnected((connected) => changes.push(connected));
  onTestFinished(async () => {
    await bus.close();
    await connections.close();
  });
  return { id, connections, bus, log, changes };
};

const user = (id: string): User => ({ id, role: 'agent', name: id });

/** A note that carries a text. */
export const note = (text: string): Note => ({ kind: 'here', users: [user(text)], typists: [] });

export const textOf = (got: Note): string => (got.kind === 'here' ? (got.users[0]?.id ?? '') : `${got.kind}?`);

/** Listens, and keeps the texts of what it hears. */
export const listen = async (node: TestNode, conversationId: string): Promise<{ heard: string[]; end: () => void }> => {
  const heard: string[] = [];
  const end = await node.bus.subscribe(conversationId, (got) => heard.push(textOf(got)));
  return { heard, end };
};

/** Ends with the test. */
export const ending = <T extends { stop(): Promise<void> }>(started: T): T => {
  onTestFinished(() => started.stop());
  return started;
};

export const both = (nodes: readonly TestNode[], connected: boolean, timeoutMs: number): Promise<unknown> =>
  until(
    `all to be ${connected ? 'connected' : 'cut off'}`,
    () => nodes.every(({ bus }) => bus.connected === connected),
    timeoutMs,
  );

/** Two nodes on a place that ends with the test. */
export const twoNodesOn = async <T extends { readonly url: string; stop(): Promise<void> }>(
  starting: Promise<T>,
): Promise<[T, TestNode, TestNode]> => {
  const place = ending(await starting);
  const [a, b] = [await startNode(place.url), await startNode(place.url)];
  expect([a, b].map(({ bus }) => bus.connected)).toEqual([true, true]);
  return [place, a, b];
};

/** Every one of these channels works, and did not have to be asked for again. */
export const expectAllHeard = async (
  from: TestNode,
  channels: ReadonlyMap<string, { heard: string[] }>,
): Promise<void> => {
  for (const { heard } of channels.values()) heard.length = 0;
  for (const id of channels.keys()) from.bus.publish(id, note(id));
  await until('all notes', () => [...channels].every(([id, { heard }]) => heard.includes(id)));
};

export const listenToAll = async (node: TestNode, ids: readonly string[]) =>
  new Map(await Promise.all(ids.map(async (id) => [id, await listen(node, id)] as const)));

export const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index)}`);
