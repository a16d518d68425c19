/** What leaves the process: the only place where an entry or a conversation is made ready for somebody's eyes. */
import type { Audience } from '../contract/roles.ts';
import type { Conversation, Cursor, Entry } from '../contract/schemas.ts';
import { personId } from '../ports/actor.ts';
import type { ConversationState, CursorRecord, StoredEntry } from '../ports/store.ts';
import type { Desk } from './desk.ts';

/** Whether this audience may know of the entry at all. */
export const seesEntry = (audience: Audience, entry: StoredEntry): boolean =>
  audience === 'staff' || entry.visibility === 'all';

/** The entry as this audience reads it. The caller has made sure that it may: see seesEntry. */
export const entryView = <E extends StoredEntry>(
  { links }: Pick<Desk, 'links'>,
  audience: Audience,
  entry: E,
): Extract<Entry, { type: E['type'] }> => {
  switch (entry.type) {
    case 'message:created': {
      const { attachments } = entry;
      if (entry.editSeqs === undefined && entry.deleteSeq === undefined && attachments.length === 0) break;
      const { sentHash: _hash, editSeqs: _edits, deleteSeq: _deletion, ...view } = entry;
      const linked = attachments.map((attachment) => links.withLinks(attachment));
      return { ...view, attachments: linked } as unknown as Extract<Entry, { type: E['type'] }>;
    }
    case 'conversation:assigned':
    case 'conversation:transferred':
    case 'conversation:released': {
      const { detail, summary, decision, ...view } = entry;
      if (audience === 'staff' || (detail ?? summary ?? decision) === undefined) break;
      return view as unknown as Extract<Entry, { type: E['type'] }>;
    }
    case 'conversation:updated': {
      // Offers are written as staff entries, but for nobody else's eyes in any case.
      const { tags, offer, offerOutcome, ...view } = entry;
      if (audience === 'staff' || (tags ?? offer ?? offerOutcome) === undefined) break;
      return view as unknown as Extract<Entry, { type: E['type'] }>;
    }
    default:
  }
  return entry as unknown as Extract<Entry, { type: E['type'] }>;
};

export const entryViews = (desk: Pick<Desk, 'links'>, audience: Audience, entries: readonly StoredEntry[]): Entry[] =>
  entries.filter((entry) => seesEntry(audience, entry)).map((entry) => entryView(desk, audience, entry));

/** What was read from the store may be ahead of what this node has heard of the queue: then that is asked for first. */
export const awaitPlaces = async (
  { router, peers }: Pick<Desk, 'router' | 'peers'>,
  states: readonly ConversationState[],
): Promise<void> => {
  const isPlaced = ({ tenant, id }: ConversationState): boolean => router.floor(tenant).place(id) !== null;
  if (states.every((state) => (state.status === 'queued') === isPlaced(state))) return;
  await peers.refresh();
};

/** The conversation as this audience reads it: others than staff learn nothing of staff entries, not even that they are. */
export const conversationView = (
  { router }: Pick<Desk, 'router'>,
  audience: Audience,
  state: ConversationState,
): Conversation => {
  const staff = audience === 'staff';
  return {
    id: state.id,
    clientConversationId: state.clientConversationId,
    status: state.status,
    customer: state.customer,
    assignee: state.assignee,
    department: state.department,
    priority: state.priority,
    skills: state.skills,
    subject: state.subject,
    tags: staff ? state.tags : [],
    metadata: state.metadata,
    lastSeq: staff ? state.lastSeq : state.publicSeq,
    fence: state.fence,
    createdAt: state.createdAt,
    updatedAt: staff ? state.updatedAt : state.publicUpdatedAt,
    closedAt: state.closedAt,
    rating: state.rating,
    queue: state.status === 'queued' ? router.floor(state.tenant).place(state.id) : null,
  };
};

export const lastSeqSeen = (audience: Audience, state: ConversationState): number =>
  audience === 'staff' ? state.lastSeq : state.publicSeq;

/** Whether others may know of the cursor: of supervisors who have only watched they may not. */
export const showsCursor = (
  { router }: Pick<Desk, 'router'>,
  state: ConversationState,
  { userId }: CursorRecord,
): boolean => {
  const id = personId(userId);
  if (id === userId || state.assignee?.id === id || state.formerAssignees.includes(id)) return true;
  return router.floor(state.tenant).seat(id)?.user.role !== 'supervisor';
};

/** The cursor as this audience reads it; who may not see staff entries does not see a seq move over one. */
export const cursorView = (audience: Audience, cursor: CursorRecord): Cursor =>
  audience === 'staff'
    ? { userId: personId(cursor.userId), deliveredSeq: cursor.deliveredSeq, readSeq: cursor.readSeq }
    : { userId: personId(cursor.userId), deliveredSeq: cursor.publicDeliveredSeq, readSeq: cursor.publicReadSeq };
