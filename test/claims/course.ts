import { TestClient } from '../support/client.ts';
import { ServerProcess } from '../support/process.ts';
import { agent, customer, tokenFor } from '../support/server.ts';
import type { LoggedChange, Operation } from './history.ts';

const LIMITS = {
  requestsPerSecond: 1_000_000,
  handshakesPerSecond: 100_000,
  connectionsPerAddress: 100_000,
  // Nobody is refused for anything but an assignee, and no lease ends.
  agentCapacity: 10_000,
  agentLeaseMs: 600_000,
  pageEntries: 1_000,
  pageBytes: 4_194_304,
};

export interface CourseOptions {
  readonly dataDir: string;
  /** Claims sent, in all. */
  readonly claimCount: number;
  /** The server is killed when so many claims have been sent. */
  readonly killAt: ReadonlySet<number>;
}

/** A server process that is killed and started again on the same data, and all that its clients have seen. */
export class Course {
  readonly conversationIds: string[] = [];
  /** By conversation. */
  readonly operations = new Map<string, Operation[]>();
  claims = 0;
  kills = 0;
  readonly #options: CourseOptions;
  #ticks = 0;
  #server: ServerProcess;
  #url: Promise<string>;
  #ended = false;

  constructor(options: CourseOptions) {
    this.#options = options;
    this.#server = this.#start();
    this.#url = this.#server.url();
  }

  /** No more is to be claimed. */
  get over(): boolean {
    return this.#ended || this.claims >= this.#options.claimCount;
  }

  /** Of the server that runs, or of the next while it is being restarted. Rejects when there will be none. */
  async url(): Promise<string> {
    // Whoever comes back after the end, because another has failed, must not try for ever.
    if (this.#ended) throw new Error('the run has ended');
    return this.#url;
  }

  /** A count, not a clock: no two instants are the same. */
  instant(): number {
    this.#ticks += 1;
    return this.#ticks;
  }

  /** Kills in the middle of things, with this claim and those of others under way. */
  claimSent(): void {
    this.claims += 1;
    if (this.#options.killAt.has(this.claims)) this.#url = this.#url.then(() => this.#restart());
  }

  done(conversationId: string, operation: Operation): void {
    this.operations.get(conversationId)?.push(operation);
  }

  async open(count: number): Promise<void> {
    const url = await this.#url;
    for (let index = 0; index < count; index += 1) {
      const client = new TestClient(url, { token: tokenFor(customer(`customer-${String(index)}`)) });
      await client.connected();
      const { conversation } = await client.request('conversation:open', {});
      client.close();
      this.conversationIds.push(conversation.id);
      this.operations.set(conversation.id, []);
    }
  }

  /** The changes of assignee in each log, once all operations are over. */
  async logs(): Promise<Map<string, LoggedChange[]>> {
    const client = await new TestClient(await this.#url, { token: tokenFor(agent('reader')) }).connected();
    const logs = new Map<string, LoggedChange[]>();
    for (const conversationId of this.conversationIds) logs.set(conversationId, await readLog(client, conversationId));
    client.close();
    return logs;
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#url.catch(() => undefined);
    await this.#server.end('SIGKILL');
  }

  #start(): ServerProcess {
    return new ServerProcess({ DATA_DIR: this.#options.dataDir, DESKWIRE_LIMITS: JSON.stringify(LIMITS) });
  }

  async #restart(): Promise<string> {
    await this.#server.end('SIGKILL');
    this.kills += 1;
    this.#server = this.#start();
    return this.#server.url();
  }
}

const readLog = async (client: TestClient, conversationId: string): Promise<LoggedChange[]> => {
  const changes: LoggedChange[] = [];
  let afterSeq = 0;
  for (;;) {
    const page = await client.request('conversation:history', { conversationId, afterSeq, limit: LIMITS.pageEntries });
    for (const entry of page.entries) {
      afterSeq = entry.seq;
      if (entry.type !== 'conversation:assigned' && entry.type !== 'conversation:released') continue;
      const isAssigned = entry.type === 'conversation:assigned';
      changes.push({
        kind: isAssigned ? 'assigned' : 'released',
        fence: entry.fence,
        seq: entry.seq,
        agent: (isAssigned ? entry.assignee : entry.previousAssignee)?.id ?? 'nobody',
        author: entry.author?.id ?? null,
      });
    }
    if (!page.hasMore) return changes;
  }
};
