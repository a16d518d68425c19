import type { KeyObject } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { LightClient } from '../client.ts';
import { Crowd } from './crowd.ts';
import type { Costs, CostsJob, NodesTarget, Spent } from './jobs.ts';
import { commandCount, Meters } from './meters.ts';
import { Rooms } from './rooms.ts';

/** How many connect, or ask, at the same time. */
const AT_ONCE = 50;
const IN_FLIGHT = 16;
/** How long a start's own work is given to end, at most; a short run doesn't care. */
const SETTLE_MS = 3_000;
/** Messages of which the size on the wire is taken. */
const SIZED_PER_SECOND = 100;
const SIZED_MS = 300;

const inBatches = async <T, R>(items: readonly T[], task: (item: T, index: number) => Promise<R>): Promise<R[]> => {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += AT_ONCE)
    results.push(
      ...(await Promise.all(items.slice(first, first + AT_ONCE).map((item, offset) => task(item, first + offset)))),
    );
  return results;
};

/** What single things cost, each measured alone, on the first of the nodes; whatever else is needed happens on the second. */
export class CostsRun {
  readonly #target: NodesTarget;
  readonly #key: KeyObject;
  readonly #job: CostsJob;
  readonly #meters: Meters;

  private constructor(target: NodesTarget, key: KeyObject, job: CostsJob, meters: Meters) {
    this.#target = target;
    this.#key = key;
    this.#job = job;
    this.#meters = meters;
  }

  static async run(target: NodesTarget, key: KeyObject, job: CostsJob): Promise<Costs> {
    const meters = await Meters.open(target);
    const run = new CostsRun(target, key, job, meters);
    const costs = await run.#all();
    await meters.close();
    return costs;
  }

  async #all(): Promise<Costs> {
    const { idleSeconds, connectionCount, heldSeconds, fewMembers, manyMembers } = this.#job;
    await wait(Math.min(SETTLE_MS, idleSeconds * 1_000));
    const idle = await this.#spent(() => wait(idleSeconds * 1_000));
    const nodeCount = this.#target.urls.length;
    const idleNodeCpuMicrosPerSecond =
      idle.nodeCpuMicros.reduce((sum, micros) => sum + micros, 0) / nodeCount / idleSeconds;

    // What the first of a kind cost (compiled code, grown tables) is not the price of one more.
    for (const early of await this.#connect('early', AT_ONCE * 2)) early.close();
    let clients: LightClient[] = [];
    const connecting = await this.#spent(async () => {
      clients = await this.#connect('held', connectionCount);
    });
    const holding = await this.#spent(() => wait(heldSeconds * 1_000));
    const conversationIds = this.#target.kind === 'peer' ? [] : await this.#openConversations(connectionCount);
    const joining = await this.#spent(async () => {
      await inBatches(clients, (client, index) =>
        this.#target.kind === 'peer'
          ? client.request('join', { room: `room-${String(index)}` })
          : client.request('conversation:join', { conversationId: conversationIds[index], afterSeq: 0 }),
      );
    });
    for (const client of clients) client.close();

    const few = await this.#cpuPerMessage(fewMembers);
    const many = await this.#cpuPerMessage(manyMembers);
    const idleCpu = idleNodeCpuMicrosPerSecond * heldSeconds;
    const held = connectionCount * heldSeconds;
    return {
      idleNodeCpuMicrosPerSecond,
      idleNodeStatementsPerSecond: idle.statements / nodeCount / idleSeconds,
      idleNodeRedisCommandsPerSecond: commandCount(idle) / nodeCount / idleSeconds,
      cpuMicrosPerConnection: firstNode(connecting) / connectionCount,
      statementsPerConnection: connecting.statements / connectionCount,
      redisCommandsPerConnection: commandCount(connecting) / connectionCount,
      cpuMicrosPerIdleConnectionSecond: Math.max(0, firstNode(holding) - idleCpu) / held,
      cpuMicrosPerJoin: firstNode(joining) / connectionCount,
      statementsPerJoin: joining.statements / connectionCount,
      redisCommandsPerJoin: commandCount(joining) / connectionCount,
      cpuMicrosPerFurtherDelivery: (many - few) / (manyMembers - fewMembers),
      bytesPerDelivery: await this.#bytesPerDelivery(),
    };
  }

  async #spent(task: () => Promise<unknown>): Promise<Spent> {
    const before = await this.#meters.read();
    await task();
    return this.#meters.spentSince(before);
  }

  #client(sub: string, node: number): LightClient {
    return new LightClient(
      { sub, role: 'agent' },
      { url: this.#target.urls[node] ?? '', key: this.#key, saysReady: this.#target.kind === 'deskwire' },
    );
  }

  #connect(name: string, count: number): Promise<LightClient[]> {
    return inBatches(Array.from({ length: count }), async (_, index) => {
      const client = this.#client(`${name}-${String(index)}`, 0);
      await client.ready();
      return client;
    });
  }

  async #openConversations(count: number): Promise<string[]> {
    const opener = this.#client('opener', 1);
    await opener.ready();
    const ids = await inBatches(Array.from({ length: count }), async (_, index) => {
      const { data } = await opener.request('conversation:open', { customerId: `customer-of-${String(index)}` });
      const { id } = (data as { conversation: { id: string } }).conversation;
      await opener.request('conversation:leave', { conversationId: id });
      return id;
    });
    opener.close();
    return ids;
  }

  /** The sender sits on the second node, all others on the first. */
  async #cpuPerMessage(memberCount: number): Promise<number> {
    const { roomCount, messageCount } = this.#job;
    const memberNodes = [1, ...Array.from({ length: memberCount }, () => 0)];
    const rooms = await Rooms.open(this.#target, this.#key, { roomCount, memberNodes, senders: [0] });
    await rooms.relay(IN_FLIGHT, Math.ceil(messageCount / 4));
    const spent = await this.#spent(() => rooms.relay(IN_FLIGHT, messageCount));
    rooms.close();
    return firstNode(spent) / messageCount;
  }

  async #bytesPerDelivery(): Promise<number> {
    const crowd = await Crowd.open(this.#target, this.#key, {
      ...{ conversationCount: 1, membersEach: 1, messagesPerSecond: SIZED_PER_SECOND, warmUpSeconds: 0 },
      ...{ speakerNodes: [1], urlOf: () => this.#target.urls[0] ?? '' },
    });
    crowd.speak(SIZED_PER_SECOND);
    await wait(SIZED_MS);
    await crowd.settle();
    const [follower] = crowd.followers;
    crowd.close();
    return (follower?.entryBytes ?? 0) / (follower?.entryCount ?? 0);
  }
}

const firstNode = ({ nodeCpuMicros }: Spent): number => nodeCpuMicros[0] ?? 0;
