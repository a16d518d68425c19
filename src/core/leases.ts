import type { Clock } from '../ports/clock.ts';

export interface LeasesOptions {
  readonly clock: Clock;
  /** See limits.agentLeaseMs. */
  readonly leaseMs: number;
  /** Asks a connection for a sign of life. */
  readonly probe: (connectionId: string) => void;
  /** Somebody is heard of who was not before. */
  readonly onStart: (tenant: string, agentId: string) => void;
  /** Nothing was heard of somebody for the time of a lease. */
  readonly onEnd: (tenant: string, agentId: string) => void;
}

interface Lease {
  readonly tenant: string;
  readonly agentId: string;
  heardAt: number;
}

/** How many times in a lease connections are probed, and leases looked at. */
const TICKS_PER_LEASE = 5;

/**
 * Presence as a lease: an agent is here as long as anything is heard of any of his connections, be it only the answer to a probe.
 * So a closed laptop, a killed process and a cut wire are noticed in the same way and within the same bound, a second device that
 * leaves changes nothing, and who reconnects within the lease was never away.
 */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #leases = new Map<string, Lease>();
  readonly #connections = new Map<string, Lease>();
  readonly #tickMs: number;
  #tickedAt: number;
  #cancel: () => void = () => undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#tickMs = options.leaseMs / TICKS_PER_LEASE;
    this.#tickedAt = options.clock.now();
    this.#await();
  }

  /** A connection of an agent is here. */
  watch(connectionId: string, tenant: string, agentId: string): void {
    this.#connections.set(connectionId, this.renew(tenant, agentId));
  }

  /** Something was received from it. */
  heard(connectionId: string): void {
    const lease = this.#connections.get(connectionId);
    if (lease === undefined) return;
    lease.heardAt = this.#options.clock.now();
    if (this.#leases.get(key(lease.tenant, lease.agentId)) !== lease) this.#begin(lease);
  }

  /** It is closed. The lease goes on until its end: most come back. */
  unwatch(connectionId: string): void {
    this.#connections.delete(connectionId);
  }

  /** Gives a whole lease from now. */
  renew(tenant: string, agentId: string): Lease {
    const known = this.#leases.get(key(tenant, agentId));
    if (known !== undefined) {
      known.heardAt = this.#options.clock.now();
      return known;
    }
    // Connections of one agent share one lease, also after it has ended.
    const ended = [...this.#connections.values()].find((lease) => lease.tenant === tenant && lease.agentId === agentId);
    const lease = ended ?? { tenant, agentId, heardAt: 0 };
    lease.heardAt = this.#options.clock.now();
    this.#begin(lease);
    return lease;
  }

  stop(): void {
    this.#cancel();
  }

  #begin(lease: Lease): void {
    this.#leases.set(key(lease.tenant, lease.agentId), lease);
    this.#options.onStart(lease.tenant, lease.agentId);
  }

  #await(): void {
    this.#cancel = this.#options.clock.after(this.#tickMs, () => {
      this.#tick();
      this.#await();
    });
  }

  #tick(): void {
    const { clock, leaseMs, probe, onEnd } = this.#options;
    const now = clock.now();
    const pausedMs = now - this.#tickedAt - this.#tickMs;
    this.#tickedAt = now;
    for (const connectionId of this.#connections.keys()) probe(connectionId);
    // This process was stopped, or the clock was set: nobody else's silence is to be read from that.
    const pardonMs = Math.abs(pausedMs) > this.#tickMs ? pausedMs : 0;
    for (const [id, lease] of this.#leases) {
      lease.heardAt += pardonMs;
      // By the next tick it would be over the bound.
      if (now - lease.heardAt < leaseMs - this.#tickMs) continue;
      this.#leases.delete(id);
      onEnd(lease.tenant, lease.agentId);
    }
  }
}

const key = (tenant: string, agentId: string): string => `${tenant}\u0000${agentId}`;
