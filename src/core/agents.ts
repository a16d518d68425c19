import type { Limits } from '../contract/limits.ts';
import type { Actor } from '../ports/actor.ts';
import { queueRoom } from '../ports/rooms.ts';
import type { AgentRecord } from '../ports/store.ts';
import type { Desk } from './desk.ts';

/** How many conversations an agent can hold: what agent:status said, else the token, else the limit. */
export const capacityOf = (limits: Limits, actor: Actor, agent: AgentRecord | null): number =>
  agent?.capacity ?? actor.maxChats ?? limits.agentCapacity;

/** Puts all connections of an agent in, or out of, the rooms where new work is announced. */
export const takeWork = (desk: Desk, actor: Actor, online: boolean): void => {
  for (const connectionId of desk.roster.connectionsOf(actor.tenant, actor.user)) {
    const connected = desk.roster.connection(connectionId)?.actor ?? actor;
    for (const department of [null, ...connected.departments]) {
      const room = queueRoom(actor.audience, actor.tenant, department);
      if (online) desk.rooms.enter(connectionId, room);
      else desk.rooms.exit(connectionId, room);
    }
  }
};
