import { DEFAULT_RULES, Departments, type DepartmentRules } from '../../src/core/departments.ts';
import { Floor, type Placement } from '../../src/core/routing/floor.ts';
import type { Seat } from '../../src/core/routing/seat.ts';
import type { StrategyName } from '../../src/core/routing/strategies.ts';
import type { Decision, User } from '../../src/contract/schemas.ts';
import { Random } from '../support/random.ts';
import { LoggedConversation } from './logged-conversation.ts';
import { checkFloor, checkPlacement, checkTold, same, type Places } from './routing-checks.ts';
import { RoutingModel, type Expected, type ModelRules } from './routing-model.ts';
import { daily } from './small-floor.ts';

const DEPARTMENTS = ['sales', 'support', 'billing'] as const;
/** `returns` is not configured, and nobody works there. */
const ASKED_FOR = [...DEPARTMENTS, null, 'returns'] as const;
const SKILLS = ['de', 'en', 'vip'] as const;
const PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const;
const PASS_MS = 60_000;
const HOUR_MS = 3_600_000;

interface UnderWay {
  readonly placement: Placement;
  readonly expected: Expected;
  readonly placing: number;
  /** Of the state on which it was decided: a commit on another one fails. */
  readonly lastSeq: number;
}

const NO_DECISION: Decision = { strategy: 'offer', why: 'a test', candidates: [], skipped: [], complete: true };

const rulesOf = ({ fallback, botsFirst, hours }: ModelRules): DepartmentRules => ({
  ...DEFAULT_RULES,
  fallback,
  botsFirst,
  hours: hours === undefined ? undefined : daily(hours.from, hours.to),
});

/** A floor and the model, taken through the same random day and compared after each step. */
export class RoutingWalk {
  /** The last steps, for the one who looks into a failure. */
  readonly history: string[] = [];
  placedCount = 0;
  readonly #random: Random;
  readonly #model: RoutingModel;
  readonly #floor: Floor;
  readonly #logs = new Map<string, LoggedConversation>();
  readonly #users = new Map<string, User>();
  /** What customers were last told, by conversation. */
  #places: Places = new Map();
  readonly #told = new Set<string | null>();
  #underWay: UnderWay[] = [];
  /** Committed, but not yet reported as placed. */
  readonly #unsettled: Placement[] = [];
  #nowMs = Date.UTC(2026, 0, 12, 6);

