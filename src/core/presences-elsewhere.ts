import type { Presence } from '../ports/nodes.ts';

const key = (tenant: string, agentId: string): string => `${tenant}\u0000${agentId}`;

/** Those who answer, as the other nodes see them. What a node said that is gone now does not count. */
export class PresencesElsewhere {
  /** By agent, then by node. */
  readonly #presences = new Map<string, Map<string, Presence>>();
  #alive: ReadonlySet<string> = new Set();

  /** True when something has changed by it. */
  set(nodeId: string, presence: Presence): boolean {
    const id = key(presence.tenant, presence.user.id);
    const byNode = this.#presences.get(id) ?? new Map<string, Presence>();
    const before = byNode.get(nodeId);
    if (presence.connected || presence.live) byNode.set(nodeId, presence);
    else byNode.delete(nodeId);
    if (byNode.size === 0) this.#presences.delete(id);
    else this.#presences.set(id, byNode);
    return JSON.stringify(before ?? null) !== JSON.stringify(byNode.get(nodeId) ?? null);
  }

  /** On nodes that are alive. */
  of(tenant: string, agentId: string): Presence[] {
    const byNode = this.#presences.get(key(tenant, agentId)) ?? new Map<string, Presence>();
    return [...byNode].filter(([nodeId]) => this.#alive.has(nodeId)).map(([, presence]) => presence);
  }

  /** Gives what does not count any more, because its node is gone, and what counts again. */
  setAlive(alive: ReadonlySet<string>): { presence: Presence; gone: boolean }[] {
    const before = this.#alive;
    // With each beat, and hardly ever another.
    if (before.size === alive.size && [...alive].every((id) => before.has(id))) return [];
    this.#alive = alive;
    return [...this.#presences.values()].flatMap((byNode) =>
      [...byNode]
        .filter(([nodeId]) => before.has(nodeId) !== alive.has(nodeId))
        .map(([nodeId, presence]) => ({ presence, gone: before.has(nodeId) })),
    );
  }
}
