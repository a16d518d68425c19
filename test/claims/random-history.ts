import type { Random } from '../support/random.ts';
import type { LoggedChange, Operation, Outcome } from './history.ts';

export interface History {
  readonly operations: Operation[];
  readonly log: LoggedChange[];
}

interface Pending {
  readonly agent: string;
  readonly verb: Operation['verb'];
  readonly sentAt: number;
  outcome: Outcome | undefined;
}

const AGENTS = ['ann', 'bob', 'cyd'] as const;

/** A short history of a conversation that keeps its promise: operations overlap, and some answers are lost. */
export const randomHistory = (random: Random, count: number): History => {
  const operations: Operation[] = [];
  const log: LoggedChange[] = [];
  const pending: Pending[] = [];
  const former = new Set<string>();
  let assignee: string | null = null;
  let sent = 0;
  let at = 0;

  const change = (kind: LoggedChange['kind'], agent: string): Outcome => {
    const place = { fence: log.length + 1, seq: log.length + 2 };
    log.push({ kind, ...place, agent, author: agent });
    assignee = kind === 'assigned' ? agent : null;
    if (kind === 'released') former.add(agent);
    return { kind: 'ok', ...place };
  };
  const apply = ({ agent, verb }: Pending): Outcome => {
    const fence = log.length;
    if (verb === 'release') {
      if (assignee === agent) return change('released', agent);
      return former.has(agent) ? { kind: 'stale_fence', fence } : { kind: 'forbidden' };
    }
    if (assignee === null) return change('assigned', agent);
    if (assignee !== agent) return { kind: 'already_assigned', assignee, fence };
    return { kind: 'ok', fence, seq: fence + 1 };
  };
  /** Its agent goes on without an answer; it may still take effect, or not. */
  const lose = ({ agent, verb, sentAt }: Pending): void => {
    operations.push({ agent, verb, sentAt, answeredAt: Infinity, outcome: { kind: 'unknown' } });
  };

  const lost = new Set<Pending>();
  while (sent < count || pending.length > 0) {
    at += 1;
    const idle = AGENTS.filter((name) => !pending.some((one) => one.agent === name && !lost.has(one)));
    if (sent < count && idle.length > 0 && random.chance(0.4)) {
      const verb = random.chance(0.6) ? 'claim' : 'release';
      pending.push({ agent: random.pick(idle), verb, sentAt: at, outcome: undefined });
      sent += 1;
      continue;
    }
    if (pending.length === 0) continue;
    const one = random.pick(pending);
    if (!lost.has(one) && random.chance(0.1)) {
      lost.add(one);
      lose(one);
    } else if (one.outcome === undefined) {
      one.outcome = lost.has(one) && random.chance(0.5) ? { kind: 'unknown' } : apply(one);
    } else {
      pending.splice(pending.indexOf(one), 1);
      if (lost.has(one)) continue;
      const { agent, verb, sentAt, outcome } = one;
      operations.push({ agent, verb, sentAt, answeredAt: at, outcome });
    }
  }
  return { operations, log };
};

/** The same history with one answer or one instant changed: often no longer possible, sometimes still. */
export const tamper = (random: Random, { operations, log }: History): History => {
  const victim = random.pick(operations);
  const { outcome } = victim;
  const answered = Number.isFinite(victim.answeredAt);
  const changed = (): Operation => {
    if (answered && random.chance(0.5)) {
      const shift = random.below(21) - 10;
      return { ...victim, sentAt: victim.sentAt + shift, answeredAt: victim.answeredAt + shift };
    }
    if ('fence' in outcome && random.chance(0.7))
      return { ...victim, outcome: { ...outcome, fence: outcome.fence + (random.chance(0.5) ? 1 : -1) } };
    if (answered && random.chance(0.5)) return { ...victim, answeredAt: Infinity, outcome: { kind: 'unknown' } };
    return { ...victim, agent: random.pick(AGENTS) };
  };
  return { operations: operations.map((operation) => (operation === victim ? changed() : operation)), log };
};
