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
  /** False: it has ended; kept while a connection, silent as it is, may still be heard of. */
  live: boolean;
  connectionCount: number;
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
    const lease = this.#renew(tenant, agentId);
    lease.connectionCount += 1;
    this.#connections.set(connectionId, lease);
  }

  /** Something was received from it. */
  heard(connectionId: string): void {
    const lease = this.#connections.get(connectionId);
    if (lease === undefined) return;
    this.#hear(lease);
  }

  /** It is closed. The lease goes on until its end: most come back. */
  unwatch(connectionId: string): void {
    const lease = this.#connections.get(connectionId);
    if (lease === undefined) return;
    this.#connections.delete(connectionId);
    lease.connectionCount -= 1;
    this.#forgetIfOver(lease);
  }

  /** Whether something was heard of somebody within the time of a lease. */
  isLive(tenant: string, agentId: string): boolean {
    return this.#leases.get(key(tenant, agentId))?.live === true;
  }

  /** Gives a whole lease from now. */
  renew(tenant: string, agentId: string): void {
    this.#renew(tenant, agentId);
  }

  stop(): void {
    this.#cancel();
  }

  #renew(tenant: string, agentId: string): Lease {
    const id = key(tenant, agentId);
    let lease = this.#leases.get(id);
    if (lease === undefined) {
      lease = { tenant, agentId, heardAt: 0, live: false, connectionCount: 0 };
      this.#leases.set(id, lease);
    }
    this.#hear(lease);
    return lease;
  }

  #hear(lease: Lease): void {
    lease.heardAt = this.#options.clock.now();
    if (lease.live) return;
    lease.live = true;
    this.#options.onStart(lease.tenant, lease.agentId);
  }

  #forgetIfOver(lease: Lease): void {
    if (!lease.live && lease.connectionCount === 0) this.#leases.delete(key(lease.tenant, lease.agentId));
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
    for (const lease of this.#leases.values()) {
      lease.heardAt += pardonMs;
      // By the next tick it would be over the bound.
      if (!lease.live || now - lease.heardAt < leaseMs - this.#tickMs) continue;
      lease.live = false;
      this.#forgetIfOver(lease);
      onEnd(lease.tenant, lease.agentId);
    }
  }
}

const key = (tenant: string, agentId: string): string => `${tenant}\u0000${agentId}`;
