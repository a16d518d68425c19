import { STRATEGIES, type Candidate, type StrategyName } from '../../src/core/routing/strategies.ts';

/** Hours are whole, of each day, in UTC. */
export interface ModelRules {
  readonly fallback: string | undefined;
  readonly botsFirst: boolean;
  readonly hours: { readonly from: number; readonly to: number } | undefined;
}

export interface ModelAgent {
  readonly id: string;
  readonly isBot: boolean;
  status: 'online' | 'away' | 'offline';
  departments: readonly string[];
  skills: readonly string[];
  capacity: number;
  leased: boolean;
  connected: boolean;
  routedAt: number;
  idleSince: number;
}

export interface ModelConversation {
  readonly id: string;
  status: 'queued' | 'assigned' | 'closed';
  department: string | null;
  readonly skills: readonly string[];
  priority: 'low' | 'normal' | 'high' | 'urgent';
  openedAt: number;
  assignee: string | undefined;
  offeredTo: string | undefined;
  /** Who is to get it by a placement under way; `placing` names the placement. */
  promisedTo: string | undefined;
  placing: number;
  paused: boolean;
  handedOff: boolean;
  passes: { agentId: string; until: number }[];
}

export interface Expected {
  readonly conversation: ModelConversation;
  readonly agent: ModelAgent;
  readonly mode: 'assign' | 'offer';
  /** Who could take it, the best first. */
  readonly candidates: readonly ModelAgent[];
}

const RANKS = { urgent: 0, high: 1, normal: 2, low: 3 };
const HOUR_MS = 3_600_000;

/**
 * What the floor promises, said as plainly as can be: arrays that are filtered and sorted anew for each question.
 * What is decided is nowhere kept but in the conversations and agents themselves.
 */
export class RoutingModel {
  nowMs: number;
  readonly agents: ModelAgent[] = [];
  readonly conversations: ModelConversation[] = [];
  readonly #strategy: StrategyName;
  readonly #rules: Readonly<Record<string, ModelRules>>;
  readonly #passMs: number;
  #placements = 0;

  /** @param rules by department; `*` is for conversations without one */
  constructor(strategy: StrategyName, rules: Readonly<Record<string, ModelRules>>, passMs: number, nowMs: number) {
    this.#strategy = strategy;
    this.#rules = rules;
    this.#passMs = passMs;
    this.nowMs = nowMs;
  }

  // Who waits, and who is there.

  conversation(id: string): ModelConversation {
    const found = this.conversations.find((one) => one.id === id);
    if (found === undefined) throw new Error(`no conversation ${id}`);
    return found;
  }

  agent(id: string): ModelAgent {
    const found = this.agents.find((one) => one.id === id);
    if (found === undefined) throw new Error(`no agent ${id}`);
    return found;
  }

  /** All that wait, in the order in which they are to be served. */
  line(): ModelConversation[] {
    return this.conversations
      .filter(({ status }) => status === 'queued')
      .sort((a, b) => RANKS[a.priority] - RANKS[b.priority] || a.openedAt - b.openedAt || (a.id < b.id ? -1 : 1));
  }

  held(agent: ModelAgent): string[] {
    return this.conversations
      .filter((one) => one.status === 'queued' && (one.offeredTo ?? one.promisedTo) === agent.id)
      .map(({ id }) => id);
  }

  active(agent: ModelAgent): string[] {
    return this.conversations
      .filter((one) => one.status === 'assigned' && one.assignee === agent.id)
      .map(({ id }) => id);
  }

  load(agent: ModelAgent): number {
    return this.held(agent).length + this.active(agent).length;
  }

  isOnline(agent: ModelAgent): boolean {
    return agent.leased && agent.status === 'online';
  }

  isOpen(department: string | null, atMs = this.nowMs): boolean {
    const hours = this.rules(department).hours;
    const hour = Math.floor(atMs / HOUR_MS) % 24;
    return hours === undefined || (hour >= hours.from && hour < hours.to);
  }

  /** Whether any of the departments opened or closed after an instant, were it only for a while. */
  turnedSince(departments: readonly (string | null)[], beforeMs: number): boolean {
    for (let hour = Math.floor(beforeMs / HOUR_MS) + 1; hour * HOUR_MS <= this.nowMs; hour += 1) {
      const atMs = hour * HOUR_MS;
      if (departments.some((name) => this.isOpen(name, atMs) !== this.isOpen(name, atMs - 1))) return true;
    }
    return false;
  }

  rules(department: string | null): ModelRules {
    return this.#rules[department ?? '*'] ?? { fallback: undefined, botsFirst: false, hours: undefined };
  }

  /** Whether he works on the department at this moment, be there room or not. */
  worksOn(agent: ModelAgent, department: string | null): boolean {
    const of = (name: string | null, one: ModelAgent): boolean => name === null || one.departments.includes(name);
    if (agent.isBot) return of(department, agent);
    const open = this.isOpen(department);
    if (open && of(department, agent)) return true;
    const { fallback } = this.rules(department);
    if (fallback === undefined || !this.isOpen(fallback)) return false;
    const deserted = !this.agents.some(
      (one) => !one.isBot && one.capacity > 0 && this.isOnline(one) && of(department, one),
    );
    return (deserted || !open) && of(fallback, agent);
  }

