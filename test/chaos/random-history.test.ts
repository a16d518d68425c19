import { describe, expect, it } from 'vitest';
import { Random, seedOf } from '../support/random.ts';
import {
  checkHistory,
  type Acknowledgement,
  type ConversationHistory,
  type Incarnation,
  type LoggedEntry,
  type MemberStream,
  type SentMessage,
} from './history.ts';

const RUNS = 400;
const MEMBERS = ['ann', 'bob', 'cleo'] as const;

interface Mutable {
  log: LoggedEntry[];
  shown: { seq: number; digest: number }[];
  sent: Map<string, SentMessage>;
  acknowledged: Acknowledgement[];
  streams: (Omit<MemberStream, 'incarnations'> & {
    incarnations: { afterSeq: number; seqs: number[]; digests: number[] }[];
  })[];
}

const randomLog = (random: Random): LoggedEntry[] => {
  const counts = new Map<string, number>();
  let assignee: string | null = null;
  let fence = 0;
  return Array.from({ length: 8 + random.below(30) }, (_, index): LoggedEntry => {
    const seq = index + 1;
    const digest = random.below(2 ** 30);
    const base = { seq, staff: false, author: null, clientId: null, digest, change: null };
    if (index === 0) return { ...base, type: 'conversation:opened' };
    if (random.chance(0.15)) {
      const previous = assignee;
      assignee = previous === null ? random.pick(MEMBERS) : null;
      fence += 1;
      return { ...base, type: 'conversation:assigned', change: { assignee, previous, fence } };
    }
    const author = random.pick(MEMBERS);
    const number = counts.get(author) ?? 0;
    counts.set(author, number + 1);
    const clientId = `${author}-${String(number)}`;
    return { ...base, type: 'message:created', staff: author !== 'ann' && random.chance(0.2), author, clientId };
  });
};

/** Cut anywhere, also into nothing. */
const incarnationsOf = (random: Random, visible: readonly LoggedEntry[]): Incarnation[] => {
  const incarnations: Incarnation[] = [];
  let from = 0;
  let last = 0;
  while (from < visible.length) {
    const part = visible.slice(from, from + random.below(12));
    incarnations.push({ afterSeq: last, seqs: part.map(({ seq }) => seq), digests: part.map(({ digest }) => digest) });
    from += part.length;
    last = part.at(-1)?.seq ?? last;
  }
  return incarnations;
};

const randomHistory = (random: Random): Mutable => {
  const log = randomLog(random);
  const messages = log.filter(({ clientId }) => clientId !== null);
  const acknowledged = messages.map(({ author, clientId, seq, digest }, place): Acknowledgement => {
    const connection = Math.floor(place / 6);
    const duplicate = random.chance(0.1);
    // A repeat may be answered in any order.
    const at = duplicate ? random.below(100) : place;
    return { member: author ?? '', clientId: clientId ?? '', seq, digest, connection, place: at, duplicate };
  });
  return {
    log,
    shown: log.map(({ seq, digest }) => ({ seq, digest })),
    sent: new Map(messages.map(({ clientId, author, digest }) => [clientId ?? '', { member: author ?? '', digest }])),
    acknowledged,
    streams: MEMBERS.map((member) => ({
      member,
      sees: member === 'ann' ? 'public' : 'all',
      incarnations: incarnationsOf(random, member === 'ann' ? log.filter(({ staff }) => !staff) : log).map(
        ({ afterSeq, seqs, digests }) => ({ afterSeq, seqs: Array.from(seqs), digests: Array.from(digests) }),
      ),
    })),
  };
};

const historyOf = (history: Mutable, { log } = history): ConversationHistory => {
  const { assignee, fence } = log.findLast(({ change }) => change !== null)?.change ?? { assignee: null, fence: 0 };
  return { id: 'c1', changes: [], state: { assignee, fence }, ...history };
};

