/** What the checker looks at: the operations of one conversation, as their clients saw them, and its durable log. */
export interface Operation {
  readonly agent: string;
  /** When it was sent and answered, on one monotonic scale; `answeredAt` is Infinity when the outcome is unknown. */
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly verb: 'claim' | 'release';
  readonly outcome: Outcome;
}

export type Outcome =
  | { readonly kind: 'ok'; readonly fence: number; readonly seq: number }
  /** Of a claim. */
  | { readonly kind: 'already_assigned'; readonly assignee: string; readonly fence: number }
  /** Of a release by a former assignee. */
  | { readonly kind: 'stale_fence'; readonly fence: number }
  /** Of a release by somebody who never was assignee. */
  | { readonly kind: 'forbidden' }
  /** The answer was lost, or said that nobody knows: it may have taken effect once, at any time since it was sent, or not at all. */
  | { readonly kind: 'unknown' };

/** An entry `conversation:assigned` or `conversation:released`. */
export interface LoggedChange {
  readonly kind: 'assigned' | 'released';
  readonly fence: number;
  readonly seq: number;
  /** The new assignee, or the one who was released. */
  readonly agent: string;
  /** Who asked for it; null: the server itself. */
  readonly author: string | null;
}

/** An instant that a change must not come before, or not after, and the operation because of which. */
interface Bound {
  readonly at: number;
  readonly because: Operation | undefined;
}

const VERBS = { assigned: 'claim', released: 'release' } as const;
const FROM_THE_START: Bound = { at: -Infinity, because: undefined };
const AT_ANY_TIME: Bound = { at: Infinity, because: undefined };

const describe = ({ agent, verb, sentAt, answeredAt, outcome }: Operation): string => {
  const { kind, ...answer } = outcome;
  return `${verb} of ${agent} [${String(sentAt)}, ${String(answeredAt)}] → ${[kind, ...Object.entries(answer).map(([name, value]) => `${name} ${String(value)}`)].join(' ')}`;
};

/**
 * Holds a conversation's history against its promise: of any number of simultaneous claims one wins, every change of
 * assignee raises the fence, and all is as if the operations had happened one after the other, each at one instant
 * between being sent and being answered (linearizability; Herlihy and Wing, 1990). The log is read after the last answer.
 *
 * (a) The log by itself: fences 1, 2, 3… each once, assigned and released in turn, the one released being the one assigned.
 *
 * (b) Acknowledgements against the log: what was answered `ok` stands at its fence and seq, with its agent; each change has
 * one operation that asked for it. A claim of what is one's own already answers with the fence at which it became so,
 * thus several claims of one agent may name a fence, and each can have made the change, or one with an unknown outcome
 * can. A release that was answered `ok` made its change itself.
 *
 * (c) Time. The log fixes the order of the changes, so only their instants t(1) ≤ t(2) ≤ … are to be found. Everything that is
 * known bounds one of them:
 * - what made change f was sent before t(f) and, if it was answered, answered after it;
 * - an answer that names fence f was given between t(f) and t(f + 1): t(f) is before it was received, t(f + 1) after it was asked for;
 * - `forbidden` was given before the agent's first assignment.
 *
 * Such instants exist if and only if no lower bound of a change lies after an upper bound of the same or a later change.
 * Upper bounds do not depend on which operation made a change: an unknown outcome has none, and a known one names its
 * fence and counts as an answer anyway. So the latest instant of each change is computed first; then what can have made
 * it is whatever was sent by then. An operation that names the fence is taken before an unknown one, which could serve
 * another change too; and because the latest instants grow with the fence, any unknown one will do. Nothing is guessed:
 * the result is empty if and only if the history is linearizable.
 *
 * @returns what is wrong, one sentence each
 */
export const checkHistory = (operations: readonly Operation[], log: readonly LoggedChange[]): string[] => {
  const wrong = checkLog(log);
  // All else reads the log by fence.
  return wrong.length > 0 ? wrong : new History(log).check(operations);
};

const checkLog = (log: readonly LoggedChange[]): string[] => {
  const wrong: string[] = [];
  let before: LoggedChange | undefined;
  for (const [index, change] of log.entries()) {
    const { kind, fence, seq, agent, author } = change;
    const what = `${kind} ${agent} at seq ${String(seq)}`;
    if (fence !== index + 1) wrong.push(`the log has fence ${String(fence)} (${what}), expected ${String(index + 1)}`);
    if (before !== undefined && seq <= before.seq) wrong.push(`the log has ${what} after seq ${String(before.seq)}`);
    if (author !== agent) wrong.push(`the log has ${what}, but by ${author ?? 'the server'}`);
    if (kind === 'assigned' && before?.kind === 'assigned')
      wrong.push(`the log has two assignees at once: ${what} while ${before.agent} is assigned`);
    if (kind === 'released' && (before?.kind !== 'assigned' || before.agent !== agent))
      wrong.push(`the log has ${what}, who is not assigned`);
    before = change;
  }
  return wrong;
};

class History {
  readonly #log: readonly LoggedChange[];
  readonly #wrong: string[] = [];
  /** By fence: not before, not after. */
  readonly #lower: Bound[];
  readonly #upper: Bound[];
  /** By fence: operations that say they made the change. */
  readonly #known = new Map<number, Operation[]>();
  /** By verb and agent: operations that may have made any one change. */
  readonly #unknown = new Map<string, Operation[]>();
  /** By agent: the fence of the first assignment. */
  readonly #first = new Map<string, number>();

