import type { Departments } from '../departments.ts';
import type { Seat } from './seat.ts';
import type { Group } from './waiting-list.ts';

interface Staffing {
  /** People who are online and take conversations. */
  online: number;
  /** Conversations they can hold together. */
  places: number;
}

type Served =
  | { readonly kind: 'open'; readonly places: number }
  | { readonly kind: 'closed'; readonly opensAt: number | undefined };

/** Who serves which department at this moment: opening hours, who is online, and who takes over for whom. */
export class Service {
  readonly #departments: Departments;
  readonly #now: () => number;
  readonly #staffing = new Map<string | null, Staffing>();
  /** What each seat was counted as. */
  readonly #counted = new Map<Seat, { departments: readonly string[]; capacity: number }>();
  readonly #open = new Map<string | null, boolean>();
  readonly #opensAt = new Map<string | null, number | undefined>();

  constructor(departments: Departments, now: () => number) {
    this.#departments = departments;
    this.#now = now;
  }

  /**
   * Counts a seat as it is now.
   *
   * @returns departments that got their first, or lost their last, agent; and whether anything moved at all
   */
  count(seat: Seat): { flipped: ReadonlySet<string | null>; moved: boolean } {
    const flipped = new Set<string | null>();
    const before = this.#counted.get(seat);
    const now =
      seat.available && !seat.isBot && seat.capacity > 0
        ? { departments: seat.facts.departments, capacity: seat.capacity }
        : undefined;
    if (before?.departments === now?.departments && before?.capacity === now?.capacity)
      return { flipped, moved: false };
    if (before !== undefined) this.#add(before, -1, flipped);
    if (now !== undefined) this.#add(now, 1, flipped);
    if (now === undefined) this.#counted.delete(seat);
    else this.#counted.set(seat, now);
    return { flipped, moved: true };
  }

  /** Opening hours have changed for some department. */
  forgetHours(): void {
    this.#open.clear();
    this.#opensAt.clear();
  }

  /** Whether a seat's departments and skills fit a group, be the agent there or not. */
  fits(seat: Seat, { department, skills, handedOff }: Group): boolean {
    if (!skills.every((skill) => seat.facts.skills.includes(skill))) return false;
    const { fallback, botsFirst } = this.#departments.rules(department);
    if (seat.isBot) return botsFirst && !handedOff && this.#isOf(seat, department);
    return this.#isOf(seat, department) || (fallback !== undefined && this.#isOf(seat, fallback));
  }

  /** Whether the department of a group is this seat's to serve at this moment. */
  covers(seat: Seat, { department }: Group): boolean {
    // Bots have no hours.
    if (seat.isBot) return this.#isOf(seat, department);
    if (this.#isOf(seat, department) && this.isOpen(department)) return true;
    const substitute = this.#substitute(department);
    return substitute !== undefined && this.#isOf(seat, substitute);
  }

  isOpen(department: string | null): boolean {
    let open = this.#open.get(department);
    if (open === undefined) {
      open = this.#departments.isOpen(department, this.#now());
      this.#open.set(department, open);
    }
    return open;
  }

  /** What a customer of the department can expect. */
  of(department: string | null): Served {
    const substitute = this.#substitute(department);
    const open = this.isOpen(department);
    const serving = substitute ?? (open ? department : undefined);
    const places = serving === undefined ? 0 : (this.#staffing.get(serving)?.places ?? 0);
    if (open || places > 0) return { kind: 'open', places };
    // Found once: a calendar is searched for it.
    if (!this.#opensAt.has(department))
      this.#opensAt.set(department, this.#departments.opensAt(department, this.#now()));
    return { kind: 'closed', opensAt: this.#opensAt.get(department) };
  }

  /** The department that takes over at this moment. */
  #substitute(department: string | null): string | undefined {
    const { fallback } = this.#departments.rules(department);
    if (fallback === undefined || !this.isOpen(fallback)) return undefined;
    const deserted = (this.#staffing.get(department)?.online ?? 0) === 0;
    return deserted || !this.isOpen(department) ? fallback : undefined;
  }

  /** What has no department is everybody's. */
  #isOf(seat: Seat, department: string | null): boolean {
    return department === null || seat.facts.departments.includes(department);
  }

  #add(
    { departments, capacity }: { departments: readonly string[]; capacity: number },
    sign: 1 | -1,
    flipped: Set<string | null>,
  ): void {
    for (const department of [null, ...new Set(departments)]) {
      const staffing = this.#staffing.get(department) ?? { online: 0, places: 0 };
      this.#staffing.set(department, staffing);
      const was = staffing.online;
      staffing.online += sign;
      staffing.places += sign * capacity;
      if (was === 0 || staffing.online === 0) flipped.add(department);
    }
  }
}
