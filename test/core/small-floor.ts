import type { User } from '../../src/contract/schemas.ts';
import { WEEKDAYS, type BusinessHours } from '../../src/core/business-hours.ts';
import { DEFAULT_RULES, Departments, type DepartmentRules } from '../../src/core/departments.ts';
import { Floor, type Placement } from '../../src/core/routing/floor.ts';
import type { Seat, SeatFacts } from '../../src/core/routing/seat.ts';
import type { StrategyName } from '../../src/core/routing/strategies.ts';
import { LoggedConversation, type Opening } from './logged-conversation.ts';

export const PASS_MS = 120_000;

/** Every day from one hour to another, in UTC. */
export const daily = (fromHour: number, toHour: number): BusinessHours => ({
  timeZone: 'UTC',
  week: Object.fromEntries(
    WEEKDAYS.map((day) => [day, [{ fromMinute: fromHour * 60, toMinute: toHour * 60 }]]),
  ) as unknown as BusinessHours['week'],
  closedOn: [],
});

export const userOf = (id: string): User => ({ id, name: id, role: id.startsWith('bot') ? 'bot' : 'agent' });

/** A floor with a clock that is moved by hand, beginning at 2026-01-12T10:00Z. */
export class SmallFloor {
  nowMs = Date.UTC(2026, 0, 12, 10);
  readonly floor: Floor;
  /** Departments whose places may have changed, since it was last emptied. */
  readonly told = new Set<string | null>();
  readonly #logs = new Map<string, LoggedConversation>();

  constructor(strategy: StrategyName, rules: Readonly<Record<string, Partial<DepartmentRules>>> = {}) {
    const table = Object.entries(rules).map(([name, change]) => [name, { ...DEFAULT_RULES, ...change }] as const);
    this.floor = new Floor({
      strategy,
      departments: new Departments(Object.fromEntries(table)),
      now: () => this.nowMs,
      passMs: PASS_MS,
      onQueueChange: (department) => this.told.add(department),
    });
  }

  /** An agent at work; whose id begins with `bot` is one. */
  hire(id: string, facts: Partial<Omit<SeatFacts, 'user'>> = {}): Seat {
    const seat = this.floor.setSeat({
      user: userOf(id),
      status: 'online',
      departments: [],
      skills: [],
      capacity: 1,
      ...facts,
    });
    this.presence(id, true);
    return seat;
  }

  presence(id: string, leased: boolean, connected = leased): void {
    const seat = this.floor.seat(id)!;
    Object.assign(seat, { leased, connected });
    this.floor.changed(seat);
  }

  open(opening: Opening): LoggedConversation {
    const log = new LoggedConversation(opening, () => this.nowMs);
    this.#logs.set(opening.id, log);
    this.floor.sync(log.state);
    return log;
  }

  log(id: string): LoggedConversation {
    return this.#logs.get(id)!;
  }

  /** An agent has a conversation for so long, and it is closed. */
  handle(id: string, agentId: string, durationMs: number, department: string | null = null): void {
    const log = this.open({ id, department });
    this.floor.sync(log.assign(userOf(agentId)));
    this.nowMs += durationMs;
    this.floor.sync(log.close());
  }

  /** Places what can be placed; `c1 → ann` for each, in order. */
  route(): string[] {
    return this.drain().map((placement) => {
      this.carryOut(placement);
      return `${placement.conversationId} → ${placement.seat.id}`;
    });
  }

  drain(): Placement[] {
    return [...this.floor.drain()];
  }

  carryOut(placement: Placement): void {
    const log = this.log(placement.conversationId);
    const { seat, mode, decision } = placement;
    this.floor.sync(mode === 'offer' ? log.offer(seat.user, decision) : log.assign(seat.user, 'routed'));
    this.floor.settle(placement, true);
  }
}