/** Each breaks a promise wherever it strikes; false where it found nothing to break. */
const MUTATIONS: Readonly<Record<string, (history: Mutable, random: Random) => boolean>> = {
  'an entry is lost from the log': ({ log }, random) => log.splice(random.below(log.length - 1), 1).length > 0,
  'an entry stands twice in the log': ({ log }, random) => {
    const at = random.below(log.length);
    log.splice(at, 0, log[at]!);
    return true;
  },
  'two neighbours of the log change places': ({ log }, random) => {
    const at = random.below(log.length - 1);
    [log[at], log[at + 1]] = [log[at + 1]!, log[at]!];
    return true;
  },
  'an acknowledged message is not there': ({ log }, random) => {
    const at = random.below(log.length);
    if (log[at]!.clientId === null) return false;
    log[at] = { ...log[at]!, clientId: null, author: null };
    return true;
  },
  'an acknowledgement names another seq': ({ acknowledged }, random) => {
    if (acknowledged.length === 0) return false;
    const at = random.below(acknowledged.length);
    acknowledged[at] = { ...acknowledged[at]!, seq: acknowledged[at]!.seq + 1 };
    return true;
  },
  'a message was made twice': ({ log, shown, streams }, random) => {
    const messages = log.filter(({ clientId }) => clientId !== null);
    if (messages.length === 0) return false;
    const again = { ...random.pick(messages), staff: false, seq: log.length + 1 };
    log.push(again);
    shown.push({ seq: again.seq, digest: again.digest });
    for (const { incarnations } of streams) {
      incarnations.at(-1)!.seqs.push(again.seq);
      incarnations.at(-1)!.digests.push(again.digest);
    }
    return true;
  },
  'a fence stays': ({ log }) => {
    const changes = log.filter(({ change }) => change !== null);
    if (changes.length < 2) return false;
    const [first, second] = changes;
    log[log.indexOf(second!)] = { ...second!, change: { ...second!.change!, fence: first!.change!.fence } };
    return true;
  },
  'a change forgets who was assigned': ({ log }, random) => {
    const changes = log.filter(({ change }) => change !== null);
    if (changes.length === 0) return false;
    const one = random.pick(changes);
    const previous = one.change!.previous === null ? 'dan' : null;
    log[log.indexOf(one)] = { ...one, change: { ...one.change!, previous } };
    return true;
  },
  'an entry is missing in a stream': ({ streams }, random) => {
    const { seqs, digests } = random.pick(random.pick(streams).incarnations);
    if (seqs.length === 0) return false;
    const at = random.below(seqs.length);
    seqs.splice(at, 1);
    digests.splice(at, 1);
    return true;
  },
  'an entry comes twice in a stream': ({ streams }, random) => {
    const { seqs, digests } = random.pick(random.pick(streams).incarnations);
    if (seqs.length === 0) return false;
    const at = random.below(seqs.length);
    seqs.push(seqs[at]!);
    digests.push(digests[at]!);
    return true;
  },
  'two entries of a stream change places': ({ streams }, random) => {
    const { seqs, digests } = random.pick(random.pick(streams).incarnations);
    if (seqs.length < 2) return false;
    const at = random.below(seqs.length - 1);
    [seqs[at], seqs[at + 1]] = [seqs[at + 1]!, seqs[at]!];
    [digests[at], digests[at + 1]] = [digests[at + 1]!, digests[at]!];
    return true;
  },
  'a stream has another content': ({ streams }, random) => {
    const { digests } = random.pick(random.pick(streams).incarnations);
    if (digests.length === 0) return false;
    digests[random.below(digests.length)]! += 1;
    return true;
  },
};

describe('random histories', () => {
  const seed = seedOf(1);

  it(`pass when they are good (seed ${String(seed)})`, () => {
    for (let run = 0; run < RUNS; run += 1)
      expect(checkHistory(historyOf(randomHistory(new Random(seed + run)))), `run ${String(run)}`).toEqual([]);
  });

  it.each(Object.keys(MUTATIONS))(`are found out when %s (seed ${String(seed)})`, (name) => {
    let broken = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const random = new Random(seed + run);
      const history = randomHistory(random);
      if (MUTATIONS[name]?.(history, random) !== true) continue;
      broken += 1;
      expect(checkHistory(historyOf(history)), `run ${String(run)}`).not.toEqual([]);
    }
    expect(broken).toBeGreaterThan(RUNS / 4);
  });
});
