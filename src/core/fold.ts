import type { ConversationState, Facts, Positions, StoredEntry } from '../ports/store.ts';

/** Reasons for which an agent is not to get the conversation again at once; who is gone may have it when he comes back. */
const GIVES_BACK: ReadonlySet<string> = new Set(['released', 'transferred', 'inactivity']);

/** Reasons that say nothing of whether a person is wanted. */
const LEFT: ReadonlySet<string> = new Set(['agent_disconnected', 'agent_offline']);

const passed = ({ passedBy }: Facts, agentId: string, at: string): Facts['passedBy'] => [
  ...passedBy.filter((pass) => pass.agentId !== agentId),
  { agentId, at, count: (passedBy.find((pass) => pass.agentId === agentId)?.count ?? 0) + 1 },
];

const offerAfter = (facts: Facts, { offer, offerOutcome, at }: StoredEntry<'conversation:updated'>): Partial<Facts> => {
  if (offer === undefined) return {};
  if (facts.offer === null || offerOutcome === undefined || offerOutcome === 'withdrawn') return { offer };
  return { offer, passedBy: passed(facts, facts.offer.agent.id, at) };
};

/** What an entry does to the facts; undefined when it changes positions only. */
const factsAfter = (facts: Facts, entry: StoredEntry): Facts | undefined => {
  switch (entry.type) {
    case 'message:created':
      return entry.firstResponseMs === undefined ? undefined : { ...facts, firstResponseMs: entry.firstResponseMs };
    case 'message:edited':
    case 'message:deleted':
      return undefined;
    case 'conversation:opened':
      throw new Error(`entry ${entry.id}: a conversation is opened once, by its first entry`);
    case 'conversation:assigned':
    case 'conversation:transferred':
    case 'conversation:released': {
      const { assignee, previousAssignee, fence, reason } = entry;
      const former = new Set(facts.formerAssignees);
      if (previousAssignee !== null) former.add(previousAssignee.id);
      if (assignee !== null) former.delete(assignee.id);
      return {
        ...facts,
        assignee,
        fence,
        status: assignee === null ? 'queued' : 'assigned',
        formerAssignees: [...former],
        assignedAt: assignee === null ? null : entry.at,
        assignedSeq: assignee === null ? facts.assignedSeq : entry.seq,
        offer: null,
        passedBy:
          assignee === null && previousAssignee !== null && GIVES_BACK.has(reason)
            ? passed(facts, previousAssignee.id, entry.at)
            : facts.passedBy,
        handedOff: facts.handedOff || (previousAssignee?.role === 'bot' && !LEFT.has(reason)),
        department: entry.type === 'conversation:transferred' ? entry.department : facts.department,
      };
    }
    case 'conversation:updated':
      return {
        ...facts,
        ...offerAfter(facts, entry),
        ...(entry.subject === undefined ? {} : { subject: entry.subject }),
        ...(entry.tags === undefined ? {} : { tags: entry.tags }),
        ...(entry.priority === undefined ? {} : { priority: entry.priority }),
        ...(entry.metadata === undefined ? {} : { metadata: entry.metadata }),
      };
    case 'conversation:closed':
      return {
        ...facts,
        status: 'closed',
        closedAt: entry.at,
        closedSeq: entry.seq,
        assignedAt: null,
        offer: null,
        passedBy: [],
      };
    case 'conversation:reopened': {
      const former = new Set(facts.formerAssignees);
      if (facts.assignee !== null) former.add(facts.assignee.id);
      return {
        ...facts,
        status: 'queued',
        closedAt: null,
        assignee: null,
        fence: entry.fence,
        formerAssignees: [...former],
        openedAt: entry.at,
        openedSeq: entry.seq,
        firstResponseMs: null,
      };
    }
    case 'conversation:rated':
      return {
        ...facts,
        rating: { score: entry.score, comment: entry.comment, at: entry.at },
        ratedSeq: entry.seq,
      };
  }
};

const positionsOf = ({ lastSeq, publicSeq, updatedAt, publicUpdatedAt }: Positions): Positions => ({
  lastSeq,
  publicSeq,
  updatedAt,
  publicUpdatedAt,
});

const opened = (tenant: string, entry: StoredEntry): Facts => {
  if (entry.type !== 'conversation:opened') throw new Error(`entry ${entry.id}: expected conversation:opened first`);
  const { conversationId, clientConversationId, customer, department, priority, skills, subject, metadata, at, seq } =
    entry;
  return {
    id: conversationId,
    tenant,
    clientConversationId,
    status: 'queued',
    customer,
    assignee: null,
    department,
    priority,
    skills,
    subject,
    tags: [],
    metadata,
    fence: 0,
    createdAt: at,
    closedAt: null,
    rating: null,
    formerAssignees: [],
    openedAt: at,
    assignedAt: null,
    firstResponseMs: null,
    offer: null,
    passedBy: [],
    handedOff: false,
    factsSeq: seq,
    openedSeq: seq,
    closedSeq: 0,
    assignedSeq: 0,
    ratedSeq: 0,
  };
};

/** The first state of a conversation, from its first entry. */
export const begin = (tenant: string, entry: StoredEntry): ConversationState => ({
  ...opened(tenant, entry),
  lastSeq: entry.seq,
  publicSeq: entry.seq,
  updatedAt: entry.at,
  publicUpdatedAt: entry.at,
});

/** The state after one more entry: a conversation is nothing but this, over its log. */
export const fold = (state: ConversationState, entry: StoredEntry): ConversationState => {
  if (entry.seq !== state.lastSeq + 1) {
    throw new Error(`entry ${entry.id}: expected seq ${String(state.lastSeq + 1)}`);
  }
  const facts = factsAfter(state, entry);
  const seen = entry.visibility === 'all';
  // Field by field for what every message changes: it is on the way of each.
  const next: ConversationState = {
    ...state,
    lastSeq: entry.seq,
    updatedAt: entry.at,
    publicSeq: seen ? entry.seq : state.publicSeq,
    publicUpdatedAt: seen ? entry.at : state.publicUpdatedAt,
  };
  return facts === undefined ? next : { ...next, ...facts, ...positionsOf(next), factsSeq: entry.seq };
};

/** Whether an entry of this type changes more than positions. */
export const changesFacts = (entry: StoredEntry): boolean =>
  !entry.type.startsWith('message:') || (entry.type === 'message:created' && entry.firstResponseMs !== undefined);

/** The facts of a state, without its positions. */
export const factsOf = (state: ConversationState): Facts => {
  const { lastSeq: _l, publicSeq: _p, updatedAt: _u, publicUpdatedAt: _q, ...facts } = state;
  return facts;
};
