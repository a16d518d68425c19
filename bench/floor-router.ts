import { Departments } from '../src/core/departments.ts';
import { Floor } from '../src/core/routing/floor.ts';
import { isoTime } from '../src/ports/clock.ts';
import type { ConversationState } from '../src/ports/store.ts';
import type { Contender, Decided } from './contender.ts';
import { CAPACITY, type Worker } from './workforce.ts';

/** Deskwire's floor, told what the router tells it: each commit, and how each placement ended. */
export class FloorRouter implements Contender {
  readonly #floor: Floor;
  readonly #now: () => number;
  readonly #conversations = new Map<string, ConversationState>();

  constructor(workers: readonly Worker[], now: () => number) {
    this.#now = now;
    this.#floor = new Floor({
      strategy: 'least-busy',
      departments: new Departments({}),
      now,
      passMs: 120_000,
      onQueueChange: () => undefined,
    });
    for (const { id, departments, skills } of workers) {
      const user = { id, name: id, role: 'agent' } as const;
      const seat = this.#floor.setSeat({ user, status: 'online', departments, skills, capacity: CAPACITY });
      seat.leased = true;
      seat.connected = true;
      this.#floor.changed(seat);
    }
  }

  get waitingCount(): number {
    return this.#floor.waitingCount;
  }

  open(conversation: ConversationState): Decided | undefined {
    this.#conversations.set(conversation.id, conversation);
    this.#floor.sync(conversation);
    return this.#route();
  }

  close(conversation: ConversationState): Decided | undefined {
    this.#conversations.delete(conversation.id);
    conversation.status = 'closed';
    this.#floor.sync(conversation);
    return this.#route();
  }

  #route(): Decided | undefined {
    const [placement, ...others] = this.#floor.drain();
    if (placement === undefined) return undefined;
    const conversation = this.#conversations.get(placement.conversationId);
    if (conversation === undefined || others.length > 0) throw new Error('one place, or one conversation, for several');
    const { user } = placement.seat;
    conversation.status = 'assigned';
    conversation.assignee = user;
    conversation.assignedAt = isoTime(this.#now());
    this.#floor.sync(conversation);
    // After each commit it is asked whether there is more.
    if ([...this.#floor.drain()].length > 0) throw new Error('somebody waited though there was room');
    this.#floor.settle(placement, true);
    return { conversation, agentId: user.id };
  }
}
