import { Random } from '../support/random.ts';
import type { ChaosOptions, FaultKind } from './options.ts';

export type LinkName = 'clients' | 'redis' | 'postgres';

/** One thing that goes wrong, and when it is well again. */
export interface Fault {
  readonly atMs: number;
  readonly durationMs: number;
  readonly kind: FaultKind;
  /** Number of the node that it strikes; -1 where it is not a node. */
  readonly node: number;
  /** Of cuts and delays: the line between the node and these. */
  readonly link: LinkName;
  readonly way: 'stop' | 'kill' | 'freeze' | 'once' | 'refuse' | 'slow' | 'toServer' | 'toClient' | 'forward' | 'back';
  /** Of delays each way; of clocks the step. */
  readonly amountMs: number;
}

/** Before the first fault, and after the last one, all is well for so long. */
const QUIET_MS = 1_500;
/** What a node needs to be there again after a SIGKILL, and its clients to come back to it. */
const RECOVERY_MS = 2_500;

export const describeFault = (fault: Fault): string => {
  const { kind, node, link, way, amountMs, durationMs } = fault;
  const where = node === -1 ? '' : ` node ${String(node)}`;
  const how = {
    'node-kill': '',
    'node-stop': '',
    'redis-kill': '',
    'redis-stop': '',
    'postgres-restart': ` by ${way}`,
    cut: ` from ${link}, ${way}`,
    delay: ` of ${link}, ${way === 'slow' ? `${String(amountMs)} ms each way` : `nothing moves ${way}`}`,
    clock: ` ${way} by ${String(Math.abs(amountMs))} ms`,
  }[kind];
  return `${kind}${where}${how} for ${String(durationMs)} ms`;
};

/**
 * A schedule drawn from the seed. Several faults may be under way at a time, but a node, Redis and Postgres have one each, and one node at
 * least has none.
 */
export const planFaults = (
  options: Pick<ChaosOptions, 'seed' | 'seconds' | 'nodes' | 'redis' | 'faults' | 'gapMs'>,
): Fault[] => {
  const random = new Random(options.seed ^ 0x5eed);
  const endMs = options.seconds * 1_000 - QUIET_MS;
  const plan: Fault[] = [];
  if (options.faults.length === 0) return plan;
  const freeAt = new Map<string, number>();
  const isFree = (key: string, at: number): boolean => (freeAt.get(key) ?? 0) <= at;
  let bag: FaultKind[] = [];
  const drawKind = (): FaultKind => {
    // All kinds once before any comes again.
    if (bag.length === 0) bag = [...options.faults];
    return bag.splice(random.below(bag.length), 1)[0]!;
  };
  const between = (low: number, high: number): number => low + random.below(high - low);

  for (let atMs = QUIET_MS; atMs < endMs; atMs += between(options.gapMs / 4, (options.gapMs * 7) / 4)) {
    const kind = drawKind();
    const free = Array.from({ length: options.nodes }, (_, node) => node).filter((node) =>
      isFree(`node ${String(node)}`, atMs),
    );
    const strikesNode =
      kind === 'node-kill' || kind === 'node-stop' || kind === 'cut' || kind === 'delay' || kind === 'clock';
    if (strikesNode && free.length < 2) continue;
    const node = strikesNode ? random.pick(free) : -1;
    const key = strikesNode ? `node ${String(node)}` : kind.startsWith('redis') ? 'redis' : 'postgres';
    if (!isFree(key, atMs)) continue;
    const fault = {
      atMs: Math.round(atMs),
      kind,
      node,
      link: 'clients',
      way: 'stop',
      amountMs: 0,
      ...drawHow(kind, options, random, between),
    } as const;
    plan.push(fault);
    freeAt.set(key, atMs + fault.durationMs + RECOVERY_MS);
  }
  return plan;
};

const drawHow = (
  kind: FaultKind,
  { redis, seconds }: Pick<ChaosOptions, 'redis' | 'seconds'>,
  random: Random,
  between: (low: number, high: number) => number,
): Partial<Fault> & { durationMs: number } => {
  // Short runs have short faults, or nothing would be left of them.
  const longest = (ms: number): number => Math.max(400, Math.min(ms, seconds * 150));
  // Only a single Redis has lines of its own: what sentinels and clusters name is where it is.
  const links: LinkName[] = redis === 'single' ? ['clients', 'redis', 'postgres'] : ['clients', 'postgres'];
  switch (kind) {
    case 'node-kill':
      return { way: 'kill', durationMs: between(100, longest(3_000)) };
    case 'node-stop':
      return { way: 'freeze', durationMs: between(300, longest(8_000)) };
    case 'redis-kill':
      return { way: 'kill', durationMs: between(300, longest(redis === 'single' ? 4_000 : 6_000)) };
    case 'redis-stop':
      return { way: 'freeze', durationMs: between(300, longest(5_000)) };
    case 'postgres-restart':
      return { way: random.pick(['stop', 'kill', 'freeze'] as const), durationMs: between(50, longest(2_500)) };
    case 'cut':
      return {
        way: random.pick(['once', 'refuse'] as const),
        link: random.pick(links),
        durationMs: between(50, longest(3_000)),
      };
    case 'delay':
      return {
        way: random.pick(['slow', 'toServer', 'toClient'] as const),
        link: random.pick(links),
        amountMs: between(20, 300),
        durationMs: between(300, longest(5_000)),
      };
    case 'clock': {
      const way = random.pick(['forward', 'back'] as const);
      const amountMs = between(500, 120_000) * (way === 'back' ? -1 : 1);
      return { way, amountMs, durationMs: between(500, longest(6_000)) };
    }
  }
};
