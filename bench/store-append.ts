/**
 * What an append costs: `npx tsx bench/store-append.ts [seconds] [inFlight] [conversations] [checkpointPages] [sqlite|postgres]`.
 * CPU is the whole process's, per append, and split by thread where /proc tells.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { place } from '../src/core/draft.ts';
import { begin, factsOf } from '../src/core/fold.ts';
import type { Facts, StoredEntry } from '../src/ports/store.ts';
import { type Metrics, noMetrics } from '../src/ports/metrics.ts';
import { openPostgresStore } from '../src/store/postgres/store.ts';
import { openSqliteStore } from '../src/store/sqlite/store.ts';
import { startPostgres } from '../test/support/postgres.ts';

const [seconds = 5, inFlight = 64, conversationCount = 200, checkpointPages = 1_000] = process.argv
  .slice(2, 6)
  .map(Number);
const database = process.argv[6] ?? 'sqlite';
const ignore = (): void => undefined;
const AT = '2026-01-15T09:30:00.000Z';

const opened = (id: string): StoredEntry => {
  const customer = { id: `customer-${id}`, name: 'Ann', role: 'customer' } as const;
  const draft = { type: 'conversation:opened', author: customer, visibility: 'all', customer } as const;
  const nothing = { clientConversationId: null, subject: null, department: null, skills: [], metadata: {} };
  return place({ ...draft, ...nothing, priority: 'normal' }, id, 1, Date.parse(AT));
};

const messageOf = (facts: Facts, seq: number): StoredEntry => ({
  id: `${facts.id}-${String(seq)}`,
  conversationId: facts.id,
  seq,
  type: 'message:created',
  at: new Date().toISOString(),
  author: facts.customer,
  visibility: 'all',
  clientMessageId: `message-${String(seq)}-7f3a9c`,
  text: 'Hello, where is my order? It was due yesterday.',
  format: 'plain',
  attachments: [],
});

/** Milliseconds of CPU by thread: user and system, in clock ticks of 10 ms. */
const threadsMs = (): Map<string, [userMs: number, systemMs: number]> => {
  try {
    return new Map(
      readdirSync('/proc/self/task').map((thread) => {
        const fields = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
        return [thread, [Number(fields[11]) * 10, Number(fields[12]) * 10]];
      }),
    );
  } catch {
    return new Map();
  }
};

const folder = mkdtempSync(join(tmpdir(), 'deskwire-bench-'));
const log = { debug: ignore, info: ignore, warn: ignore, error: console.error };
const batches = { count: 0, writes: 0 };
const metrics: Metrics = {
  ...noMetrics,
  commit: (writes) => {
    batches.count++;
    batches.writes += writes;
  },
};
const postgres = database === 'postgres' ? await startPostgres() : undefined;
const store =
  postgres === undefined
    ? await openSqliteStore({ path: join(folder, 'bench.db'), log, metrics, checkpointPages })
    : (await openPostgresStore({ url: postgres.url, log, metrics })).store;
const openings = Array.from({ length: conversationCount }, (_, index) => {
  const entry = opened(`c_${String(index)}_bench_bench`);
  return { facts: factsOf(begin('default', entry)), entries: [entry] };
});
const conversations = openings.map(({ facts }) => facts);
await Promise.all(openings.map((opening) => store.open(opening)));

const latenciesMs: number[] = [];
let next = 0;
const lastSeqs = conversations.map(() => 1);
const writer = async (untilMs: number): Promise<void> => {
  while (performance.now() < untilMs) {
    const index = next++ % conversations.length;
    const facts = conversations[index];
    const expectedSeq = lastSeqs[index];
    if (facts === undefined || expectedSeq === undefined) throw new Error('no conversation');
    const entry = messageOf(facts, expectedSeq + 1);
    lastSeqs[index] = expectedSeq + 1;
    const clientKey = { authorId: facts.customer.id, clientMessageId: `message-${String(expectedSeq + 1)}-7f3a9c` };
    const startedAt = performance.now();
    const outcome = await store.append({
      tenant: 'default',
      conversationId: facts.id,
      expectedSeq,
      entries: [entry],
      clientKey,
    });
    if (outcome.kind !== 'committed') throw new Error(outcome.kind);
    latenciesMs.push(performance.now() - startedAt);
  }
};
const runFor = async (ms: number): Promise<void> => {
  const untilMs = performance.now() + ms;
  await Promise.all(Array.from({ length: inFlight }, () => writer(untilMs)));
};

await runFor(1_000);
latenciesMs.length = 0;
Object.assign(batches, { count: 0, writes: 0 });
const threadsBefore = threadsMs();
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
await runFor(seconds * 1_000);
const wallMs = performance.now() - startedAt;
const cpu = process.cpuUsage(cpuBefore);
const threadsAfter = threadsMs();
const count = latenciesMs.length;
latenciesMs.sort((a, b) => a - b);
const percentile = (share: number): string => (latenciesMs[Math.floor(count * share)] ?? 0).toFixed(2);

console.log(
  `${String(Math.round((count * 1_000) / wallMs))} appends/s at ${String(inFlight)} in flight over ${String(conversationCount)} conversations, ${database === 'sqlite' ? `checkpoint at ${String(checkpointPages)} pages` : database}, ${(batches.writes / batches.count).toFixed(1)} in a commit`,
);
console.log(
  `CPU per append: ${((cpu.user + cpu.system) / count).toFixed(1)} µs (user ${(cpu.user / count).toFixed(1)}, system ${(cpu.system / count).toFixed(1)})`,
);
for (const [thread, [user, system]] of threadsAfter) {
  const [userBefore, systemBefore] = threadsBefore.get(thread) ?? [0, 0];
  const perAppend = (ms: number): number => (ms * 1_000) / count;
  const total = perAppend(user - userBefore + system - systemBefore);
  if (total < 0.3) continue;
  const name = thread === String(process.pid) ? 'main' : `thread ${thread}`;
  console.log(`  ${name}: ${total.toFixed(1)} µs (system ${perAppend(system - systemBefore).toFixed(1)})`);
}
console.log(`latency: p50 ${percentile(0.5)} ms, p99 ${percentile(0.99)} ms, max ${percentile(0.99999)} ms`);
await store.close();
await postgres?.remove();
rmSync(folder, { recursive: true, force: true });
