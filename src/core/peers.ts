import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Bus } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Changes, NodeInfo, Nodes, Presence } from '../ports/nodes.ts';

/** The other nodes of the desk, as the core needs them. */
export interface Peers {
  /** Nodes that are alive, this one too, as far as this one knows. */
  readonly nodeCount: number;
  /** Every other node that is alive is heard over the bus, too. */
  readonly hearsAll: boolean;
  /**
   * Whether this node does what is done once for all nodes, for a tenant or another name: one node at a time says yes. For a moment
   * two may, or none, when nodes come and go: what they do is decided by the store.
   */
  owns(name: string): boolean;
  /** Tells the others of an agent's connections here. */
  present(presence: Presence): void;
  /**
   * Resolves once whoever hears of what is committed from now on has heard before what this node tells of an agent's connections: who is
   * given something and is not known to be here has it taken from him.
   */
  told(tenant: string, agentId: string): Promise<void>;
  /** Something was committed that the others should look for. */
  changed(): void;
  /** Tells what is new here, and learns what is new elsewhere; everything that was committed before the call is known after it, if the store answers. */
  refresh(): Promise<void>;
  /** Must be called before anything is read that changes: from then on everything new is told. */
  join(): Promise<void>;
  /** Begins to tell what is new. */
  start(listener: PeersListener): void;
  /** This node takes no part any more. */
  leave(): Promise<void>;
}

export interface PeersListener {
  /** What is new elsewhere; `alive`: ids of the other nodes that are alive. */
  learned(changes: Changes, alive: ReadonlySet<string>): void;
  /** A node has come or gone: what this one owns may have changed. */
  nodesChanged(gone: readonly string[]): void;
  /** Hints may have missed something: to compare with the store what they told. */
  compare(): void;
  /** What other nodes told over the bus alone may be old: what `nodeId` told, or what any of them did. */
  doubt(nodeId?: string): void;
}

/** For a node that is alone with its store. */
export const alone: Peers = {
  nodeCount: 1,
  hearsAll: true,
  owns: () => true,
  present: () => undefined,
  told: () => Promise.resolve(),
  changed: () => undefined,
  refresh: () => Promise.resolve(),
  join: () => Promise.resolve(),
  start: () => undefined,
  leave: () => Promise.resolve(),
};

export interface NodePeersOptions {
  readonly nodeId: string;
  readonly info: NodeInfo;
  readonly nodes: Nodes;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly nodeLeaseMs: number;
}

/** Beats in the time of a lease, when nothing else makes one. */
const BEATS_PER_LEASE = 5;
/** However long a lease is: what a lost nudge has not brought is at most so late. */
const MAX_PAUSE_MS = 1_000;
/** Between two beats for each other node: nudges that come together are answered together, and all nodes together ask the store 200 times a second at most. */
const PAUSE_PER_NODE_MS = 5;
const MAX_BUSY_PAUSE_MS = 250;
/** How often what hints may have missed is looked for while the bus works. */
const COMPARE_MS = 5_000;

const presenceKey = (tenant: string, agentId: string): string => `${tenant}\u0000${agentId}`;

/**
 * Beats: says that this node lives and what is new here, and learns what is new elsewhere. A beat comes with each nudge of the bus, and
 * at least one a second without any, so that a lost nudge costs a second at most.
 */
export class NodePeers implements Peers {
  readonly #options: NodePeersOptions;
  /** To be told with the next beat, and told by the one under way. */
  #presences = new Map<string, Presence>();
  #telling = new Map<string, Presence>();
  readonly #owners = new Map<string, string>();
  #listener: PeersListener | undefined;
  #mark: string | null = null;
  /** The answer to the first beat, until somebody listens. */
  #joined: Changes | undefined;
  #alive: readonly string[];
  #beatenAt = 0;
  #comparedAt = -Infinity;
  #beating = false;
  #wanted = false;
  /** Those who wait for the next beat that begins. */
  #waiting: (() => void)[] = [];
  #failing = false;
  #left = false;
  /** When each of the others was heard over the bus last, or could have been for the first time. */
  readonly #heardAt = new Map<string, number>();
  readonly #silent = new Set<string>();
  /** Nodes that were alive once. */
  readonly #gone = new LRUCache<string, true>({ max: 1_000 });
  #cancel: () => void = () => undefined;

