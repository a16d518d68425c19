import type { Decision, Offer, User } from '../../src/contract/schemas.ts';
import { begin, fold } from '../../src/core/fold.ts';
import type { ConversationState, StoredEntry } from '../../src/ports/store.ts';

export interface Opening {
  readonly id: string;
  readonly department?: string | null;
  readonly skills?: readonly string[];
  readonly priority?: ConversationState['priority'];
}

type Reason = StoredEntry<'conversation:assigned'>['reason'];
type Outcome = NonNullable<StoredEntry<'conversation:updated'>['offerOutcome']>;

const CUSTOMER: User = { id: 'ann', name: 'Ann', role: 'customer' };

/** A conversation made by its entries, so that its states are those that a log would give. */
export class LoggedConversation {
  state: ConversationState;
  readonly #now: () => number;

  constructor({ id, department = null, skills = [], priority = 'normal' }: Opening, now: () => number) {
    this.#now = now;
    const entry: StoredEntry<'conversation:opened'> = {
      id: `${id}-1`,
      conversationId: id,
      seq: 1,
      at: new Date(now()).toISOString(),
      author: CUSTOMER,
      visibility: 'all',
      type: 'conversation:opened',
      clientConversationId: null,
      customer: CUSTOMER,
      subject: null,
      department,
      priority,
      skills: [...skills],
      metadata: {},
    };
    this.state = begin('default', entry);
  }

  assign(assignee: User, reason: Reason = 'claimed'): ConversationState {
    const change = { assignee, previousAssignee: this.state.assignee, fence: this.state.fence + 1, reason };
    return this.#append((fields) => ({ ...fields, type: 'conversation:assigned', ...change }));
  }

  release(reason: Reason = 'released'): ConversationState {
    const change = { assignee: null, previousAssignee: this.state.assignee, fence: this.state.fence + 1, reason };
    return this.#append((fields) => ({ ...fields, type: 'conversation:released', ...change }));
  }

  transferTo(department: string | null): ConversationState {
    const { assignee: previousAssignee, fence } = this.state;
    return this.#append((fields) => ({
      ...fields,
      type: 'conversation:transferred',
      assignee: null,
      previousAssignee,
      fence: fence + 1,
      reason: 'transferred',
      department,
    }));
  }

  setPriority(priority: ConversationState['priority']): ConversationState {
    return this.#append((fields) => ({ ...fields, type: 'conversation:updated', priority }));
  }

  offer(agent: User, decision: Decision): ConversationState {
    const expiresAt = new Date(this.#now() + 30_000).toISOString();
    const offer: Offer = { offerId: `offer-${String(this.state.lastSeq + 1)}`, agent, expiresAt, decision };
    return this.#append((fields) => ({ ...fields, type: 'conversation:updated', offer }));
  }

  endOffer(offerOutcome: Outcome): ConversationState {
    return this.#append((fields) => ({ ...fields, type: 'conversation:updated', offer: null, offerOutcome }));
  }

  close(): ConversationState {
    return this.#append((fields) => ({ ...fields, type: 'conversation:closed', reason: null }));
  }

  reopen(): ConversationState {
    const fence = this.state.fence + 1;
    return this.#append((fields) => ({ ...fields, type: 'conversation:reopened', fence }));
  }

  #append(
    entry: (fields: Pick<StoredEntry, 'id' | 'conversationId' | 'seq' | 'at' | 'author' | 'visibility'>) => StoredEntry,
  ): ConversationState {
    const { id, lastSeq } = this.state;
    const seq = lastSeq + 1;
    const at = new Date(this.#now()).toISOString();
    const fields = {
      id: `${id}-${String(seq)}`,
      conversationId: id,
      seq,
      at,
      author: null,
      visibility: 'all',
    } as const;
    this.state = fold(this.state, entry(fields));
    return this.state;
  }
}
