import type { EventName, EventPayload } from '../contract/contract.ts';

/** A set of rooms minus others; a connection in several gets an event once. */
export interface Target {
  readonly rooms: readonly string[];
  readonly except?: readonly string[];
}

/**
 * Delivery to connections. In the contract: to one connection, events arrive in the order in which they were emitted.
 * Entering a room takes effect at once. Not in the contract: that an ephemeral event arrives.
 */
export interface Rooms {
  /** False when the connection is gone. */
  enter(connectionId: string, room: string): boolean;
  exit(connectionId: string, room: string): void;
  /** To connections on this node. */
  emitHere<N extends EventName>(target: Target, event: N, payload: EventPayload<N>): void;
  /** To connections on all nodes; skips readers that don't keep up when `ephemeral`. */
  emit<N extends EventName>(target: Target, event: N, payload: EventPayload<N>, options: { ephemeral: boolean }): void;
  /** To one connection on this node. */
  emitTo<N extends EventName>(connectionId: string, event: N, payload: EventPayload<N>): void;
}

/** The Redis adapter takes a name of 20 characters for a connection's id and sends it to every node. */
const SOCKET_ID_LENGTH = 20;
const room = (name: string): string => (name.length === SOCKET_ID_LENGTH ? `${name}.` : name);
const part = encodeURIComponent;

/** Everyone who is live in a conversation. */
export const allRoom = (conversationId: string): string => room(`all:${conversationId}`);
/** Those of them who see staff entries, and those who don't. */
export const audienceRoom = (audience: 'staff' | 'public', conversationId: string): string =>
  room(`${audience}:${conversationId}`);
/** Those who are reading the log page by page, and not live yet. */
export const pagingRoom = (conversationId: string): string => room(`paging:${conversationId}`);
/** The connections of one user that get this view; the same `sub` may come with tokens of several roles. */
export const userRoom = (audience: 'staff' | 'public', tenant: string, userId: string): string =>
  room(`user:${audience}:${part(tenant)}:${part(userId)}`);
/** All connections of one user. */
export const userRooms = (tenant: string, userId: string): string[] => [
  userRoom('staff', tenant, userId),
  userRoom('public', tenant, userId),
];
/** Connections of those who take new work of a department; null: of none. */
export const queueRoom = (audience: 'staff' | 'public', tenant: string, department: string | null): string =>
  room(`queue:${audience}:${part(tenant)}:${department === null ? '' : `d:${part(department)}`}`);
