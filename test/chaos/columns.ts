/** Numbers that grow in number: four bytes each, so that a million messages and their streams fit into memory. */
export class Column {
  #values = new Int32Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Int32Array(this.#length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  /** A copy, to be sent to another process. */
  toArray(): Int32Array {
    return this.#values.slice(0, this.#length);
  }
}

const SLOTS_MS = 60_000;

/** Times in milliseconds, counted by the millisecond. */
export class Times {
  readonly counts: Int32Array;

  constructor(counts = new Int32Array(SLOTS_MS + 1)) {
    this.counts = counts;
  }

  add(ms: number): void {
    const slot = Math.min(SLOTS_MS, Math.max(0, Math.round(ms)));
    this.counts[slot] = (this.counts[slot] ?? 0) + 1;
  }

  addAll(other: Int32Array): void {
    for (let slot = 0; slot < other.length; slot += 1)
      this.counts[slot] = (this.counts[slot] ?? 0) + (other[slot] ?? 0);
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** In milliseconds; 0 where there is none. */
  quantile(share: number): number {
    const rank = Math.ceil(this.total * share);
    let sum = 0;
    for (let slot = 0; slot < this.counts.length; slot += 1) {
      sum += this.counts[slot] ?? 0;
      if (sum >= rank && sum > 0) return slot;
    }
    return 0;
  }
}
