import { DeskwireError } from '../contract/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { AppendOutcome, ConversationState, Store, StoredEntry } from '../ports/store.ts';
import { notFound } from './access.ts';
import { fold } from './fold.ts';
import { appendOf, type Change, type Decided, decidedAt, type Next, standing } from './placing.ts';

export interface WriterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Given when other nodes write to the same store: what is remembered here may be old, so that a read, and a refusal, ask the store.
   * `refresh` brings what else is known here to where the store is.
   */
  readonly shared?: { refresh(): Promise<void> };
  /** Called for each commit, in the order of a conversation's commits. */
  readonly onCommit: (state: ConversationState, entries: readonly StoredEntry[]) => void;
}

export interface WriteOptions {
  /** `decide` reads more than the state: it runs alone, with nothing else of the conversation under way. @default false */
  readonly exclusive?: boolean;
  /** Called once the write has its place; later calls take effect after it. */
  readonly onSequenced?: () => void;
}

/**
 * Looks at a conversation and says what to write, `undefined` for nothing; refuses by throwing. It may be called more than
 * once, with newer states, so it has no effect of its own. Only an exclusive one may be asynchronous.
 */
export type Decide = (state: ConversationState, next: Next) => Change | undefined | Promise<Change | undefined>;

export type WriteResult =
  | { kind: 'committed'; state: ConversationState; entries: readonly StoredEntry[] }
  | { kind: 'unchanged'; state: ConversationState }
  | { kind: 'duplicate'; entry: StoredEntry<'message:created'>; state: ConversationState };

interface Command {
  readonly tenant: string;
  readonly decide: Decide;
  readonly options: WriteOptions | undefined;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
  /** The state was read from the store for it. */
  fresh: boolean;
}

/** What follows from a commit must not undo its answer: it is committed, whatever fails after it. */
export const published = (
  { onCommit, log }: WriterOptions,
  state: ConversationState,
  entries: readonly StoredEntry[],
): void => {
  try {
    onCommit(state, entries);
  } catch (error) {
    log.error({ error, conversationId: state.id }, 'a commit could not be announced');
  }
};

/** The state, if it is this tenant's. @throws not_found */
const walled = (state: ConversationState | null, tenant: string): ConversationState => {
  if (state?.tenant !== tenant) throw notFound();
  return state;
};

/** Each attempt lost means that another node has won one, so this many in a row do not happen by chance. */
const MAX_ATTEMPTS = 100;

/**
 * The writes of one conversation, in order. They are decided on the state as it will be once the writes under way are
 * committed, so that a busy conversation fills a commit; a refusal, or a decision to write nothing, waits until
 * nothing is under way, because it must rest on what is committed. When a write under way fails, those decided after it
 * are decided again.
 */
export class ConversationWriter {
  readonly #id: string;
  readonly #options: WriterOptions;
  #committed: ConversationState | undefined;
  #expected: ConversationState | undefined;
  #loading: Promise<ConversationState | null> | undefined;
  #queue: Command[] = [];
  #retry: Command[] = [];
  #underWay = 0;
  /** The writes under way rest on facts alone: where they will stand is not known. */
  #floating = false;
  /** Of the writes under way. */
  #chain = { broken: false };
  /** A write under way failed: what was decided after it is void. */
  #broken: 'no' | 'redecide' | 'reload' = 'no';
  #busy = false;

  constructor(conversationId: string, options: WriterOptions) {
    this.#id = conversationId;
    this.#options = options;
  }

  get committed(): ConversationState | undefined {
    return this.#committed;
  }

  loaded(state: ConversationState): void {
    this.#committed ??= state;
    this.#expected ??= state;
  }

