import type { Limits } from '../contract/limits.ts';
import type { User } from '../contract/schemas.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { ConversationState, Store, StoredEntry } from '../ports/store.ts';
import type { Change } from './placing.ts';
import { closedDraft } from './desk-times.ts';
import type { Journal } from './journal.ts';
import { noticeDraft } from './notices.ts';
import { Alarms } from './routing/alarms.ts';

export interface InactivityOptions {
  /** Asked for when it is first needed: the journal tells of its commits, and each needs the other. */
  readonly journal: () => Journal;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Pick<Limits, 'inactivityRemindMs' | 'inactivityCloseMs'>;
  /** What the reminder says. */
  readonly message: string;
  /** Whether this node keeps the times of a tenant. */
  readonly owns: (tenant: string) => boolean;
  /** Whether somebody is typing there now. */
  readonly isTyping: (conversationId: string, user: User) => boolean;
}

/** Reason of a conversation that the server has closed. */
const REASON = 'inactivity';
const READ_ENTRIES = 50;
const RETRY_MS = 5_000;
const TYPING_MS = 1_000;

/** What comes next when nobody says anything, and when. */
interface Step {
  readonly dueAt: number;
  readonly act: 'remind' | 'close' | 'look';
}

/**
 * Reminds customers who have fallen silent after an answer, and closes when they stay so. A customer who waits for an answer is
 * never told off. What was said last stands in the log, so nothing is noted down with each message, and a restart forgets nothing.
 */
export class Inactivity {
  readonly #options: InactivityOptions;
  readonly #alarms: Alarms;
  /** Conversations that are due and another node's to look at, with their tenants. */
  readonly #othersDue = new Map<string, string>();

  constructor(options: InactivityOptions) {
    this.#options = options;
    this.#alarms = new Alarms(options.clock);
  }

  stop(): void {
    this.#alarms.stop();
  }

  /** To be called with each conversation at the start, and when more than messages has changed. */
  watch(state: ConversationState): void {
    const { inactivityRemindMs, inactivityCloseMs } = this.#options.limits;
    if (state.status !== 'assigned') {
      this.#alarms.cancel(state.id);
      this.#othersDue.delete(state.id);
      return;
    }
    if (inactivityRemindMs + inactivityCloseMs === 0 || this.#alarms.has(state.id)) return;
    const since = Date.parse(state.assignedAt ?? state.openedAt);
    this.#look(state.tenant, state.id, since + (inactivityRemindMs || inactivityCloseMs));
  }

  /** This node keeps the times of a tenant from now on: what is due is done. */
  takeOver(tenant: string): void {
    for (const [conversationId, other] of [...this.#othersDue])
      if (other === tenant) this.#look(tenant, conversationId, this.#options.clock.now());
  }

  #look(tenant: string, conversationId: string, atMs: number): void {
    this.#othersDue.delete(conversationId);
    this.#alarms.set(conversationId, atMs, () => {
      const { owns, log, clock } = this.#options;
      if (!owns(tenant)) {
        // Looked at again to see whether there is more to come; it may become this node's to do before that.
        this.#look(tenant, conversationId, clock.now() + RETRY_MS);
        this.#othersDue.set(conversationId, tenant);
        return;
      }
      this.#step(tenant, conversationId).catch((error: unknown) => {
        log.warn({ error, conversationId }, 'inactivity could not be looked at; it is tried again');
        this.#look(tenant, conversationId, clock.now() + RETRY_MS);
      });
    });
  }

  async #step(tenant: string, conversationId: string): Promise<void> {
    const { clock, message, isTyping } = this.#options;
    const journal = this.#options.journal();
    const state = await journal.read(tenant, conversationId);
    if (state.status !== 'assigned') return;
    const { dueAt, act } = this.#next(await this.#lastMessage(state), state);
    if (act !== 'look' && isTyping(conversationId, state.customer)) {
      // He is at it.
      this.#look(tenant, conversationId, Math.max(dueAt, clock.now() + TYPING_MS));
      return;
    }
    if (act !== 'look' && dueAt <= clock.now()) {
      await journal.write(tenant, conversationId, (now, { now: nowMs }): Change | undefined => {
        // Somebody has said something since.
        if (now.status !== 'assigned' || now.publicSeq !== state.publicSeq) return undefined;
        if (act === 'close') return { entries: [closedDraft(now, null, REASON, nowMs)] };
        return { entries: [noticeDraft('inactivity', message)] };
      });
      this.#look(tenant, conversationId, clock.now());
      return;
    }
    this.#look(tenant, conversationId, Math.max(dueAt, clock.now()));
  }

  #next(last: StoredEntry<'message:created'> | undefined, { assignedSeq }: ConversationState): Step {
    const { inactivityRemindMs, inactivityCloseMs } = this.#options.limits;
    const { clock } = this.#options;
    const periodMs = inactivityRemindMs || inactivityCloseMs;
    // What was said before the assignee came is not his answer: the customer waits for that.
    if (last === undefined || last.seq < assignedSeq || last.author?.role === 'customer') {
      return { dueAt: clock.now() + periodMs, act: 'look' };
    }
    const quietSince = Date.parse(last.at);
    if (last.notice === undefined && inactivityRemindMs > 0) {
      return { dueAt: quietSince + inactivityRemindMs, act: 'remind' };
    }
    if (inactivityCloseMs > 0) return { dueAt: quietSince + inactivityCloseMs, act: 'close' };
    return { dueAt: clock.now() + periodMs, act: 'look' };
  }

  /** The last thing that was said to, or by, the customer. */
  async #lastMessage({ id }: ConversationState): Promise<StoredEntry<'message:created'> | undefined> {
    let beforeSeq: number | undefined;
    for (;;) {
      const page = await this.#options.store.entries({
        conversationId: id,
        audience: 'public',
        limit: READ_ENTRIES,
        ...(beforeSeq !== undefined && { beforeSeq }),
      });
      const found = page?.entries.findLast((entry) => entry.type === 'message:created');
      if (found !== undefined || page?.hasMore !== true) return found;
      beforeSeq = page.entries[0]?.seq;
    }
  }
}