  /** Each further pass of one agent lasts twice as long, up to 32 times. */
  #pass({ passes }: ModelConversation, agentId: string): void {
    const before = passes.filter((pass) => pass.agentId === agentId).length;
    passes.push({ agentId, until: this.nowMs + this.#passMs * 2 ** Math.min(before, 5) });
  }

  hasPassed(agent: ModelAgent, { passes }: ModelConversation): boolean {
    return passes.some(({ agentId, until }) => agentId === agent.id && until > this.nowMs);
  }

  takesBots({ department, handedOff }: ModelConversation): boolean {
    return this.rules(department).botsFirst && !handedOff;
  }

  /** @param free those with room, so that it is counted once for a whole line */
  candidates(conversation: ModelConversation, free: readonly ModelAgent[]): ModelAgent[] {
    const able = free.filter(
      (agent) =>
        this.isOnline(agent) &&
        agent.connected &&
        conversation.skills.every((skill) => agent.skills.includes(skill)) &&
        !this.hasPassed(agent, conversation) &&
        this.worksOn(agent, conversation.department),
    );
    const bots = able.filter(({ isBot }) => isBot && this.takesBots(conversation));
    if (bots.length > 0) return bots;
    return this.#strategy === 'manual' ? [] : able.filter(({ isBot }) => !isBot);
  }

  /** What is to be placed next, before anything else; undefined: nothing can be. */
  next(): Expected | undefined {
    const free = this.agents.filter((agent) => this.load(agent) < agent.capacity);
    for (const conversation of this.line()) {
      const { offeredTo, promisedTo, paused } = conversation;
      if (paused || offeredTo !== undefined || promisedTo !== undefined) continue;
      const seen = this.candidates(conversation, free).map((agent) => ({ agent, candidate: this.#seen(agent) }));
      seen.sort((a, b) => STRATEGIES[this.#strategy].compare(a.candidate, b.candidate));
      const candidates = seen.map(({ agent }) => agent);
      const agent = candidates[0];
      if (agent === undefined) continue;
      return {
        conversation,
        agent,
        mode: this.#strategy === 'offer' && !agent.isBot ? 'offer' : 'assign',
        candidates,
      };
    }
    return undefined;
  }

  // What happens.

  /** @returns the placement, for `fail` */
  promise({ conversation, agent }: Expected): number {
    this.#placements += 1;
    conversation.promisedTo = agent.id;
    conversation.placing = this.#placements;
    agent.routedAt = this.#placements;
    return this.#placements;
  }

  /** Says nothing of a conversation that has left the queue since, and of a later placement. */
  fail(id: string, placing: number): void {
    const conversation = this.conversation(id);
    if (conversation.promisedTo === undefined || conversation.placing !== placing) return;
    conversation.promisedTo = undefined;
    conversation.paused = true;
  }

  /** @param openedAt before now, when it is heard of late */
  open(opening: Pick<ModelConversation, 'id' | 'department' | 'skills' | 'priority' | 'openedAt'>): void {
    this.conversations.push({
      ...opening,
      status: 'queued',
      assignee: undefined,
      offeredTo: undefined,
      promisedTo: undefined,
      placing: 0,
      paused: false,
      handedOff: false,
      passes: [],
    });
  }

  assign(id: string, agentId: string): void {
    const conversation = this.conversation(id);
    if (this.#isWithBot(conversation)) conversation.handedOff = true;
    this.#free(conversation);
    this.#leaveQueue(conversation);
    conversation.status = 'assigned';
    conversation.assignee = agentId;
  }

  /** Back to the queue, be it another department's. */
  giveBack(id: string, reason: string, department = this.conversation(id).department): void {
    const conversation = this.conversation(id);
    const { assignee } = conversation;
    // A bot that is gone has not said that a person is wanted.
    if (this.#isWithBot(conversation) && reason !== 'agent_disconnected') conversation.handedOff = true;
    this.#free(conversation);
    if (assignee !== undefined && (reason === 'released' || reason === 'transferred'))
      this.#pass(conversation, assignee);
    conversation.status = 'queued';
    conversation.offeredTo = undefined;
    conversation.department = department;
  }

  offer(id: string, agentId: string): void {
    const conversation = this.conversation(id);
    conversation.offeredTo = agentId;
    conversation.promisedTo = undefined;
  }

  endOffer(id: string, outcome: string): void {
    const conversation = this.conversation(id);
    if (outcome !== 'withdrawn' && conversation.offeredTo !== undefined)
      this.#pass(conversation, conversation.offeredTo);
    conversation.offeredTo = undefined;
  }

  close(id: string): void {
    const conversation = this.conversation(id);
    this.#free(conversation);
    this.#leaveQueue(conversation);
    conversation.status = 'closed';
    conversation.passes = [];
  }

  reopen(id: string): void {
    const conversation = this.conversation(id);
    conversation.status = 'queued';
    conversation.openedAt = this.nowMs;
  }

  /** Changes an agent, who may come online by it. */
  change(id: string, change: Partial<Omit<ModelAgent, 'id' | 'isBot'>>): void {
    const agent = this.agent(id);
    const before = this.isOnline(agent);
    Object.assign(agent, change);
    if (!before && this.isOnline(agent)) agent.idleSince = this.nowMs;
  }

  #isWithBot({ status, assignee }: ModelConversation): boolean {
    return status === 'assigned' && assignee !== undefined && this.agent(assignee).isBot;
  }

  #free(conversation: ModelConversation): void {
    if (conversation.status === 'assigned' && conversation.assignee !== undefined)
      this.agent(conversation.assignee).idleSince = this.nowMs;
    conversation.assignee = undefined;
  }

  #leaveQueue(conversation: ModelConversation): void {
    conversation.offeredTo = undefined;
    conversation.promisedTo = undefined;
    conversation.paused = false;
  }

  #seen(agent: ModelAgent): Candidate {
    const { id, capacity, routedAt, idleSince } = agent;
    return { id, capacity, routedAt, idleSince, load: this.load(agent) };
  }
}
