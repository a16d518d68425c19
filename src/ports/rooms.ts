import type { EventName, EventPayload } from '../contract/contract.ts';
import type { Audience } from '../contract/roles.ts';
import type { User } from '../contract/schemas.ts';
import { personKey } from './actor.ts';

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
  /** To connections on this node; skips readers that don't keep up when `ephemeral`. @default { ephemeral: false } */
  emitHere<N extends EventName>(
    target: Target,
    event: N,
    payload: EventPayload<N>,
    options?: { ephemeral: boolean },
  ): void;
  /** To connections on all nodes that are in a room of a user or of an audience; skips readers that don't keep up when `ephemeral`. */
  emit<N extends EventName>(target: Target, event: N, payload: EventPayload<N>, options: { ephemeral: boolean }): void;
  /** Asks a connection on this node for a sign of life; what it answers arrives as any packet does. */
  probe(connectionId: string): void;
  /** Tells a connection on this node that its token is revoked, and closes it. */
  endRevoked(connectionId: string): void;
  /** To one connection on this node. */
  emitTo<N extends EventName>(connectionId: string, event: N, payload: EventPayload<N>): void;
}

/** The Redis adapter takes a name of 20 characters for a connection's id and sends it to every node. */
const SOCKET_ID_LENGTH = 20;
const room = (name: string): string => (name.length === SOCKET_ID_LENGTH ? `${name}.` : name);
/** Keeps a name's parts apart; never fails, whatever the text. */
const part = (text: string): string => text.replaceAll('%', '%25').replaceAll(':', '%3A');

/** Those that `emit` goes to; to the others only `emitHere` does, and nodes need not tell each other that they have them. */
export const isAcrossNodes = (name: string): boolean => /^(?:user|staff|public):/.test(name);

/** Everyone who is live in a conversation. */
export const allRoom = (conversationId: string): string => room(`all:${conversationId}`);
/** Those of them who see staff entries, and those who don't. */
export const audienceRoom = (audience: Audience, conversationId: string): string =>
  room(`${audience}:${conversationId}`);
/** Those who are reading the log page by page, and not live yet. */
export const pagingRoom = (conversationId: string): string => room(`paging:${conversationId}`);
/** The connections of one user that get this view; the same `sub` may come with tokens of several roles. */
export const userRoom = (audience: Audience, tenant: string, user: User): string =>
  room(`user:${audience}:${part(tenant)}:${part(personKey(user))}`);
/** All connections of one user. */
export const userRooms = (tenant: string, user: User): string[] => personRooms(tenant, personKey(user));
/** All connections of whoever has this personKey. */
export const personRooms = (tenant: string, key: string): string[] =>
  (['staff', 'public'] as const).map((audience) => room(`user:${audience}:${part(tenant)}:${part(key)}`));
/** Connections of all who answer in a tenant. */
export const deskRoom = (tenant: string): string => room(`desk:${part(tenant)}`);
/** Connections of those who take new work of a department; null: of none. */
export const queueRoom = (audience: Audience, tenant: string, department: string | null): string =>
  room(`queue:${audience}:${part(tenant)}:${department === null ? '' : `d:${part(department)}`}`);
