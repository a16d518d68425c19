/** One line of a conversation's log, as far as promises depend on it. */
export interface LoggedEntry {
  readonly seq: number;
  readonly type: string;
  /** Staff alone may see it. */
  readonly staff: boolean;
  readonly author: string | null;
  /** Of messages. */
  readonly clientId: string | null;
  /** Of what it says; two entries with the same digest say the same. */
  readonly digest: number;
  /** Where it changes who answers. */
  readonly change: AssigneeChange | null;
}

export interface AssigneeChange {
  readonly assignee: string | null;
  readonly previous: string | null;
  readonly fence: number;
}

export interface SentMessage {
  readonly member: string;
  readonly digest: number;
}

/** An answer to a message. */
export interface Acknowledgement {
  readonly member: string;
  readonly clientId: string;
  readonly seq: number;
  readonly digest: number;
  /** Number of the member's connection, and the request's place in it. */
  readonly connection: number;
  readonly place: number;
  /** Was there before: an earlier request had made it. */
  readonly duplicate: boolean;
}

/** An answer to a claim, a release, a transfer or an assignment. */
export interface AcknowledgedChange {
  readonly member: string;
  readonly verb: string;
  readonly seq: number;
  readonly fence: number;
  readonly assignee: string | null;
}

/** What one connection got of the conversation: the pages of its join, then events, in the order in which they came. */
export interface Incarnation {
  readonly afterSeq: number;
  readonly seqs: ArrayLike<number>;
  readonly digests: ArrayLike<number>;
}

export interface MemberStream {
  readonly member: string;
  readonly sees: 'all' | 'public';
  readonly incarnations: readonly Incarnation[];
}

/** All there is to know of one conversation at the end, when everybody is connected and nothing is under way. */
export interface ConversationHistory {
  readonly id: string;
  /** As the database has it. */
  readonly log: readonly LoggedEntry[];
  /** Who is assigned, as the database says it beside the log. */
  readonly state: Pick<AssigneeChange, 'assignee' | 'fence'>;
  /** As `conversation:history` shows it to staff. */
  readonly shown: readonly { readonly seq: number; readonly digest: number }[];
  /** Everything that was sent, answered or not, by client id. */
  readonly sent: ReadonlyMap<string, SentMessage>;
  readonly acknowledged: readonly Acknowledgement[];
  readonly changes: readonly AcknowledgedChange[];
  readonly streams: readonly MemberStream[];
}

/** What kind of promise was broken; `other` is neither loss, nor a double, nor disorder. */
export type Kind = 'lost' | 'doubled' | 'disordered' | 'other';

export interface Violation {
  readonly kind: Kind;
  readonly what: string;
}

/**
 * Holds one conversation against what was promised.
 *
 * - Log: seqs 1, 2, 3… each once; each client id once; nothing that nobody sent, and with the content that was sent.
 * - Acknowledgements: each is in the log, at its seq, with its content. Messages of one connection that were new stand in the order in which they were sent.
 * - Assignee: each change names the one before it, and raises the fence; changes that were acknowledged are in the log; the state is that of the last.
 * - Streams: all incarnations of a member together are the entries that he may see, each once, in order, to the end.
 * - `conversation:history` shows the log.
 *
 * @returns what is wrong, each with the conversation and the place
 */
export const checkHistory = (history: ConversationHistory): Violation[] => {
  const violations: Violation[] = [];
  const check = new Check(history, (kind, what) => violations.push({ kind, what: `${history.id}: ${what}` }));
  check.log();
  check.acknowledgements();
  check.order();
  check.assignee();
  check.shown();
  for (const stream of history.streams) check.stream(stream);
  return violations;
};

class Check {
  readonly #history: ConversationHistory;
  readonly #wrong: (kind: Kind, what: string) => void;
  readonly #bySeq: ReadonlyMap<number, LoggedEntry>;

  constructor(history: ConversationHistory, wrong: (kind: Kind, what: string) => void) {
    this.#history = history;
    this.#wrong = wrong;
    this.#bySeq = new Map(history.log.map((entry) => [entry.seq, entry]));
  }