  constructor(options: NodePeersOptions) {
    this.#options = options;
    this.#alive = [options.nodeId];
    options.bus.onNudge(() => this.#soon());
    options.bus.onGreeting((id) => this.#heardAt.set(id, options.clock.now()));
    options.bus.onLoss((id) => {
      this.#listener?.doubt(id);
      // With the beat that it asks for: many of them may say so at once.
      this.#comparedAt = -Infinity;
    });
    options.bus.onConnected((connected) => {
      this.#heardAt.clear();
      if (connected) {
        this.#listener?.doubt();
        this.#listener?.compare();
      }
      this.#soon();
    });
  }

  get nodeCount(): number {
    return this.#alive.length;
  }

  get hearsAll(): boolean {
    return this.#silent.size === 0;
  }

  owns(name: string): boolean {
    // The others may count this node as dead: it does nothing in their place.
    if (!this.#isLeased) return false;
    let owner = this.#owners.get(name);
    if (owner === undefined) {
      owner = ownerOf(name, this.#alive);
      this.#owners.set(name, owner);
    }
    return owner === this.#options.nodeId;
  }

  get #isLeased(): boolean {
    const { clock, nodeLeaseMs } = this.#options;
    return clock.now() - this.#beatenAt <= nodeLeaseMs;
  }

  present(presence: Presence): void {
    this.#presences.set(presenceKey(presence.tenant, presence.user.id), presence);
    this.#soon();
  }

  told(tenant: string, agentId: string): Promise<void> {
    const key = presenceKey(tenant, agentId);
    // What all who are here have told counts only while this node does.
    const known = this.#isLeased && !this.#presences.has(key) && !this.#telling.has(key);
    return known ? Promise.resolve() : this.refresh();
  }

  changed(): void {
    this.#options.bus.nudge();
  }

  refresh(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#soon();
    });
  }

  async join(): Promise<void> {
    this.#joined = await this.#beat();
    this.#warnOfDifferences(this.#joined);
  }

  start(listener: PeersListener): void {
    this.#listener = listener;
    if (this.#joined !== undefined) this.#learn(this.#joined);
    this.#joined = undefined;
    this.#await();
  }

  async leave(): Promise<void> {
    this.#left = true;
    this.#cancel();
    const { nodes, nodeId, log, bus } = this.#options;
    await nodes
      .leave(nodeId)
      .catch((error: unknown) => log.warn({ error }, 'the other nodes could not be told of the end'));
    bus.nudge();
  }

  #await(): void {
    this.#cancel();
    const { clock, nodeLeaseMs, bus } = this.#options;
    this.#cancel = clock.after(Math.min(MAX_PAUSE_MS, nodeLeaseMs / BEATS_PER_LEASE), () => {
      bus.greet();
      this.#soon();
      this.#await();
    });
  }

  /** Beats, now or once the beat under way is done. */
  #soon(): void {
    if (this.#listener === undefined || this.#left) {
      for (const resolve of this.#waiting.splice(0)) resolve();
      return;
    }
    this.#wanted = true;
    if (this.#beating) return;
    this.#beating = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    while (this.#wanted && !this.#left) {
      this.#wanted = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      const lapsed = !this.#isLeased;
      // It may have stood still, and heard nobody.
      if (lapsed) this.#heardAt.clear();
      try {
        const changes = await this.#beat();
        if (this.#failing) log.info({}, 'the store tells again what other nodes do');
        this.#failing = false;
        this.#learn(changes);
        // What should have been done meanwhile was nobody's: it is looked for now.
        if (lapsed) this.#listener?.nodesChanged([]);
      } catch (error) {
        if (!this.#failing) log.error({ error }, 'the store does not tell what other nodes do');
        this.#failing = true;
      }
      for (const resolve of waiting) resolve();
      const pauseMs = Math.min(MAX_BUSY_PAUSE_MS, PAUSE_PER_NODE_MS * Math.max(1, this.nodeCount - 1));
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
    }
    this.#beating = false;
    // It takes no part any more, and nobody waits for it in vain.
    if (this.#left) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #beat(): Promise<Changes> {
    const { nodes, nodeId, info, nodeLeaseMs, clock } = this.#options;
    this.#telling = this.#presences;
    this.#presences = new Map();
    const presences = [...this.#telling.values()];
    const startedAt = clock.now();
    try {
      const changes = await nodes.beat({ nodeId, info, presences, mark: this.#mark, nodeLeaseMs });
      this.#beatenAt = startedAt;
      this.#mark = changes.mark;
      if (presences.length > 0) this.#options.bus.nudge();
      return changes;
    } catch (error) {
      // What has come meanwhile is newer.
      this.#presences = new Map([...this.#telling, ...this.#presences]);
      throw error;
    } finally {
      this.#telling = new Map();
    }
  }

  #learn(changes: Changes): void {
    const { nodeId, bus } = this.#options;
    const before = this.#alive;
    const ids = [...new Set([nodeId, ...changes.nodes.map(({ id }) => id)])].sort();
    const gone = before.filter((id) => !ids.includes(id));
    const moved = gone.length > 0 || ids.length !== before.length;
    for (const id of gone) this.#gone.set(id, true);
    const isBack = ids.filter((id) => this.#gone.delete(id)).length > 0;
    this.#alive = ids;
    if (moved) this.#owners.clear();
    this.#listener?.learned(changes, new Set(ids.filter((id) => id !== nodeId)));
    if (moved) {
      this.#options.log.info({ nodes: ids }, 'the nodes of the desk have changed');
      this.#listener?.nodesChanged(gone);
      // It had stood still, or could not reach the store: whom it has was forgotten here, and it does not know that.
      if (isBack) this.#listener?.doubt();
    }
    this.#lookForSilent();
    const now = this.#options.clock.now();
    if (bus.connected && this.hearsAll && Math.abs(now - this.#comparedAt) < COMPARE_MS) return;
    this.#comparedAt = now;
    this.#listener?.compare();
  }

  /** Alive by the store and never heard: told of once, and made up for by looking into the store as often as without a bus. */
  #lookForSilent(): void {
    const { nodeId, bus, clock, nodeLeaseMs, log } = this.#options;
    // That is known, and told by the bus itself.
    if (!bus.connected) return;
    const now = clock.now();
    for (const id of [...this.#heardAt.keys(), ...this.#silent]) {
      if (this.#alive.includes(id)) continue;
      this.#heardAt.delete(id);
      this.#silent.delete(id);
    }
    for (const id of this.#alive) {
      if (id === nodeId) continue;
      const heardAt = this.#heardAt.get(id);
      if (heardAt === undefined) this.#heardAt.set(id, now);
      // One that froze counts as alive until its lease ends.
      else if (now - heardAt <= nodeLeaseMs + 2 * MAX_PAUSE_MS) {
        if (this.#silent.delete(id)) log.info({ node: id }, 'a node is heard over Redis again');
      } else if (!this.#silent.has(id)) {
        this.#silent.add(id);
        log.error({ node: id, setting: 'REDIS_URL' }, unheard(id));
      }
    }
  }

  #warnOfDifferences({ nodes }: Changes): void {
    const { nodeId, info, log } = this.#options;
    for (const other of nodes) {
      if (other.id === nodeId) continue;
      for (const [name, fingerprint] of Object.entries(info.fingerprints)) {
        const theirs = other.info.fingerprints[name];
        // One of an older version may not tell all that this one does.
        if (theirs === undefined || theirs === fingerprint) continue;
        log.error(
          { node: other.id, setting: name },
          `${name} is not the same on this node and on ${other.id}: clients will be treated differently on each; set the same on all nodes`,
        );
      }
    }
  }
}

const unheard = (id: string): string =>
  `REDIS_URL: the node ${id} uses the same database and is not heard over Redis, so what happens there arrives up to a second late, typing not at all. Set REDIS_URL on all nodes, to the same Redis server and database number`;

/** Rendezvous hashing: with a node that goes, only what it owned moves (Thaler and Ravishankar, 1998). */
const ownerOf = (name: string, nodeIds: readonly string[]): string => {
  const weight = (id: string): string => createHash('sha1').update(id).update('\u0000').update(name).digest('hex');
  return nodeIds.reduce((best, id) => (weight(id) > weight(best) ? id : best));
};
