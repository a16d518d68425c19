import { clientIdOf, isNote, messageDigest, textOf } from './content.ts';
import { Times } from './columns.ts';
import { checkHistory, type Acknowledgement, type Incarnation, type Kind, type SentMessage } from './history.ts';
import type { ClientTotals, SeatDump } from './messages.ts';
import { connectReader, readShown, type DatabaseReader } from './read-log.ts';

/** Violations that are told in full. */
const TOLD = 20;

export interface Verdict {
  readonly acknowledged: number;
  /** Sent again because no answer came, and answered as having been there. */
  readonly repeated: number;
  readonly duplicates: number;
  readonly conversations: number;
  readonly streams: number;
  readonly entries: number;
  readonly delivered: number;
  readonly reconnects: number;
  readonly changes: number;
  /** Conversations that the servers took from agents who were gone. */
  readonly givenBack: number;
  readonly ackMs: Readonly<
    Record<'outside' | 'inside', { readonly p50: number; readonly p99: number; readonly count: number }>
  >;
  readonly longestSilenceMs: number;
  readonly heldBackMs: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<Kind, number>>;
  /** The first ones. */
  readonly violations: readonly string[];
}

interface Evidence {
  readonly reader: DatabaseReader;
  /** Of a node, to read histories from. */
  readonly url: string;
  readonly tenant: string;
  readonly conversationIds: readonly string[];
  readonly seats: readonly SeatDump[];
  readonly totals: readonly ClientTotals[];
  /** What was seen to be wrong already. */
  readonly problems: readonly string[];
}

const incarnationsOf = ({ stream }: SeatDump): Incarnation[] =>
  Array.from(stream.starts, (start, index) => {
    const end = stream.starts[index + 1] ?? stream.seqs.length;
    return {
      afterSeq: stream.afterSeqs[index] ?? 0,
      seqs: stream.seqs.subarray(start, end),
      digests: stream.digests.subarray(start, end),
    };
  });

const acknowledgementsOf = ({ member, acks }: SeatDump): Acknowledgement[] =>
  Array.from(acks.numbers, (number, index) => ({
    member,
    clientId: clientIdOf(member, number),
    seq: acks.seqs[index] ?? 0,
    digest: acks.digests[index] ?? 0,
    connection: acks.connections[index] ?? 0,
    place: acks.places[index] ?? 0,
    duplicate: acks.duplicates[index] === 1,
  }));

const sentOf = (seats: readonly SeatDump[]): Map<string, SentMessage> => {
  const sent = new Map<string, SentMessage>();
  for (const { member, role, sent: count } of seats) {
    for (let number = 0; number < count; number += 1) {
      const clientId = clientIdOf(member, number);
      const text = textOf(clientId, number);
      sent.set(clientId, { member, digest: messageDigest(member, isNote(role, number), clientId, text) });
    }
  }
  return sent;
};

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

/** Reads every conversation, and holds it against what its members saw. */
export const judge = async (evidence: Evidence): Promise<Verdict> => {
  const { reader, seats, totals } = evidence;
  const counts: Record<Kind, number> = { lost: 0, doubled: 0, disordered: 0, other: 0 };
  const violations: string[] = [];
  const wrong = (kind: Kind, what: string): void => {
    counts[kind] += 1;
    if (violations.length < TOLD) violations.push(`${kind}: ${what}`);
  };
  for (const problem of [...evidence.problems, ...totals.flatMap((each) => each.wrong)]) wrong('other', problem);

  const client = await connectReader(evidence.url, evidence.tenant);
  let entries = 0;
  let givenBack = 0;
  try {
    for (const id of evidence.conversationIds) {
      const members = seats.filter(({ conversationId }) => conversationId === id);
      const log = await reader.log(id);
      entries += log.length;
      givenBack += log.filter(({ type, author }) => type === 'conversation:released' && author === null).length;
      const found = checkHistory({
        id,
        log,
        state: await reader.state(id),
        shown: await readShown(client, id),
        sent: sentOf(members),
        acknowledged: members.flatMap(acknowledgementsOf),
        changes: members.flatMap(({ changes }) => changes),
        streams: members.map((seat) => ({
          member: seat.member,
          sees: seat.role === 'customer' ? 'public' : 'all',
          incarnations: incarnationsOf(seat),
        })),
      });
      for (const { kind, what } of found) wrong(kind, what);
    }
  } finally {
    client.close();
  }

  const timesOf = (of: (each: ClientTotals) => Int32Array) => {
    const times = new Times();
    for (const each of totals) times.addAll(of(each));
    return { p50: times.quantile(0.5), p99: times.quantile(0.99), count: times.total };
  };
  const refusals: Record<string, number> = {};
  for (const each of totals)
    for (const [what, count] of Object.entries(each.refusals)) refusals[what] = (refusals[what] ?? 0) + count;
  return {
    acknowledged: sum(seats, ({ acks }) => acks.numbers.length),
    repeated: sum(totals, ({ emissions }) => emissions) - sum(seats, ({ sent }) => sent),
    duplicates: sum(seats, ({ acks }) => acks.duplicates.reduce((total, one) => total + one, 0)),
    conversations: evidence.conversationIds.length,
    streams: seats.length,
    entries,
    delivered: sum(seats, ({ stream }) => stream.seqs.length),
    reconnects: sum(totals, ({ connections }) => connections),
    givenBack,
    changes: sum(seats, ({ changes }) => changes.length),
    ackMs: { outside: timesOf(({ ackMsOutside }) => ackMsOutside), inside: timesOf(({ ackMsInside }) => ackMsInside) },
    longestSilenceMs: Math.max(0, ...totals.map((each) => each.longestSilenceMs)),
    heldBackMs: Math.max(0, ...totals.map(({ heldBackMs }) => heldBackMs)),
    refusals,
    counts,
    violations,
  };
};
