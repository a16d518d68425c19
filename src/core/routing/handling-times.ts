/** Conversations over which the mean is taken. */
const KEPT = 50;

/** How long agents had the last conversations of each department. */
export class HandlingTimes {
  readonly #times = new Map<string | null, number[]>();

  add(department: string | null, durationMs: number): void {
    const times = this.#times.get(department) ?? [];
    times.push(durationMs);
    if (times.length > KEPT) times.shift();
    this.#times.set(department, times);
  }

  /** undefined: none has ended yet. */
  mean(department: string | null): number | undefined {
    const times = this.#times.get(department) ?? [];
    return times.length === 0 ? undefined : times.reduce((sum, time) => sum + time, 0) / times.length;
  }
}
