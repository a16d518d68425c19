import { z } from 'zod';
import { ENTRIES, TYPING_END_REASONS, User } from '../contract/schemas.ts';
import { time } from '../contract/text.ts';
import type { Note } from '../ports/bus.ts';
import type { Revocation } from '../ports/store.ts';
import { knownJsonText } from '../ports/json-text.ts';

/** The publisher's node id, a line end, and the note as JSON: what is one's own is seen before anything is parsed. */
export const noteText = (nodeId: string, note: Note): string => {
  if (note.kind !== 'entries') return `${nodeId}\n${JSON.stringify(note)}`;
  const entries = note.entries.map((entry) => knownJsonText(entry) ?? JSON.stringify(entry));
  return `${nodeId}\n{"kind":"entries","entries":[${entries.join(',')}]}`;
};

const LINE_END = 0x0a;

export interface ReadNote {
  readonly nodeId: string;
  readonly note: Note;
}

/**
 * Another version of the program, or another program, may use the same channel: what is not as expected is refused here, whole, since
 * timers and other nodes' connections would meet it later. Of entries, which are many, only what delivery rests on is looked at.
 */
const Entry = z.looseObject({
  seq: z.int().min(1),
  conversationId: z.string(),
  type: z.string().refine((type) => Object.hasOwn(ENTRIES, type)),
  visibility: z.enum(['all', 'staff']),
});
const Person = z.object(User.shape);
const Typist = z.object({
  tenant: z.string(),
  user: Person,
  staffOnly: z.boolean(),
  preview: z.string().optional(),
  expiresAt: time(),
});
const AnyNote = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('entries'), entries: z.array(Entry) }),
  z.object({
    kind: z.literal('here'),
    users: z.array(Person),
    typists: z.array(Typist),
    ask: z.boolean().optional(),
  }),
  z.object({ kind: z.literal('typing-started'), typist: Typist }),
  z.object({ kind: z.literal('typing-stopped'), user: Person, reason: z.enum(TYPING_END_REASONS) }),
]);

/** undefined: of this node itself. @throws Error when it is no note */
export const readNote = (message: Buffer, ownNodeId: string): ReadNote | undefined => {
  const end = message.indexOf(LINE_END);
  if (end <= 0) throw new Error('found no node id');
  const nodeId = message.toString('utf8', 0, end);
  if (nodeId === ownNodeId) return undefined;
  const note: unknown = JSON.parse(message.toString('utf8', end + 1));
  const { success, error } = AnyNote.safeParse(note);
  if (!success) throw new Error(`found no note as they are here: ${error.issues[0]?.path.join('.') ?? ''}`);
  return { nodeId, note: note as Note };
};

const AnyRevocation = z.object({ tenant: z.string(), userId: z.string(), revokedAt: time() });

/** @throws Error when it is none */
export const readRevocation = (text: string): Revocation => AnyRevocation.parse(JSON.parse(text));