  async read(tenant: string): Promise<ConversationState> {
    if (this.#options.shared !== undefined) return walled(await this.#reload(tenant), tenant);
    return walled(this.#committed ?? (await this.#load(tenant)), tenant);
  }

  /** An entry that was committed, here or by another node. What is remembered moves on with it, or is forgotten when it is too old. */
  learn(entry: StoredEntry): void {
    const state = this.#committed;
    if (state === undefined || entry.seq <= state.lastSeq || !this.#isQuiet) return;
    this.#committed = entry.seq === state.lastSeq + 1 ? fold(state, entry) : undefined;
    this.#expected = this.#committed;
  }

  /** The conversation as the store has it, or had it a moment ago. */
  learnState(state: ConversationState): void {
    if (!this.#isQuiet || (this.#committed !== undefined && this.#committed.lastSeq >= state.lastSeq)) return;
    this.#committed = state;
    this.#expected = state;
  }

  write(tenant: string, decide: Decide, options?: WriteOptions): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ tenant, decide, options, resolve, reject, attempts: 0, fresh: false });
      this.#pump();
    });
  }

  /** Nothing is decided or under way that rests on what is remembered. */
  get #isQuiet(): boolean {
    return this.#underWay === 0 && this.#broken === 'no' && !this.#busy;
  }

  async #reload(tenant: string): Promise<ConversationState | null> {
    const state = await this.#options.store.conversation(tenant, this.#id);
    if (state === null) return null;
    this.learnState(state);
    const known = this.#committed;
    return known !== undefined && known.lastSeq > state.lastSeq ? known : state;
  }

  async #load(tenant: string): Promise<ConversationState | null> {
    // Read for one tenant, so a caller of another must not share it.
    if (this.#loading !== undefined) await this.#loading.catch(() => null);
    if (this.#committed !== undefined) return this.#committed;
    this.#loading = this.#options.store.conversation(tenant, this.#id);
    try {
      const state = await this.#loading;
      if (state !== null) this.loaded(state);
      return state;
    } finally {
      this.#loading = undefined;
    }
  }

  #pump(): void {
    while (this.#broken === 'no' && !this.#busy) {
      const command = this.#queue[0];
      if (command === undefined) return;
      const state = this.#expected;
      if (state === undefined) {
        this.#loadFor(command);
        return;
      }
      if (command.options?.exclusive === true) {
        if (this.#underWay > 0) return;
        if (this.#asksAnew(command)) continue;
        void this.#runExclusive(command, state);
        return;
      }
      if (!this.#step(command, state)) return;
    }
  }

  /** Decides one command and submits it; false when it has to wait. */
  #step(command: Command, state: ConversationState): boolean {
    let change: Change | undefined;
    let refusal: unknown;
    let refused = false;
    const next = this.#next(state);
    try {
      if (state.tenant !== command.tenant) throw notFound();
      change = command.decide(state, next) as Change | undefined;
    } catch (error) {
      refused = true;
      refusal = error;
    }
    if (change === undefined && this.#underWay > 0) return false;
    if (change === undefined && this.#asksAnew(command)) return true;
    const decided = change && decidedAt(change, this.#id, next, this.#options.shared !== undefined);
    // What names its place can't be decided before the place of those under way is known, nor those after it.
    if (decided !== undefined && this.#underWay > 0 && decided.floats !== this.#floating) return false;
    this.#queue.shift();
    if (refused) command.reject(refusal);
    else if (decided === undefined) command.resolve({ kind: 'unchanged', state });
    else this.#submit(command, state, decided);
    return true;
  }

  /** Where others write too, what is not followed by a write must rest on what the store says: nothing else would show that it is old. */
  #asksAnew(command: Command): boolean {
    if (this.#options.shared === undefined || command.fresh) return false;
    command.fresh = true;
    this.#committed = undefined;
    this.#expected = undefined;
    return true;
  }

  #loadFor(command: Command): void {
    this.#busy = true;
    const refreshed = command.fresh ? this.#options.shared?.refresh() : undefined;
    const loaded =
      refreshed === undefined ? this.#load(command.tenant) : refreshed.then(() => this.#load(command.tenant));
    loaded.then(
      (state) => {
        this.#busy = false;
        if (state === null) {
          this.#queue.shift();
          command.reject(notFound());
        }
        this.#pump();
      },
      (error: unknown) => {
        this.#busy = false;
        this.#queue.shift();
        command.reject(error);
        this.#pump();
      },
    );
  }

  async #runExclusive(command: Command, state: ConversationState): Promise<void> {
    this.#busy = true;
    this.#queue.shift();
    try {
      if (state.tenant !== command.tenant) throw notFound();
      const next = this.#next(state);
      const change = await command.decide(state, next);
      if (change === undefined) command.resolve({ kind: 'unchanged', state });
      else this.#submit(command, state, decidedAt(change, this.#id, next, false));
    } catch (error) {
      command.reject(error);
    }
    this.#busy = false;
    this.#pump();
  }

  #next(state: ConversationState): Next {
    return { seq: state.lastSeq + 1, now: this.#options.clock.now() };
  }

  #submit(command: Command, state: ConversationState, decided: Decided): void {
    const { write, next } = appendOf(decided, state, this.#chain);
    this.#expected = next;
    this.#underWay += 1;
    this.#floating = decided.floats;
    this.#options.store.append(write).then(
      (outcome) => {
        this.#settle(command, decided, outcome, next);
      },
      (error: unknown) => {
        // Whether it was kept is not always known; only the store knows the state now.
        this.#break('reload');
        command.reject(error);
        this.#landed();
      },
    );
    // Not before the store has it: what starts now must come after it there too.
    command.options?.onSequenced?.();
  }

  #settle(command: Command, decided: Decided, outcome: AppendOutcome, next: ConversationState): void {
    const { change } = decided;
    switch (outcome.kind) {
      case 'committed': {
        const { entries, state } = standing(decided, this.#committed, next, outcome.firstSeq);
        this.#committed = state;
        published(this.#options, state, entries);
        command.resolve({ kind: 'committed', state, entries });
        break;
      }
      case 'duplicate':
        this.#break('redecide');
        command.resolve({ kind: 'duplicate', entry: outcome.entry, state: this.#committed ?? next });
        break;
      case 'capacity_reached':
        this.#break('redecide');
        command.reject(
          new DeskwireError(
            'capacity_reached',
            `The agent ${String(change.capacityGuard?.agentId)} holds ${String(outcome.activeCount)} conversations and can hold ${String(change.capacityGuard?.capacity)}.`,
            { details: { activeCount: outcome.activeCount } },
          ),
        );
        break;
      case 'not_attachable':
        this.#break('redecide');
        command.reject(notFound());
        break;
      case 'conflict':
        // After a failed write of ours this one was bound to conflict; otherwise another node has written.
        if (this.#broken === 'no') this.#break('reload');
        command.attempts += 1;
        // What it is decided on next may be old again.
        command.fresh = false;
        if (command.attempts < MAX_ATTEMPTS) this.#retry.push(command);
        else
          command.reject(
            new DeskwireError(
              'unavailable',
              'The conversation changes faster than this request could be placed; try again.',
            ),
          );
        break;
    }
    this.#landed();
  }

  #break(kind: 'redecide' | 'reload'): void {
    if (this.#broken !== 'reload') this.#broken = kind;
  }

  #landed(): void {
    this.#underWay -= 1;
    if (this.#underWay > 0) return;
    if (this.#broken !== 'no') {
      if (this.#broken === 'reload') this.#committed = undefined;
      this.#expected = this.#committed;
      this.#broken = 'no';
      this.#chain = { broken: false };
      this.#queue = [...this.#retry, ...this.#queue];
      this.#retry = [];
    } else if (this.#floating) {
      // Now it is known where they stand.
      this.#expected = this.#committed;
    }
    this.#pump();
  }
}
