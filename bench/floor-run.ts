import { createHash } from 'node:crypto';
import { begin } from '../src/core/fold.ts';
import { isoTime } from '../src/ports/clock.ts';
import type { ConversationState } from '../src/ports/store.ts';
import type { Contender, Decided } from './contender.ts';
import { FloorRouter } from './floor-router.ts';
import type { FloorJob, FloorTimes, RoutingResults } from './routing-jobs.ts';
import { SortingRouter } from './sorting-router.ts';
import { quantile } from './statistics.ts';
import {
  ask,
  CAPACITY,
  departmentsOf,
  hire,
  randomFrom,
  ROOMY_LOAD,
  takeAny,
  type Asked,
  type Half,
} from './workforce.ts';

const customer = { id: 'ann', name: 'Ann', role: 'customer' } as const;

const timesOf = (micros: readonly number[]): FloorTimes => ({
  perSecond: (micros.length * 1e6) / micros.reduce((sum, value) => sum + value, 0),
  p50Micros: quantile(micros, 0.5),
  p99Micros: quantile(micros, 0.99),
});

/** One half of the desk: what comes in there, and what its agents have. */
class Side {
  readonly active: ConversationState[] = [];
  readonly #half: Half;
  readonly #random;
  readonly #router: Contender;
  readonly #now: () => number;
  #openedCount = 0;

  constructor(half: Half, router: Contender, now: () => number) {
    this.#half = half;
    this.#random = randomFrom(half === 'swamped' ? 3 : 4);
    this.#router = router;
    this.#now = now;
  }

  /** A customer comes, with what is asked for or with anything. */
  open(asked: Asked = ask(this.#half, this.#random)): { decided: Decided | undefined; micros: number } {
    this.#openedCount += 1;
    const conversationId = `${this.#half}-${String(this.#openedCount)}`;
    const conversation = begin('default', {
      ...{ id: `${conversationId}-1`, conversationId, seq: 1, at: isoTime(this.#now()) },
      ...{ type: 'conversation:opened', author: customer, visibility: 'all', clientConversationId: null },
      ...{ customer, subject: null, metadata: {}, ...asked },
    });
    return this.#timed(() => this.#router.open(conversation));
  }

  /** Somebody is done with a conversation. */
  close(): { decided: Decided | undefined; micros: number } {
    const conversation = takeAny(this.active, this.#random);
    return this.#timed(() => this.#router.close(conversation));
  }

  #timed(decide: () => Decided | undefined): { decided: Decided | undefined; micros: number } {
    const startedAt = performance.now();
    const decided = decide();
    const micros = (performance.now() - startedAt) * 1e3;
    if (decided !== undefined) this.active.push(decided.conversation);
    return { decided, micros };
  }
}

/**
 * Decisions of one router, with a number of conversations that wait all the while: in one half of the desk everybody is full
 * and a place that becomes free is taken at once; in the other every new conversation finds an agent.
 */
export const runFloor = (job: FloorJob): RoutingResults['floor'] => {
  const { agentCount, waitingCount, decisionCount, warmUpCount, comparedCount } = job;
  let nowMs = Date.UTC(2026, 0, 12, 10);
  const now = (): number => nowMs;
  const workers = (['swamped', 'roomy'] as const).flatMap((half) => hire(half, agentCount / 2));
  const router = job.router === 'floor' ? new FloorRouter(workers, now) : new SortingRouter(workers);
  const swamped = new Side('swamped', router, now);
  const roomy = new Side('roomy', router, now);

  // Everybody takes what asks for no skill, so that nobody there has room afterwards.
  for (const department of departmentsOf('swamped')) {
    while (swamped.open({ department, skills: [], priority: 'normal' }).decided !== undefined) nowMs += 1;
  }
  const refill = (): void => {
    while (router.waitingCount < waitingCount) {
      nowMs += 1;
      swamped.open();
    }
  };
  refill();
  while (roomy.active.length < (agentCount / 2) * CAPACITY * ROOMY_LOAD) roomy.open();

  const digest = createHash('sha256');
  const measure = (step: () => { decided: Decided | undefined; micros: number }): FloorTimes => {
    const micros: number[] = [];
    let count = 0;
    while (micros.length < decisionCount) {
      nowMs += 1;
      const { decided, micros: took } = step();
      // Of few who wait, none may be for him.
      if (decided === undefined) continue;
      count += 1;
      if (count <= comparedCount) digest.update(`${decided.conversation.id} ${decided.agentId}\n`);
      if (count > warmUpCount) micros.push(took);
    }
    return timesOf(micros);
  };
  const freed = measure(() => {
    const step = swamped.close();
    refill();
    return step;
  });
  const opened = measure(() => {
    const step = roomy.open();
    if (step.decided === undefined) throw new Error('a new conversation found nobody, where there is room');
    roomy.close();
    return step;
  });
  if (router.waitingCount !== waitingCount) throw new Error(`${String(router.waitingCount)} wait at the end`);
  return { freed, opened, digest: digest.digest('hex') };
};
