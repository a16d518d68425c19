import { isOpen, nextChange, type BusinessHours } from './business-hours.ts';

/** What holds for a department. */
export interface DepartmentRules {
  /** Whose agents take over while nobody of the department is online, or while it is closed. */
  readonly fallback: string | undefined;
  /** Bots get a conversation first, people after a bot's hand-over or when no bot has room. */
  readonly botsFirst: boolean;
  /** undefined: always open. */
  readonly hours: BusinessHours | undefined;
  readonly outOfHoursMessage: string;
}

/** By department, and under `NO_DEPARTMENT`. */
export type DepartmentTable = Readonly<Record<string, DepartmentRules>>;

/** Key of the rules for conversations without a department. */
export const NO_DEPARTMENT = '*';

/** What holds where nothing is configured. */
export const DEFAULT_RULES: DepartmentRules = Object.freeze({
  fallback: undefined,
  botsFirst: false,
  hours: undefined,
  outOfHoursMessage: 'We are closed at the moment. Your message is kept, and we answer when we are open again.',
});

export class Departments {
  /** A map, because a department may be named like something that every object inherits. */
  readonly #rules: ReadonlyMap<string, DepartmentRules>;

  constructor(table: DepartmentTable) {
    this.#rules = new Map(Object.entries(table));
  }

  /** null: those for conversations without a department. `DEFAULT_RULES` when not configured. */
  rules(department: string | null): DepartmentRules {
    return this.#rules.get(department ?? NO_DEPARTMENT) ?? DEFAULT_RULES;
  }

  isConfigured(department: string): boolean {
    return department !== NO_DEPARTMENT && this.#rules.has(department);
  }

  isOpen(department: string | null, nowMs: number): boolean {
    const { hours } = this.rules(department);
    return hours === undefined || isOpen(hours, nowMs);
  }

  /** When it opens next; undefined when it is open now, or stays closed for a year. */
  opensAt(department: string | null, nowMs: number): number | undefined {
    const { hours } = this.rules(department);
    return hours === undefined || isOpen(hours, nowMs) ? undefined : nextChange(hours, nowMs);
  }

  /**
   * The next instant after `nowMs` at which any configured department, or what has none, opens or closes; undefined
   * when none does within a year.
   */
  nextChange(nowMs: number): number | undefined {
    let earliest: number | undefined;
    for (const { hours } of this.#rules.values()) {
      const change = hours === undefined ? undefined : nextChange(hours, nowMs);
      if (change !== undefined && (earliest === undefined || change < earliest)) earliest = change;
    }
    return earliest;
  }
}
