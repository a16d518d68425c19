import type { Agent, User } from '../../contract/schemas.ts';
import type { AgentRecord } from '../../ports/store.ts';
import type { Candidate } from './strategies.ts';

/** What an agent, or a bot, is known by: from the token, agent:status and the setting. */
export type SeatFacts = Pick<AgentRecord, 'user' | 'status' | 'departments' | 'skills'> & { readonly capacity: number };

/** An agent at work, as the floor sees him. */
export class Seat implements Candidate {
  facts: SeatFacts;
  /** Something was heard of one of his connections lately. */
  leased = false;
  /** At the last look of the floor. */
  wasAvailable = false;
  /** One of his connections is there. */
  connected = false;
  /** Conversations assigned to him. */
  readonly active = new Set<string>();
  /** Conversations on their way to him: offers that stand, and placements under way. */
  readonly held = new Set<string>();
  routedAt = 0;
  idleSince: number;

  constructor(facts: SeatFacts, now: number) {
    this.facts = facts;
    this.idleSince = now;
  }

  get id(): string {
    return this.facts.user.id;
  }
  get user(): User {
    return this.facts.user;
  }
  get isBot(): boolean {
    return this.facts.user.role === 'bot';
  }
  get load(): number {
    return this.active.size + this.held.size;
  }
  get capacity(): number {
    return this.facts.capacity;
  }
  /** What others are to believe: nobody is online whose lease has ended. */
  get status(): Agent['status'] {
    return this.leased ? this.facts.status : 'offline';
  }
  /** At his place and willing; whether he has room is another question. */
  get available(): boolean {
    return this.status === 'online';
  }
  /** Can take one more now. A lost connection gets no new work, even while its lease goes on. */
  get ready(): boolean {
    return this.available && this.connected && this.load < this.capacity;
  }
}

export const agentView = (seat: Seat): Agent => ({
  ...seat.user,
  status: seat.status,
  departments: [...seat.facts.departments],
  skills: [...seat.facts.skills],
  activeCount: seat.active.size,
  capacity: seat.capacity,
});
