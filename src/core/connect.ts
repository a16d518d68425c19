import { userRoom } from '../ports/rooms.ts';
import type { Actor } from '../ports/actor.ts';
import { isWorker } from './agents.ts';
import type { Desk } from './desk.ts';
import { depart } from './participants.ts';
import { offerAgain } from './offer.ts';

/** Counts a connection in. An agent's status outlives his connections: a new one takes new work if the agent does. */
export const connect = (desk: Desk, connectionId: string, actor: Actor): void => {
  desk.roster.connect(connectionId, actor);
  desk.rooms.enter(connectionId, userRoom(actor.audience, actor.tenant, actor.user));
};

/** What a connection of somebody who answers takes part in. The first event of a connection has been sent before. */
export const startWork = (desk: Desk, connectionId: string, actor: Actor): void => {
  if (!isWorker(actor)) return;
  desk.agents.connect(connectionId, actor);
  offerAgain(desk, connectionId, actor);
};

/** Counts a connection out, and ends all it had going on. */
export const disconnect = (desk: Desk, connectionId: string): void => {
  const actor = desk.roster.connection(connectionId)?.actor;
  for (const conversationId of desk.roster.connection(connectionId)?.conversations ?? []) {
    depart(desk, connectionId, conversationId, 'disconnected');
  }
  desk.roster.disconnect(connectionId);
  if (actor !== undefined && isWorker(actor)) desk.agents.disconnect(connectionId, actor);
};
