import { userRoom } from '../ports/rooms.ts';
import type { Actor } from '../ports/actor.ts';
import { takeWork } from './agents.ts';
import type { Desk } from './desk.ts';
import { depart } from './participants.ts';

/** Counts a connection in. */
export const connect = (desk: Desk, connectionId: string, actor: Actor): void => {
  desk.roster.connect(connectionId, actor);
  desk.rooms.enter(connectionId, userRoom(actor.audience, actor.tenant, actor.user));
};

/** An agent's status outlives his connections: a new one takes new work if the agent does. */
export const resumeStatus = async (desk: Desk, actor: Actor): Promise<void> => {
  if (actor.role === 'customer') return;
  const agent = await desk.store.agent(actor.tenant, actor.user.id);
  if (agent?.status === 'online') takeWork(desk, actor, true);
};

/** Counts a connection out, and ends all it had going on. */
export const disconnect = (desk: Desk, connectionId: string): void => {
  for (const conversationId of desk.roster.connection(connectionId)?.conversations ?? []) {
    depart(desk, connectionId, conversationId, 'disconnected');
  }
  desk.roster.disconnect(connectionId);
};
