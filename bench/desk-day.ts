import { BenchDesk } from './bench-desk.ts';
import { until } from './until.ts';
import {
  ask,
  CAPACITY,
  departmentsOf,
  hire,
  HALVES,
  randomFrom,
  ROOMY_LOAD,
  takeAny,
  type Asked,
  type Half,
} from './workforce.ts';

interface Held {
  readonly conversationId: string;
  readonly customerId: string;
  readonly agentId: string;
}

interface Arrival {
  readonly half: Half;
  readonly dueAtMs: number;
}

/** How many conversations are opened at the same time while the desk is filled. */
const FILLING = 200;

/** A desk in use: half of it swamped, half of it with room. */
export class Day {
  readonly active: Record<Half, Held[]> = { swamped: [], roomy: [] };
  /** Milliseconds from when it was due until the assignment was committed and told. */
  readonly took: Record<'opened' | 'freed', number[]> = { opened: [], freed: [] };
  onFreed: () => void = () => undefined;
  readonly #desk: BenchDesk;
  readonly #random = randomFrom(5);
  readonly #arrivals = new Map<string, Arrival>();
  readonly #customers = new Map<string, string>();
  /** When places were due to become free, by the agent who has them. */
  readonly #freedAtMs = new Map<string, number[]>();
  #trouble: unknown;
  #customerCount = 0;
  #underWay = 0;

  private constructor(desk: BenchDesk) {
    this.#desk = desk;
  }

  static async begin(folder: string): Promise<Day> {
    const desk = await BenchDesk.open(folder, {
      onOpened: (customerId, conversationId) => day.#customers.set(conversationId, customerId),
      onAssigned: (conversationId, agentId) => day.#assigned(conversationId, agentId),
      onTrouble: (trouble) => (day.#trouble ??= trouble),
    });
    const day: Day = new Day(desk);
    return day;
  }

  /** Brings everybody to work and lets so many wait, with no room for any of them. */
  async fill(agentCount: number, waitingCount: number): Promise<void> {
    for (const half of HALVES) await Promise.all(hire(half, agentCount / 2).map((worker) => this.#desk.hire(worker)));
    const places = (agentCount / 2) * CAPACITY;
    const departments = departmentsOf('swamped');
    // Without a skill they fit everybody, so that nobody has room afterwards; the few too many of them wait.
    for (let index = 0; this.active.swamped.length < places; index += 1) {
      const department = departments[index % departments.length] ?? null;
      this.open('swamped', performance.now(), { department, skills: [], priority: 'normal' });
      if (this.#underWay >= FILLING) await this.settled();
      if (this.#desk.waitingCount > waitingCount) throw new Error(`more than ${String(waitingCount)} wait already`);
    }
    while (this.#desk.waitingCount < waitingCount) {
      const missing = waitingCount - this.#desk.waitingCount;
      for (let index = 0; index < Math.min(FILLING, missing); index += 1) this.open('swamped');
      await this.settled();
    }
    while (this.active.roomy.length < places * ROOMY_LOAD) {
      for (let index = 0; index < FILLING; index += 1) this.open('roomy');
      await this.settled();
    }
    this.took.opened.length = 0;
  }

  get waitingCount(): number {
    return this.#desk.waitingCount;
  }

  open(half: Half, dueAtMs = performance.now(), asked: Asked = ask(half, this.#random)): void {
    this.#customerCount += 1;
    const customerId = `customer-${String(this.#customerCount)}`;
    this.#arrivals.set(customerId, { half, dueAtMs });
    this.#run(this.#desk.open(customerId, asked));
  }

  /** Ends one conversation of somebody; in the swamped half the agent then gets another. */
  close(half: Half, dueAtMs = performance.now()): void {
    const { conversationId, customerId, agentId } = takeAny(this.active[half], this.#random);
    if (half === 'swamped') {
      const pending = this.#freedAtMs.get(agentId);
      if (pending === undefined) this.#freedAtMs.set(agentId, [dueAtMs]);
      else pending.push(dueAtMs);
    }
    this.#run(this.#desk.close(agentId, conversationId, customerId));
  }

  /** All requests are answered, every new conversation of the roomy half has somebody, and every freed place is taken. */
  async settled(): Promise<void> {
    await until('the desk to be at rest', () => {
      if (this.#trouble !== undefined) throw new Error('the desk is in trouble', { cause: this.#trouble });
      if (this.#underWay > 0) return false;
      if ([...this.#freedAtMs.values()].some((pending) => pending.length > 0)) return false;
      return ![...this.#arrivals.values()].some(({ half }) => half === 'roomy');
    });
  }

  async end(): Promise<void> {
    await this.#desk.stop();
  }

  #run(request: Promise<void>): void {
    this.#underWay += 1;
    request
      .catch((error: unknown) => (this.#trouble ??= error))
      .finally(() => (this.#underWay -= 1))
      .catch(() => undefined);
  }

  #assigned(conversationId: string, agentId: string): void {
    const now = performance.now();
    const customerId = this.#customers.get(conversationId) ?? '';
    const arrival = this.#arrivals.get(customerId);
    if (arrival === undefined) throw new Error(`${conversationId} was assigned twice`);
    this.#arrivals.delete(customerId);
    this.#customers.delete(conversationId);
    const { half, dueAtMs } = arrival;
    this.active[half].push({ conversationId, customerId, agentId });
    if (half === 'roomy') this.took.opened.push(now - dueAtMs);
    const freedAtMs = this.#freedAtMs.get(agentId)?.shift();
    if (freedAtMs === undefined) return;
    this.took.freed.push(now - freedAtMs);
    this.onFreed();
  }
}