  log(): void {
    const { log, sent } = this.#history;
    const seqsOfIds = new Map<string, number>();
    let last = 0;
    for (const entry of log) {
      const { seq, type, author, clientId, digest } = entry;
      if (seq === last) this.#wrong('doubled', `the log has seq ${String(seq)} twice`);
      else if (seq < last) this.#wrong('disordered', `the log has seq ${String(seq)} after ${String(last)}`);
      else if (seq > last + 1) this.#wrong('lost', `the log has a hole: seq ${String(seq)} follows ${String(last)}`);
      last = seq;
      if (clientId === null) continue;
      const earlier = seqsOfIds.get(clientId);
      if (earlier !== undefined)
        this.#wrong('doubled', `the log has message ${clientId} twice, at seq ${String(earlier)} and ${String(seq)}`);
      seqsOfIds.set(clientId, seq);
      const message = sent.get(clientId);
      if (message?.member !== author)
        this.#wrong(
          'other',
          `the log has ${type} ${clientId} of ${String(author)} at seq ${String(seq)}, which he never sent`,
        );
      else if (message.digest !== digest)
        this.#wrong('other', `message ${clientId} at seq ${String(seq)} is not what ${author} sent`);
    }
  }

  acknowledgements(): void {
    let seqsOfIds: Map<string, number> | undefined;
    for (const { member, clientId, seq, digest } of this.#history.acknowledged) {
      const entry = this.#bySeq.get(seq);
      if (entry?.clientId === clientId && entry.author === member) {
        if (entry.digest !== digest)
          this.#wrong('other', `message ${clientId} was acknowledged with another content than seq ${String(seq)} has`);
        continue;
      }
      seqsOfIds ??= new Map(this.#history.log.map((logged) => [logged.clientId ?? '', logged.seq]));
      const found = seqsOfIds.get(clientId);
      this.#wrong(
        found === undefined ? 'lost' : 'disordered',
        `message ${clientId} was acknowledged to ${member} as seq ${String(seq)}, and the log has it ${found === undefined ? 'nowhere' : `at seq ${String(found)}`}`,
      );
    }
  }

  order(): void {
    const byConnection = new Map<string, Acknowledgement[]>();
    for (const acknowledged of this.#history.acknowledged) {
      if (acknowledged.duplicate) continue;
      const key = `${acknowledged.member}, connection ${String(acknowledged.connection)}`;
      const kept = byConnection.get(key);
      if (kept === undefined) byConnection.set(key, [acknowledged]);
      else kept.push(acknowledged);
    }
    for (const [who, all] of byConnection) {
      let before: Acknowledgement | undefined;
      for (const one of all.sort((a, b) => a.place - b.place)) {
        if (before !== undefined && one.seq <= before.seq)
          this.#wrong(
            'disordered',
            `${who}: ${one.clientId} was sent after ${before.clientId} and stands before it, at seq ${String(one.seq)} and ${String(before.seq)}`,
          );
        before = one;
      }
    }
  }

  assignee(): void {
    let assignee: string | null = null;
    let fence = 0;
    for (const { seq, type, change } of this.#history.log) {
      if (change === null) continue;
      const at = `${type} at seq ${String(seq)}`;
      if (change.previous !== assignee)
        this.#wrong(
          'other',
          `two assignees: ${at} says ${String(change.assignee)} follows ${String(change.previous)}, while ${assignee ?? 'nobody'} is assigned`,
        );
      if (change.fence <= fence)
        this.#wrong('other', `the fence does not rise: ${at} has ${String(change.fence)} after ${String(fence)}`);
      ({ assignee, fence } = change);
    }
    const { state } = this.#history;
    if (state.assignee !== assignee || state.fence !== fence)
      this.#wrong(
        'other',
        `the state is not what the log makes: ${state.assignee ?? 'nobody'} with fence ${String(state.fence)}, expected ${assignee ?? 'nobody'} with ${String(fence)}`,
      );
    for (const { member, verb, seq, fence: acknowledged, assignee: named } of this.#history.changes) {
      const change = this.#bySeq.get(seq)?.change;
      if (change?.fence !== acknowledged || change.assignee !== named)
        this.#wrong(
          'lost',
          `${verb} was acknowledged to ${member} as seq ${String(seq)}, fence ${String(acknowledged)}, and the log has ${change === undefined || change === null ? 'no such change there' : `fence ${String(change.fence)} of ${String(change.assignee)} there`}`,
        );
    }
  }

  shown(): void {
    const { log, shown } = this.#history;
    if (shown.length !== log.length)
      this.#wrong('lost', `conversation:history shows ${String(shown.length)} of ${String(log.length)} entries`);
    const differs = shown.findIndex(({ seq, digest }, at) => log[at]?.seq !== seq || log[at].digest !== digest);
    if (differs !== -1)
      this.#wrong(
        'other',
        `conversation:history shows something else than the log from seq ${String(shown[differs]?.seq)} on`,
      );
  }

  stream({ member, sees, incarnations }: MemberStream): void {
    const { log } = this.#history;
    const visible = sees === 'all' ? log : log.filter(({ staff }) => !staff);
    const seen = new Set<number>();
    let next = 0;
    let last = 0;
    for (const [number, { afterSeq, seqs, digests }] of incarnations.entries()) {
      const where = `the stream of ${member}, connection ${String(number + 1)} (after seq ${String(afterSeq)})`;
      if (afterSeq !== last) this.#wrong('other', `${where} was joined behind seq ${String(last)}`);
      for (let at = 0; at < seqs.length; at += 1) {
        const seq = seqs[at] ?? 0;
        const expected = visible[next];
        if (seq !== expected?.seq) {
          this.#misplaced(where, seq, last, seen, sees);
          const found = this.#indexOf(visible, seq);
          if (seen.has(seq) || found === undefined || found < next) continue;
          this.#wrong(
            'lost',
            `${where} misses ${String(found - next)} entries from seq ${String(expected?.seq)} on: ${String(seq)} follows ${String(last)}`,
          );
          next = found;
        }
        seen.add(seq);
        if (visible[next]?.digest !== digests[at])
          this.#wrong('other', `${where} has something else at seq ${String(seq)} than the log`);
        next += 1;
        last = seq;
      }
    }
    const missing = visible.slice(next);
    if (missing.length > 0)
      this.#wrong(
        'lost',
        `the stream of ${member} ends at seq ${String(last)}: ${String(missing.length)} entries never came, from seq ${String(missing[0]?.seq)} on`,
      );
  }

  #indexOf(visible: readonly LoggedEntry[], seq: number): number | undefined {
    const found = visible.findIndex((entry) => entry.seq === seq);
    return found === -1 ? undefined : found;
  }

  #misplaced(where: string, seq: number, last: number, seen: ReadonlySet<number>, sees: MemberStream['sees']): void {
    const entry = this.#bySeq.get(seq);
    if (seen.has(seq)) this.#wrong('doubled', `${where} has seq ${String(seq)} twice`);
    else if (entry === undefined) this.#wrong('other', `${where} has seq ${String(seq)}, which the log does not have`);
    else if (sees === 'public' && entry.staff)
      this.#wrong('other', `${where} has seq ${String(seq)}, which is for staff`);
    else if (seq < last) this.#wrong('disordered', `${where} has seq ${String(seq)} after ${String(last)}`);
  }
}
