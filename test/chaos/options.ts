import { parseArgs } from 'node:util';

export const FAULT_KINDS = [
  'node-kill',
  'node-stop',
  'redis-kill',
  'redis-stop',
  'postgres-restart',
  'cut',
  'delay',
  'clock',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const REDIS_KINDS = ['single', 'sentinel', 'cluster'] as const;
export type RedisKind = (typeof REDIS_KINDS)[number];

export interface ChaosOptions {
  /** Faults, clients and where they go follow from it. @default 1 */
  readonly seed: number;
  /** Messages that are sent, each until it is acknowledged. @default `seconds` times 1 500 */
  readonly messages: number;
  /** Over which they are issued, whatever the servers do. @default 60, or `messages` at 1 500 a second */
  readonly seconds: number;
  /** 1 to 4; on one nobody contends. @default 3 */
  readonly nodes: number;
  /** @default 'single' */
  readonly redis: RedisKind;
  /** @default all */
  readonly faults: readonly FaultKind[];
  /** Processes of clients. @default 2 */
  readonly processes: number;
  /** Of all processes together. @default 48 */
  readonly conversations: number;
  /** Mean time from the beginning of a fault to that of the next. @default 2000 */
  readonly gapMs: number;
}

const RATE = 1_500;

const oneOf = <T extends string>(name: string, text: string, allowed: readonly T[]): T => {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw new Error(`--${name}: found ${JSON.stringify(text)}, expected ${allowed.join(', ')}`);
  return found;
};

const count = (name: string, text: string, min: number, max: number): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new Error(
      `--${name}: found ${JSON.stringify(text)}, expected a number from ${String(min)} to ${String(max)}`,
    );
  return value;
};

/** @throws Error that says which argument is wrong */
export const readOptions = (args: readonly string[]): ChaosOptions => {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { ...text, default: '1' },
      messages: text,
      seconds: text,
      nodes: { ...text, default: '3' },
      redis: { ...text, default: 'single' },
      faults: { ...text, default: FAULT_KINDS.join(',') },
      processes: { ...text, default: '2' },
      conversations: { ...text, default: '48' },
      'gap-ms': { ...text, default: '2000' },
    },
  });
  const optional = (name: 'messages' | 'seconds', max: number): number | undefined =>
    values[name] === undefined ? undefined : count(name, values[name], 1, max);
  const messages = optional('messages', 100_000_000);
  const seconds = optional('seconds', 86_400);
  const processes = count('processes', values.processes, 1, 16);
  return {
    seed: count('seed', values.seed, 0, 2 ** 31),
    messages: messages ?? (seconds ?? 60) * RATE,
    seconds: seconds ?? (messages === undefined ? 60 : Math.max(5, Math.ceil(messages / RATE))),
    nodes: count('nodes', values.nodes, 1, 4),
    redis: oneOf('redis', values.redis, REDIS_KINDS),
    faults: values.faults === '' ? [] : values.faults.split(',').map((kind) => oneOf('faults', kind, FAULT_KINDS)),
    processes,
    conversations: count('conversations', values.conversations, processes, 10_000),
    gapMs: count('gap-ms', values['gap-ms'], 100, 600_000),
  };
};

/** What repeats a run. */
export const commandOf = (options: ChaosOptions): string =>
  `npm run chaos -- --seed ${String(options.seed)} --messages ${String(options.messages)} --seconds ${String(options.seconds)} --nodes ${String(options.nodes)} --redis ${options.redis} --faults ${options.faults.join(',')} --processes ${String(options.processes)} --conversations ${String(options.conversations)} --gap-ms ${String(options.gapMs)}`;