  constructor(log: readonly LoggedChange[]) {
    this.#log = log;
    this.#lower = log.map(() => FROM_THE_START);
    this.#upper = log.map(() => AT_ANY_TIME);
    for (const { kind, agent, fence } of log)
      if (kind === 'assigned' && !this.#first.has(agent)) this.#first.set(agent, fence);
  }

  check(operations: readonly Operation[]): string[] {
    for (const operation of operations) this.#read(operation);
    this.#spreadUpperBounds();
    for (const change of this.#log) this.#findMaker(change);
    for (const [index, lower] of this.#lower.entries()) {
      const upper = this.#upper[index] ?? AT_ANY_TIME;
      if (lower.at > upper.at) this.#against(index + 1, lower, upper);
    }
    return this.#wrong;
  }

  #change(fence: number): LoggedChange | undefined {
    return this.#log[fence - 1];
  }

  #read(operation: Operation): void {
    const { agent, verb, sentAt, outcome } = operation;
    switch (outcome.kind) {
      case 'unknown':
        this.#keep(this.#unknown, `${verb} ${agent}`, operation);
        return;
      case 'forbidden': {
        const first = this.#first.get(agent);
        if (first !== undefined) this.#notBefore(first, sentAt, operation);
        return;
      }
      case 'ok': {
        const change = this.#change(outcome.fence);
        if (
          change === undefined ||
          VERBS[change.kind] !== verb ||
          change.agent !== agent ||
          change.seq !== outcome.seq
        ) {
          this.#wrong.push(`${describe(operation)}: acknowledged, but the log has ${this.#shown(outcome.fence)}`);
          return;
        }
        if (verb === 'release' && this.#known.has(outcome.fence))
          this.#wrong.push(`${describe(operation)}: this release was acknowledged before`);
        this.#keep(this.#known, outcome.fence, operation);
        break;
      }
      case 'already_assigned': {
        const change = this.#change(outcome.fence);
        if (change?.kind !== 'assigned' || change.agent !== outcome.assignee || outcome.assignee === agent) {
          this.#wrong.push(`${describe(operation)}: refused, but the log has ${this.#shown(outcome.fence)}`);
          return;
        }
        break;
      }
      case 'stale_fence': {
        const change = this.#change(outcome.fence);
        const isAssignee = change?.kind === 'assigned' && change.agent === agent;
        if (change === undefined || isAssignee || (this.#first.get(agent) ?? Infinity) >= outcome.fence) {
          this.#wrong.push(
            `${describe(operation)}: refused as a former assignee, but the log has ${this.#shown(outcome.fence)}`,
          );
          return;
        }
        break;
      }
    }
    this.#answeredIn(outcome.fence, operation);
  }

  #shown(fence: number): string {
    const change = this.#change(fence);
    if (change === undefined) return `no fence ${String(fence)}`;
    return `${change.kind} ${change.agent} at fence ${String(fence)}, seq ${String(change.seq)}`;
  }

  #keep<K>(map: Map<K, Operation[]>, key: K, operation: Operation): void {
    const kept = map.get(key);
    if (kept === undefined) map.set(key, [operation]);
    else kept.push(operation);
  }

  #notBefore(fence: number, at: number, because: Operation): void {
    if (fence <= this.#log.length && at > (this.#lower[fence - 1] ?? FROM_THE_START).at)
      this.#lower[fence - 1] = { at, because };
  }

  /** The answer was given after change `fence` and before the next. */
  #answeredIn(fence: number, operation: Operation): void {
    const { sentAt, answeredAt } = operation;
    if (answeredAt < (this.#upper[fence - 1] ?? AT_ANY_TIME).at)
      this.#upper[fence - 1] = { at: answeredAt, because: operation };
    this.#notBefore(fence + 1, sentAt, operation);
  }

  /** A change is not later than any change after it. */
  #spreadUpperBounds(): void {
    let upper = AT_ANY_TIME;
    for (let index = this.#log.length - 1; index >= 0; index -= 1) {
      const own = this.#upper[index] ?? AT_ANY_TIME;
      if (own.at < upper.at) upper = own;
      this.#upper[index] = upper;
    }
  }

  #findMaker({ fence, kind, agent }: LoggedChange): void {
    const upper = this.#upper[fence - 1] ?? AT_ANY_TIME;
    const known = this.#known.get(fence) ?? [];
    if (known.some(({ sentAt }) => sentAt <= upper.at)) return;
    const [acknowledged] = known;
    // A release is never answered `ok` for what another did.
    if (acknowledged !== undefined && kind === 'released') {
      this.#against(fence, { at: acknowledged.sentAt, because: acknowledged }, upper);
      return;
    }
    const unknown = this.#unknown.get(`${VERBS[kind]} ${agent}`) ?? [];
    const maker = unknown.findIndex(({ sentAt }) => sentAt <= upper.at);
    if (maker !== -1) unknown.splice(maker, 1);
    else if (acknowledged !== undefined)
      this.#against(fence, { at: acknowledged.sentAt, because: acknowledged }, upper);
    else this.#wrong.push(`the log has ${this.#shown(fence)}, which nobody asked for${this.#by(upper)}`);
  }

  #by({ at, because }: Bound): string {
    return because === undefined ? '' : ` by ${String(at)}, when it was seen: ${describe(because)}`;
  }

  #against(fence: number, lower: Bound, upper: Bound): void {
    const names = [lower, upper].map(({ because }) => (because === undefined ? 'nothing' : describe(because)));
    this.#wrong.push(
      `fence ${String(fence)} has no place in time: not before ${String(lower.at)} because of ${names[0] ?? ''}; not after ${String(upper.at)} because of ${names[1] ?? ''}`,
    );
  }
}