  constructor(seed: number, strategy: StrategyName) {
    this.#random = new Random(seed);
    const rules: Record<string, ModelRules> = {};
    for (const name of [...DEPARTMENTS, '*']) rules[name] = this.#randomRules(name);
    this.#model = new RoutingModel(strategy, rules, PASS_MS, this.#nowMs);
    this.#floor = new Floor({
      strategy,
      departments: new Departments(Object.fromEntries(Object.entries(rules).map(([name, of]) => [name, rulesOf(of)]))),
      now: () => this.#nowMs,
      passMs: PASS_MS,
      onQueueChange: (department) => this.#told.add(department),
    });
    const count = 3 + this.#random.below(5);
    for (let number = 0; number < count; number += 1) this.#hire(number);
  }

  step(): void {
    this.#pass(this.#random.chance(0.3) ? this.#random.below(4) : 0);
    this.#act();
    this.#check();
    this.#drain();
    this.#check();
  }

  /** As when a desk opens in the morning, or comes back after an outage. */
  burst(count: number): void {
    this.#note(`${String(count)} open at once`);
    for (let number = 0; number < count; number += 1) this.#open();
    this.#drain();
    this.#check();
  }

  // The world.

  #randomRules(name: string): ModelRules {
    const random = this.#random;
    const from = 4 + random.below(8);
    return {
      fallback: random.chance(0.5) ? random.pick(DEPARTMENTS.filter((other) => other !== name)) : undefined,
      botsFirst: random.chance(0.4),
      hours: random.chance(0.4) ? { from, to: from + 2 + random.below(8) } : undefined,
    };
  }

  #hire(number: number): void {
    const isBot = this.#random.chance(0.25);
    const user: User = {
      id: `${isBot ? 'bot' : 'agent'}${String(number)}`,
      name: String(number),
      role: isBot ? 'bot' : 'agent',
    };
    this.#know(user);
    this.#setSeat(user.id);
    if (this.#random.chance(0.8)) this.#beThere(user.id, true, true);
  }

  #know(user: User): void {
    this.#users.set(user.id, user);
    this.#model.agents.push({
      id: user.id,
      isBot: user.role === 'bot',
      status: 'offline',
      departments: [],
      skills: [],
      capacity: 0,
      leased: false,
      connected: false,
      routedAt: 0,
      idleSince: this.#nowMs,
    });
  }

  #setSeat(id: string): void {
    const random = this.#random;
    const facts = {
      status: random.chance(0.85) ? 'online' : random.pick(['away', 'offline'] as const),
      departments: DEPARTMENTS.filter(() => random.chance(0.55)),
      skills: SKILLS.filter(() => random.chance(0.5)),
      capacity: random.below(6),
    } as const;
    this.#note(`seat ${id} ${JSON.stringify(facts)}`);
    this.#model.change(id, facts);
    this.#floor.setSeat({ user: this.#user(id), ...facts });
  }

  #beThere(id: string, leased: boolean, connected: boolean): void {
    this.#note(`${id} leased ${String(leased)} connected ${String(connected)}`);
    this.#model.change(id, { leased, connected });
    const seat = this.#seat(id);
    seat.leased = leased;
    seat.connected = connected;
    this.#floor.changed(seat);
  }

  #pass(ms: number): void {
    if (ms === 0) return;
    const before = this.#nowMs;
    this.#nowMs += ms;
    this.#model.nowMs = this.#nowMs;
    this.#note(`${String(ms)} ms pass`);
    if (this.#model.turnedSince(ASKED_FOR, before)) this.#floor.hoursChanged();
    for (const { id, status, passes } of this.#model.conversations) {
      if (status === 'queued' && passes.some(({ until }) => until > before && until <= this.#nowMs)) this.#resume(id);
    }
  }

  // What people do.

  #act(): void {
    const random = this.#random;
    const waiting = this.#ids('queued');
    const assigned = this.#ids('assigned');
    const one = (ids: readonly string[], act: (id: string) => void): void => {
      if (ids.length > 0) act(random.pick(ids));
    };
    const acts: [weight: number, act: () => void][] = [
      [18, () => this.#open()],
      [2, () => one(this.#ids('closed'), (id) => this.#reopen(id))],
      [12, () => one(assigned, (id) => this.#close(id))],
      [2, () => one(waiting, (id) => this.#close(id))],
      [4, () => one(waiting, (id) => this.#claim(id))],
      [1, () => one(assigned, (id) => this.#claim(id))],
      [6, () => one(assigned, (id) => this.#release(id))],
      [2, () => one([...assigned, ...waiting], (id) => this.#transfer(id))],
      [3, () => one(waiting, (id) => this.#prioritise(id))],
      [5, () => this.#setSeat(random.pick(this.#model.agents).id)],
      [6, () => this.#beThere(random.pick(this.#model.agents).id, random.chance(0.85), random.chance(0.85))],
      [2, () => this.#pass(random.pick([1_000, 20_000, PASS_MS, 10 * PASS_MS, HOUR_MS, 5 * HOUR_MS]))],
      [4, () => one(this.#offered(), (id) => this.#answerOffer(id))],
      [4, () => one(this.#paused(), (id) => this.#resume(id))],
      [6, () => this.#underWay.splice(0, 1 + random.below(3)).forEach((placement) => this.#carryOut(placement))],
      [
        6,
        () =>
          this.#unsettled.splice(0, 1 + random.below(3)).forEach((placement) => this.#floor.settle(placement, true)),
      ],
      [1, () => one(waiting, (id) => this.#offerElsewhere(id))],
    ];
    let left = random.below(acts.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, act] of acts) {
      left -= weight;
      if (left >= 0) continue;
      act();
      return;
    }
  }

  #open(): void {
    const random = this.#random;
    const opening = {
      id: `c${String(this.#logs.size + 1).padStart(4, '0')}`,
      department: random.chance(0.05) ? 'returns' : random.pick([...DEPARTMENTS, null]),
      skills: random.chance(0.6) ? [] : [random.pick(SKILLS), random.pick(SKILLS)],
      priority: random.chance(0.5) ? 'normal' : random.pick(PRIORITIES),
    } as const;
    this.#note(`open ${JSON.stringify(opening)}`);
    // What another node opened is heard of later: then age and arrival differ.
    let lateMs = random.chance(0.1) ? random.below(3) : 0;
    const log = new LoggedConversation(opening, () => this.#nowMs - lateMs);
    this.#model.open({ ...opening, openedAt: this.#nowMs - lateMs });
    lateMs = 0;
    this.#logs.set(opening.id, log);
    // Somebody may take it in the very commit that opens it.
    if (random.chance(0.1)) this.#claim(opening.id);
    else this.#floor.sync(log.state);
  }

  #close(id: string): void {
    this.#note(`close ${id}`);
    this.#model.close(id);
    this.#floor.sync(this.#log(id).close());
  }

  #reopen(id: string): void {
    this.#note(`reopen ${id}`);
    this.#model.reopen(id);
    this.#floor.sync(this.#log(id).reopen());
  }

  /** By hand, whoever it is: who may is not the floor's to say. Now and then somebody of whom only the log knows. */
  #claim(id: string): void {
    const { assignee } = this.#model.conversation(id);
    const others = this.#model.agents.filter((agent) => agent.id !== assignee);
    const agentId = this.#random.chance(0.05) ? `stranger${id}` : this.#random.pick(others).id;
    if (agentId === assignee) return;
    if (!this.#users.has(agentId)) this.#know({ id: agentId, name: 'Stranger', role: 'agent' });
    this.#note(`${agentId} claims ${id}`);
    this.#model.assign(id, agentId);
    this.#floor.sync(this.#log(id).assign(this.#user(agentId)));
  }

  #release(id: string): void {
    const { assignee } = this.#model.conversation(id);
    const isBot = assignee !== undefined && this.#model.agent(assignee).isBot;
    const reason = this.#random.pick(['released', 'agent_disconnected', isBot ? 'bot_handoff' : 'released'] as const);
    this.#note(`release ${id} ${reason}`);
    this.#model.giveBack(id, reason);
    this.#floor.sync(this.#log(id).release(reason));
  }

  #transfer(id: string): void {
    const department = this.#random.pick(ASKED_FOR);
    this.#note(`transfer ${id} to ${String(department)}`);
    this.#model.giveBack(id, 'transferred', department);
    this.#floor.sync(this.#log(id).transferTo(department));
  }

  #prioritise(id: string): void {
    const priority = this.#random.pick(PRIORITIES);
    this.#note(`${id} is ${priority}`);
    this.#model.conversation(id).priority = priority;
    this.#floor.sync(this.#log(id).setPriority(priority));
  }

  #answerOffer(id: string): void {
    const { offeredTo } = this.#model.conversation(id);
    const answer = this.#random.pick(['accepted', 'declined', 'expired', 'withdrawn'] as const);
    this.#note(`offer of ${id} to ${String(offeredTo)}: ${answer}`);
    if (answer === 'accepted' && offeredTo !== undefined) {
      this.#model.assign(id, offeredTo);
      this.#floor.sync(this.#log(id).assign(this.#user(offeredTo), 'routed'));
    } else if (answer !== 'accepted') {
      this.#model.endOffer(id, answer);
      this.#floor.sync(this.#log(id).endOffer(answer));
    }
  }

  /** Another node may offer what is offered or placed here. */
  #offerElsewhere(id: string): void {
    const { status, offeredTo } = this.#model.conversation(id);
    const agent = this.#random.pick(this.#model.agents);
    if (status !== 'queued' || offeredTo !== undefined) return;
    this.#note(`${id} is offered to ${agent.id} elsewhere`);
    this.#model.offer(id, agent.id);
    this.#floor.sync(this.#log(id).offer(this.#user(agent.id), NO_DECISION));
  }

  #resume(id: string): void {
    this.#note(`resume ${id}`);
    this.#model.conversation(id).paused = false;
    this.#floor.resume(id);
  }

  // Routing.

  #drain(): void {
    for (const placement of this.#floor.drain()) {
      const expected = this.#model.next();
      same(
        [placement.conversationId, placement.seat.id, placement.mode],
        [expected?.conversation.id, expected?.agent.id, expected?.mode],
        'placement',
      );
      if (expected === undefined) return;
      checkPlacement(this.#model, placement, expected);
      this.#note(`${placement.mode} ${placement.conversationId} to ${placement.seat.id}`);
      this.placedCount += 1;
      const placing = this.#model.promise(expected);
      const { lastSeq } = this.#log(placement.conversationId).state;
      const underWay = { placement, expected, placing, lastSeq };
      // Some are carried out at once, some later, when other things have happened.
      if (this.#random.chance(0.6)) this.#carryOut(underWay);
      else this.#underWay.push(underWay);
    }
    same(this.#model.next()?.conversation.id, undefined, 'a conversation that waits while an agent has room');
  }

  #carryOut({ placement, placing, lastSeq }: UnderWay): void {
    const { conversationId, seat, mode, decision } = placement;
    const log = this.#log(conversationId);
    if (log.state.lastSeq !== lastSeq || this.#random.chance(0.1)) {
      this.#note(`placement of ${conversationId} with ${seat.id} fails`);
      this.#model.fail(conversationId, placing);
      this.#floor.settle(placement, false);
      return;
    }
    this.#note(`placement of ${conversationId} with ${seat.id} is made`);
    if (mode === 'offer') this.#model.offer(conversationId, seat.id);
    else this.#model.assign(conversationId, seat.id);
    const state = mode === 'offer' ? log.offer(seat.user, decision) : log.assign(seat.user, 'routed');
    this.#floor.sync(state);
    // What is committed together is told of together: the next change may be known before this placement is settled.
    if (this.#random.chance(0.8)) this.#floor.settle(placement, true);
    else this.#unsettled.push(placement);
  }

  // What must hold.

  #check(): void {
    const places = checkFloor(this.#floor, this.#model, ASKED_FOR, this.#random);
    checkTold(this.#places, places, this.#told);
    this.#places = places;
    this.#told.clear();
  }

  // Finding things.

  #ids(status: 'queued' | 'assigned' | 'closed'): string[] {
    return this.#model.conversations.filter((one) => one.status === status).map(({ id }) => id);
  }
  #offered(): string[] {
    return this.#model.conversations.filter(({ offeredTo }) => offeredTo !== undefined).map(({ id }) => id);
  }
  #paused(): string[] {
    return this.#model.conversations.filter(({ paused }) => paused).map(({ id }) => id);
  }
  #log(id: string): LoggedConversation {
    const log = this.#logs.get(id);
    if (log === undefined) throw new Error(`no log of ${id}`);
    return log;
  }
  #user(id: string): User {
    const user = this.#users.get(id);
    if (user === undefined) throw new Error(`no user ${id}`);
    return user;
  }
  #seat(id: string): Seat {
    const seat = this.#floor.seat(id);
    if (seat === undefined) throw new Error(`no seat of ${id}`);
    return seat;
  }
  #note(text: string): void {
    this.history.push(text);
    if (this.history.length > 20) this.history.shift();
  }
}

/** A whole walk. Fails with the seed, the step and what led to it. */
export const walk = (seed: number, strategy: StrategyName, stepCount: number, burstCount: number): number => {
  const course = new RoutingWalk(seed, strategy);
  const burstAt = seed % stepCount;
  for (let step = 0; step < stepCount; step += 1) {
    try {
      if (step === burstAt && burstCount > 0) course.burst(burstCount);
      course.step();
    } catch (error) {
      const told = error instanceof Error ? error.message : String(error);
      throw new Error(
        `seed ${String(seed)} (${strategy}), step ${String(step)}: ${told}\n  ${course.history.join('\n  ')}`,
        { cause: error },
      );
    }
  }
  return course.placedCount;
};
