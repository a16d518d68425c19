import type { Entry } from '../../src/contract/schemas.ts';
import type { AssigneeChange } from './history.ts';

/** What chaos messages say, and how two readings of an entry are compared without keeping either. */

/** Every so many messages of a member of staff one is a note. */
const NOTE_EVERY = 20;

/** Client ids name their author, so they are used once in a conversation. */
export const clientIdOf = (member: string, number: number): string => `${member}-${String(number)}`;

export const isNote = (role: string, number: number): boolean => role !== 'customer' && number % NOTE_EVERY === 0;

/** Follows from the client id; of different lengths. */
export const textOf = (clientId: string, number: number): string =>
  `Text of ${clientId}. ${'And so on. '.repeat((number * 7) % 12)}`;

/** FNV-1a, as a signed 32-bit number. */
const digest = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash | 0;
};

export const messageDigest = (author: string, staff: boolean, clientId: string, text: string): number =>
  digest(`message:created ${author} ${staff ? 'staff' : 'all'} ${clientId} ${text}`);

export const changeOf = (entry: Entry): AssigneeChange | null => {
  switch (entry.type) {
    case 'conversation:assigned':
    case 'conversation:released':
    case 'conversation:transferred': {
      const { assignee, previousAssignee, fence } = entry;
      return { assignee: assignee?.id ?? null, previous: previousAssignee?.id ?? null, fence };
    }
    default:
      return null;
  }
};

/** Of what everybody who may see the entry sees of it alike. */
export const entryDigest = (entry: Entry): number => {
  const author = entry.author?.id ?? '';
  if (entry.type === 'message:created')
    return messageDigest(author, entry.visibility === 'staff', entry.clientMessageId, entry.text ?? '');
  const change = changeOf(entry);
  if (change === null) return digest(`${entry.type} ${author}`);
  return digest(
    `${entry.type} ${author} ${String(change.previous)} ${String(change.assignee)} ${String(change.fence)}`,
  );
};
