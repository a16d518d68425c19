import { PRIORITIES } from '../src/contract/schemas.ts';
import type { ConversationState } from '../src/ports/store.ts';
import type { Contender, Decided } from './contender.ts';
import { CAPACITY, type Worker } from './workforce.ts';

interface Agent extends Worker {
  activeCount: number;
  routedAt: number;
}

interface Queued {
  readonly conversation: ConversationState;
  readonly rank: number;
  readonly since: number;
}

const suits = ({ departments, skills }: Agent, conversation: ConversationState): boolean =>
  departments.includes(conversation.department ?? '') && conversation.skills.every((skill) => skills.includes(skill));

const leastBusy = (a: Agent, b: Agent): number =>
  a.activeCount - b.activeCount || a.routedAt - b.routedAt || (a.id < b.id ? -1 : 1);

const inOrder = (a: Queued, b: Queued): number => a.rank - b.rank || a.since - b.since;

/**
 * The router that one writes first: two arrays, filtered and sorted for each decision. By the same rules as the floor it
 * takes the same decisions, but it knows no offers, fallbacks, bots or opening hours, and doesn't say why.
 */
export class SortingRouter implements Contender {
  readonly #agents: Agent[];
  readonly #waiting: Queued[] = [];
  readonly #holders = new Map<string, Agent>();
  #routedCount = 0;

  constructor(workers: readonly Worker[]) {
    this.#agents = workers.map((worker) => ({ ...worker, activeCount: 0, routedAt: 0 }));
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  open(conversation: ConversationState): Decided | undefined {
    const [agent] = this.#agents
      .filter((one) => one.activeCount < CAPACITY && suits(one, conversation))
      .sort(leastBusy);
    if (agent !== undefined) return this.#assign(conversation, agent);
    // Sorting by text would be slower still: what the order rests on is worked out once.
    const rank = -PRIORITIES.indexOf(conversation.priority);
    this.#waiting.push({ conversation, rank, since: Date.parse(conversation.openedAt) });
    return undefined;
  }

  close({ id }: ConversationState): Decided | undefined {
    const agent = this.#holders.get(id);
    if (agent === undefined) throw new Error(`nobody has ${id}`);
    this.#holders.delete(id);
    agent.activeCount -= 1;
    const [next] = this.#waiting.filter(({ conversation }) => suits(agent, conversation)).sort(inOrder);
    if (next === undefined) return undefined;
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    return this.#assign(next.conversation, agent);
  }

  #assign(conversation: ConversationState, agent: Agent): Decided {
    this.#routedCount += 1;
    agent.activeCount += 1;
    agent.routedAt = this.#routedCount;
    this.#holders.set(conversation.id, agent);
    return { conversation, agentId: agent.id };
  }
}
