// A process full of clients, started by the run: `tsx test/chaos/clients.ts`, spoken to over IPC.
import { io } from 'socket.io-client';
import type { PayloadInput, Reply, ReplyData } from '../../src/contract/contract.ts';
import { Random } from '../support/random.ts';
import { agent, customer, supervisor, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { Times } from './columns.ts';
import { Member, type World } from './member.ts';
import type { ClientTotals, FromClients, Head, Setup, ToClients } from './messages.ts';
import { Seat } from './seat.ts';

const TICK_MS = 5;
const WATCH_MS = 250;
const PROGRESS_MS = 500;
/** Unanswered messages beyond which nothing new is issued, so that an outage does not fill the memory. */
const MAX_PENDING = 20_000;
/** An answer that comes this long after the last fault was healed still belongs to it. */
const AFTERMATH_MS = 3_000;
/** Every so many customers one speaks over long-polling. */
const POLLING_EVERY = 12;
const POLLING_FACTOR = 0.2;

const tell = (message: FromClients): void => void process.send?.(message);

/** Opens the conversations, each for its customer, on a connection that is closed again. */
const openAll = async (setup: Setup, customers: readonly string[]): Promise<string[]> => {
  const identity = supervisor(`w${String(setup.index)}-opener`, { tenant: setup.tenant });
  const socket = io(setup.urls[0], { auth: { token: tokenFor(identity) }, transports: ['websocket'], forceNew: true });
  const ids: string[] = [];
  try {
    await until('the opener to be connected', () => socket.connected, 30_000);
    for (const customerId of customers) {
      const payload: PayloadInput<'conversation:open'> = { customerId, clientConversationId: 'chaos' };
      const answer: unknown = await socket.timeout(15_000).emitWithAck('conversation:open', payload);
      const reply = answer as Reply<ReplyData<'conversation:open'>>;
      if (!reply.ok) throw new Error(`a conversation was not opened: ${JSON.stringify(reply.error)}`);
      ids.push(reply.data.conversation.id);
    }
  } finally {
    socket.disconnect();
  }
  return ids;
};

class Clients {
  readonly #setup: Setup;
  readonly #random: Random;
  readonly #members: Member[] = [];
  readonly #agents: Member[] = [];
  readonly #supervisors: Member[] = [];
  /** Who may send, as often as he is likely to. */
  readonly #senders: { readonly member: Member; readonly seat: Seat }[] = [];
  readonly #refusals: Record<string, number> = {};
  readonly #wrong: string[] = [];
  readonly #outside = new Times();
  readonly #inside = new Times();
  #acknowledged = 0;
  #issued = 0;
  #messages: number;
  #heldBackMs = 0;
  #longestSilenceMs = 0;
  #lastAnswerAt = 0;
  #faults = 0;
  #lastFaultAt = -Infinity;
  #isCalm = false;
  #isRunning = false;

  private constructor(setup: Setup) {
    this.#setup = setup;
    this.#messages = setup.messages;
    this.#random = new Random(setup.seed * 31 + setup.index + 1);
  }

  static async start(setup: Setup): Promise<Clients> {
    const clients = new Clients(setup);
    const name = (kind: string, number: number): string => `w${String(setup.index)}-${kind}${String(number)}`;
    const customers = Array.from({ length: setup.conversations }, (_, number) => name('c', number));
    const ids = await openAll(setup, customers);
    const world: World = {
      urls: setup.urls,
      random: clients.#random,
      answered: (dueAt) => clients.#answered(dueAt),
      refused: (what) => (clients.#refusals[what] = (clients.#refusals[what] ?? 0) + 1),
      wrong: (what) => {
        if (clients.#wrong.length < 100) clients.#wrong.push(what);
      },
      absenceMs: (member, attempt) => clients.#absenceMs(member, attempt),
    };
    const { tenant } = setup;
    for (const [number, sub] of customers.entries()) {
      const transports = number % POLLING_EVERY === POLLING_EVERY - 1 ? ['polling'] : ['websocket'];
      clients.#members.push(new Member(customer(sub, { tenant }), world, transports));
    }
    for (let number = 0; number < setup.agents; number += 1)
      clients.#agents.push(new Member(agent(name('a', number), { tenant, maxChats: 1_000 }), world, ['websocket']));
    for (let number = 0; number < setup.supervisors; number += 1)
      clients.#supervisors.push(new Member(supervisor(name('s', number), { tenant }), world, ['websocket']));
    const customersOnly = [...clients.#members];
    clients.#members.push(...clients.#agents, ...clients.#supervisors);

    const seat = (member: Member | undefined, id: string, weight: number): void => {
      if (member === undefined) return;
      const made = new Seat(id);
      member.seats.set(id, made);
      for (let times = 0; times < weight; times += 1) clients.#senders.push({ member, seat: made });
    };
    for (const [number, id] of ids.entries()) {
      const polling = number % POLLING_EVERY === POLLING_EVERY - 1;
      seat(customersOnly[number], id, polling ? Math.round(12 * POLLING_FACTOR) : 12);
      seat(clients.#agents[number % setup.agents], id, 7);
      if (number % 2 === 0) seat(clients.#supervisors[(number / 2) % Math.max(1, setup.supervisors)], id, 1);
    }
    for (const member of clients.#members) member.connect();
    await until('all clients to have joined', () => clients.#members.every(({ isConnected }) => isConnected), 60_000);
    tell({ kind: 'ready', conversationIds: ids });
    return clients;
  }

  run(): void {
    this.#isRunning = true;
    const startedAt = performance.now();
    this.#lastAnswerAt = startedAt;
    const { rate, changesPerSecond } = this.#setup;
    // Time in which nothing was issued because too much waited; the plan moves on by it.
    let heldMs = 0;
    let lastTickAt = startedAt;
    let changesDone = 0;
    setInterval(() => {
      const now = performance.now();
      const waiting = this.#issued - this.#acknowledged;
      if (waiting > MAX_PENDING) heldMs += now - lastTickAt;
      lastTickAt = now;
      this.#heldBackMs = heldMs;
      const elapsedMs = now - startedAt - heldMs;
      const due = Math.min(this.#messages, Math.floor((elapsedMs * rate) / 1_000));
      while (this.#issued < due) {
        const { member, seat } = this.#random.pick(this.#senders);
        seat.issue(startedAt + heldMs + (this.#issued / rate) * 1_000);
        this.#issued += 1;
        if (this.#issued % 256 === 0) member.flush();
      }
      for (const member of this.#members) member.flush();
      if (this.#isCalm || this.#issued === this.#messages) return;
      for (; changesDone < ((now - startedAt) * changesPerSecond) / 1_000; changesDone += 1) this.#change();
    }, TICK_MS);
    setInterval(() => {
      const now = performance.now();
      if (this.#issued > this.#acknowledged)
        this.#longestSilenceMs = Math.max(this.#longestSilenceMs, now - this.#lastAnswerAt);
      else this.#lastAnswerAt = now;
      for (const member of this.#members) member.watch(now);
    }, WATCH_MS);
    setInterval(() => {
      const done = this.#acknowledged + this.#wrong.length >= this.#messages;
      tell({ kind: 'progress', issued: this.#issued, acknowledged: this.#acknowledged, done });
    }, PROGRESS_MS);
  }

  set faults(count: number) {
    this.#faults = count;
    this.#lastFaultAt = performance.now();
  }

  enough(): void {
    this.#messages = this.#issued;
  }

  calm(): void {
    this.#isCalm = true;
    for (const member of this.#members) member.comeBack();
  }

  async arrive(heads: Readonly<Record<string, Head>>, withinMs: number): Promise<void> {
    const problems = (): string[] =>
      this.#members.flatMap((member) =>
        [...member.seats.values()].flatMap((seat) => {
          const head = heads[seat.conversationId];
          const end = member.identity.role === 'customer' ? head?.lastPublic : head?.last;
          if (seat.isLive && seat.lastSeq === end) return [];
          return [
            `${seat.conversationId}: ${member.identity.sub}, who is ${seat.isLive ? 'connected' : 'not connected'}, has come to seq ${String(seat.lastSeq)} of ${String(end)}`,
          ];
        }),
      );
    await until('everybody to come to the end', () => problems().length === 0, withinMs).catch(() => undefined);
    tell({ kind: 'arrived', problems: problems() });
  }

  dump(): void {
    for (const member of this.#members) {
      member.close();
      for (const seat of member.seats.values()) tell({ kind: 'seat', seat: seat.dump(member.identity) });
    }
    const sum = (of: (member: Member) => number): number =>
      this.#members.reduce((total, member) => total + of(member), 0);
    const totals: ClientTotals = {
      emissions: sum(({ emissions }) => emissions),
      connections: sum(({ connections }) => connections) - this.#members.length,
      heldBackMs: this.#heldBackMs,
      refusals: this.#refusals,
      wrong: this.#wrong,
      ackMsOutside: this.#outside.counts,
      ackMsInside: this.#inside.counts,
      longestSilenceMs: this.#longestSilenceMs,
    };
    tell({ kind: 'dumped', totals });
  }

  #answered(dueAt: number): void {
    const now = performance.now();
    this.#acknowledged += 1;
    if (this.#isRunning) this.#longestSilenceMs = Math.max(this.#longestSilenceMs, now - this.#lastAnswerAt);
    this.#lastAnswerAt = now;
    const isInside = this.#faults > 0 || dueAt < this.#lastFaultAt + AFTERMATH_MS;
    (isInside ? this.#inside : this.#outside).add(now - dueAt);
  }

  /** Some agents stay away for longer than their lease, so that what they have goes back to the queue. */
  #absenceMs(member: Member, attempt: number): number {
    // As stock clients do: longer from time to time, and never all at once.
    const soonMs = 50 + this.#random.below(Math.min(5_000, 250 * 2 ** attempt));
    if (this.#isCalm || member.identity.role !== 'agent' || !this.#random.chance(0.25)) return soonMs;
    return this.#setup.agentLeaseMs + 2_000 + this.#random.below(2_000);
  }

  #change(): void {
    const member = this.#random.chance(0.2) ? this.#random.pick(this.#supervisors) : this.#random.pick(this.#agents);
    const seats = [...member.seats.values()];
    if (seats.length === 0) return;
    const seat = this.#random.pick(seats);
    const { conversationId } = seat;
    const agentId = this.#random.pick(this.#agents).identity.sub;
    const dice = this.#random.next();
    if (member.identity.role === 'supervisor')
      member.change('assignment:assign', seat, { conversationId, agentId: dice < 0.8 ? agentId : member.identity.sub });
    else if (dice < 0.5) member.change('assignment:claim', seat, { conversationId });
    else if (dice < 0.8) member.change('assignment:release', seat, { conversationId });
    else member.change('assignment:transfer', seat, { conversationId, to: { agentId } });
  }
}

let clients: Clients | undefined;
const failed = (error: unknown): void => {
  console.error(error);
  process.exit(1);
};
process.on('unhandledRejection', failed);
// The run is gone: nobody is left to report to.
process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToClients) => {
  switch (message.kind) {
    case 'setup':
      Clients.start(message.setup).then((started) => (clients = started), failed);
      break;
    case 'go':
      clients?.run();
      break;
    case 'faults':
      if (clients !== undefined) clients.faults = message.count;
      break;
    case 'enough':
      clients?.enough();
      break;
    case 'calm':
      clients?.calm();
      break;
    case 'arrive':
      clients?.arrive(message.heads, message.withinMs).catch(failed);
      break;
    case 'dump':
      clients?.dump();
      break;
  }
});
