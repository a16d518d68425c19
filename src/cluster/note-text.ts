import type { Note } from '../ports/bus.ts';
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

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const isNote = (value: unknown): value is Note => {
  if (!isObject(value)) return false;
  switch (value['kind']) {
    case 'entries':
      return Array.isArray(value['entries']) && value['entries'].every(isEntry);
    case 'here':
      return Array.isArray(value['users']) && Array.isArray(value['typists']);
    case 'typing-started':
      return isObject(value['typist']) && isObject(value['typist']['user']);
    case 'typing-stopped':
      return isObject(value['user']) && typeof value['reason'] === 'string';
    default:
      return false;
  }
};

const isEntry = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'seq' in value && Number.isSafeInteger(value.seq) && 'type' in value;

/** undefined: of this node itself. @throws Error when it is no note */
export const readNote = (message: Buffer, ownNodeId: string): ReadNote | undefined => {
  const end = message.indexOf(LINE_END);
  if (end <= 0) throw new Error('found no node id');
  const nodeId = message.toString('utf8', 0, end);
  if (nodeId === ownNodeId) return undefined;
  const note: unknown = JSON.parse(message.toString('utf8', end + 1));
  if (!isNote(note)) throw new Error('found no note of a kind that is known here');
  return { nodeId, note };
};
