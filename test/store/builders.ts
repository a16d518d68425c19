import type { User } from '../../src/contract/schemas.ts';
import { type DraftOf, place } from '../../src/core/draft.ts';
import type { AgentRecord, Append, AppendOutcome, Facts, Open, Store, StoredEntry } from '../../src/ports/store.ts';

let count = 0;

/** Tests share a store: each has its own tenants, people and conversations. */
export const unique = (word: string): string => `${word}-${String(++count)}`;

export const user = (id: string, role: User['role'] = 'customer'): User => ({ id, name: `Name of ${id}`, role });

/** A time that grows with seq, so that a test can tell one entry's from another's. */
export const timeOf = (seq: number): string => new Date(Date.UTC(2026, 0, 15) + seq * 1_000).toISOString();

export const factsOf = (fields: Partial<Facts> = {}): Facts => ({
  id: unique('c'),
  tenant: unique('tenant'),
  clientConversationId: null,
  status: 'queued',
  customer: user(unique('customer')),
  assignee: null,
  department: null,
  priority: 'normal',
  skills: [],
  subject: 'Where is my order?',
  tags: [],
  metadata: { order: '1042' },
  fence: 0,
  createdAt: timeOf(1),
  closedAt: null,
  rating: null,
  formerAssignees: [],
  openedAt: timeOf(1),
  assignedAt: null,
  firstResponseMs: null,
  offer: null,
  passedBy: [],
  handedOff: false,
  factsSeq: 1,
  openedSeq: 1,
  closedSeq: 0,
  assignedSeq: 0,
  ratedSeq: 0,
  ...fields,
});

export const openedEntry = (facts: Facts): StoredEntry =>
  place(
    {
      type: 'conversation:opened',
      author: facts.customer,
      visibility: 'all',
      clientConversationId: facts.clientConversationId,
      customer: facts.customer,
      subject: facts.subject,
      department: facts.department,
      priority: facts.priority,
      skills: facts.skills,
      metadata: facts.metadata,
    },
    facts.id,
    1,
    Date.parse(timeOf(1)),
  );

export const messageEntry = (
  facts: Facts,
  seq: number,
  { at = timeOf(seq), ...fields }: Partial<StoredEntry<'message:created'>> = {},
): StoredEntry<'message:created'> => {
  const draft: DraftOf<'message:created'> = {
    type: 'message:created',
    author: facts.customer,
    visibility: 'all',
    clientMessageId: `message-${String(seq)}`,
    text: `text ${String(seq)}`,
    format: 'plain',
    attachments: [],
    ...fields,
  };
  return place(draft, facts.id, seq, Date.parse(at)) as StoredEntry<'message:created'>;
};

export const openOf = (facts: Facts, message?: Partial<StoredEntry<'message:created'>>): Open => {
  if (message === undefined) return { facts, entries: [openedEntry(facts)] };
  const entry = messageEntry(facts, 2, message);
  return {
    facts,
    entries: [openedEntry(facts), entry],
    clientKey: { authorId: entry.author?.id ?? '', clientMessageId: entry.clientMessageId },
  };
};

/** Opens a conversation with its first entry alone. */
export const opened = async (store: Store, fields: Partial<Facts> = {}): Promise<Facts> => {
  const facts = factsOf(fields);
  const outcome = await store.open(openOf(facts));
  if (outcome.kind !== 'committed') throw new Error(`expected a new conversation, found ${outcome.kind}`);
  return facts;
};

export const appendOf = (entry: StoredEntry<'message:created'>, facts: Facts, more: Partial<Append> = {}): Append => ({
  tenant: facts.tenant,
  conversationId: facts.id,
  expectedSeq: entry.seq - 1,
  entries: [entry],
  clientKey: { authorId: entry.author?.id ?? '', clientMessageId: entry.clientMessageId },
  ...more,
});

export const send = (
  store: Store,
  facts: Facts,
  seq: number,
  fields: Partial<StoredEntry<'message:created'>> = {},
  more: Partial<Append> = {},
): Promise<AppendOutcome> => store.append(appendOf(messageEntry(facts, seq, fields), facts, more));

/** Sends messages with the seqs from 2 on; those in `staffSeqs` are staff entries. */
export const fill = async (
  store: Store,
  facts: Facts,
  lastSeq: number,
  staffSeqs: readonly number[] = [],
): Promise<void> => {
  const seqs = Array.from({ length: lastSeq - 1 }, (_, index) => index + 2);
  const outcomes = await Promise.all(
    seqs.map((seq) => send(store, facts, seq, { visibility: staffSeqs.includes(seq) ? 'staff' : 'all' })),
  );
  if (outcomes.some(({ kind }) => kind !== 'committed')) throw new Error('expected every message to be committed');
};

/** An entry that goes with other facts. */
export const factsChange = (facts: Facts, seq: number, fields: Partial<Facts>): Append => {
  const changed = { ...facts, ...fields };
  return {
    tenant: facts.tenant,
    conversationId: facts.id,
    expectedSeq: seq - 1,
    entries: [
      place(
        { type: 'conversation:updated', author: null, visibility: 'all', subject: changed.subject },
        facts.id,
        seq,
        Date.parse(timeOf(seq)),
      ),
    ],
    facts: changed,
  };
};

export const agentRecord = (tenant: string, id: string, fields: Partial<AgentRecord> = {}): AgentRecord => ({
  tenant,
  user: user(id, 'agent'),
  status: 'online',
  capacity: null,
  maxChats: null,
  present: true,
  statusAt: timeOf(1),
  departments: ['sales'],
  skills: [],
  ...fields,
});

/** What the store keeps of one agent. */
export const agentIn = async (store: Store, tenant: string, id: string): Promise<AgentRecord | undefined> =>
  (await store.agents()).find((agent) => agent.tenant === tenant && agent.user.id === id);

export const seqsOf = (entries: readonly { seq: number }[]): number[] => entries.map(({ seq }) => seq);
