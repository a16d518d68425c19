import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entry } from '../../src/contract/schemas.ts';
import { TestClient } from '../support/client.ts';
import { ServerProcess } from '../support/process.ts';
import { Random } from '../support/random.ts';
import { agent, customer, tokenFor, type Identity } from '../support/server.ts';
import { until } from '../support/until.ts';

const CUSTOMERS = 6;
const MESSAGES = 40;
const MAX_KILLS = 2;

interface Acknowledged {
  clientMessageId: string;
  seq: number;
}

/** What one run saw: counts for the report, and every promise that was broken. */
export interface CrashReport {
  readonly seed: number;
  readonly kills: number;
  readonly acknowledged: number;
  readonly resent: number;
  readonly broken: string[];
}

/** A client as an application writes it: sends in order, sends again what was not answered, follows behind what it has. */
class Member {
  readonly acknowledged: Acknowledged[] = [];
  /** The stream: entries of pages and events, as they came. */
  readonly stream: Entry[] = [];
  resent = 0;
  conversationId: string | undefined;
  #client: TestClient | undefined;
  readonly #identity: Identity;
  readonly #url: () => string;

  constructor(identity: Identity, url: () => string) {
    this.#identity = identity;
    this.#url = url;
  }

  async #connected(): Promise<TestClient> {
    for (;;) {
      if (this.#client?.socket.connected === true && this.#client.all('session:ready').length > 0) return this.#client;
      this.#keepEvents();
      const client = new TestClient(this.#url(), { token: tokenFor(this.#identity) });
      this.#client = client;
      let refused = false;
      client.socket.on('connect_error', () => (refused = true));
      await until('an answer', () => refused || client.all('session:ready').length > 0, 2_000).catch(() => undefined);
      if (client.all('session:ready').length === 0) continue;
      if (this.conversationId === undefined) return client;
      if (await this.#join(client, this.conversationId)) return client;
    }
  }

  /** Events count from the join on; a connection's events are added behind its pages when it is given up. */
  #keepEvents(): void {
    const client = this.#client;
    if (client === undefined) return;
    client.close();
    if (this.conversationId !== undefined) this.stream.push(...client.entries(this.conversationId));
    this.#client = undefined;
  }

  async #join(client: TestClient, conversationId: string): Promise<boolean> {
    for (;;) {
      const afterSeq = this.stream.at(-1)?.seq ?? 0;
      const page = await client
        .reply('conversation:join', { conversationId, afterSeq, limit: 7 })
        .catch(() => undefined);
      if (page?.ok !== true) return false;
      this.stream.push(...page.data.entries);
      if (!page.data.hasMore) return true;
    }
  }

  async send(clientMessageId: string, text: string): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const client = await this.#connected();
      if (attempt > 0) this.resent += 1;
      const { conversationId } = this;
      const lost = new Promise<undefined>((resolve) =>
        client.socket.once('disconnect', () => {
          resolve(undefined);
        }),
      );
      const reply = await Promise.race([
        client
          .reply('message:send', { clientMessageId, text, ...(conversationId === undefined ? {} : { conversationId }) })
          .catch(() => undefined),
        lost,
      ]);
      if (reply === undefined) continue;
      if (!reply.ok) {
        if (reply.error.retryable) continue;
        throw new Error(`${clientMessageId} was refused: ${JSON.stringify(reply.error)}`);
      }
      if (conversationId === undefined && reply.data.duplicate) {
        // Opened by a request whose answer was lost: what the connection has seen does not begin at the beginning.
        client.close();
        this.#client = undefined;
      }
      this.conversationId = reply.data.entry.conversationId;
      this.acknowledged.push({ clientMessageId, seq: reply.data.entry.seq });
      return;
    }
  }

  async follow(conversationId: string): Promise<void> {
    this.conversationId = conversationId;
    await this.#connected();
  }

  /** Everything up to `seq` has come. */
  async settle(seq: number): Promise<void> {
    for (;;) {
      const client = await this.#connected();
      const here = () =>
        Math.max(this.stream.at(-1)?.seq ?? 0, client.entries(this.conversationId ?? '').at(-1)?.seq ?? 0) >= seq;
      if (await until('the end of the stream', here, 1_000).catch(() => false)) break;
      if (!client.socket.connected) continue;
      throw new Error(`the stream of ${this.#identity.sub} did not reach ${String(seq)}`);
    }
    this.#keepEvents();
  }

  async history(): Promise<Entry[]> {
    const client = await this.#connected();
    const all: Entry[] = [];
    for (;;) {
      const page = await client.request('conversation:history', {
        conversationId: this.conversationId ?? '',
        afterSeq: all.at(-1)?.seq ?? 0,
        limit: 100,
      });
      all.push(...page.entries);
      if (!page.hasMore) return all;
    }
  }

  close(): void {
    this.#keepEvents();
  }
}

/** One seeded run: traffic, SIGKILL at any moment, restart, clients resend; then the log is held against what was promised. */
export const crashRun = async (seed: number): Promise<CrashReport> => {
  const random = new Random(seed);
  const dataDir = mkdtempSync(join(tmpdir(), 'deskwire-crash-'));
  const env = {
    DATA_DIR: dataDir,
    DESKWIRE_LIMITS: JSON.stringify({ requestsPerSecond: 100_000, handshakesPerSecond: 100_000 }),
  };
  let server = new ServerProcess(env);
  let url = await server.url();
  const members = Array.from(
    { length: CUSTOMERS },
    (_, index) => new Member(customer(`customer-${String(index)}`), () => url),
  );
  const watchers: Member[] = [];
  const broken: string[] = [];
  let kills = 0;
  try {
    let sending = CUSTOMERS;
    const traffic = members.map(async (member, index) => {
      for (let number = 0; number < MESSAGES; number += 1) {
        await member.send(`c${String(index)}-${String(number)}`, `text ${String(number)}`);
        if (number === 3) {
          const watcher = new Member(agent(`agent-${String(index)}`), () => url);
          watchers.push(watcher);
          await watcher.follow(member.conversationId ?? '');
        }
        if (random.chance(0.2)) await new Promise((resolve) => setTimeout(resolve, random.below(15)));
      }
      sending -= 1;
    });
    const reaper = (async () => {
      while (kills < MAX_KILLS) {
        await new Promise((resolve) => setTimeout(resolve, 5 + random.below(150)));
        if (sending === 0) return;
        kills += 1;
        await server.end('SIGKILL');
        server = new ServerProcess(env);
        url = await server.url();
      }
    })();
    await Promise.all([...traffic, reaper]);

    for (const [index, member] of members.entries()) {
      const log = await member.history();
      const last = log.at(-1)?.seq ?? 0;
      const created = log.filter((entry) => entry.type === 'message:created');
      const check = (holds: boolean, what: string): void => {
        if (!holds) broken.push(`customer-${String(index)}: ${what}`);
      };
      check(
        log.every(({ seq }, at) => seq === at + 1),
        `the log has holes or disorder: ${log.map(({ seq }) => seq).join(' ')}`,
      );
      check(member.acknowledged.length === MESSAGES, 'not everything was acknowledged');
      for (const { clientMessageId, seq } of member.acknowledged) {
        const kept = created.filter((entry) => entry.clientMessageId === clientMessageId);
        check(kept.length === 1, `${clientMessageId} stands ${String(kept.length)} times in the log`);
        check(
          kept[0]?.seq === seq,
          `${clientMessageId} was acknowledged as ${String(seq)}, and stands at ${String(kept[0]?.seq)}`,
        );
      }
      check(
        created.every((entry, at) => entry.clientMessageId === `c${String(index)}-${String(at)}`),
        'messages are not in the order in which they were sent',
      );
      const watcher = watchers.find(({ conversationId }) => conversationId === member.conversationId);
      for (const [who, stream] of [
        ['customer', member],
        ['agent', watcher],
      ] as const) {
        await stream?.settle(last);
        const seqs = stream?.stream.map(({ seq }) => seq) ?? [];
        check(
          seqs.length === last && seqs.every((seq, at) => seq === at + 1),
          `the ${who}'s stream is ${seqs.join(' ')} of ${String(last)}`,
        );
      }
    }
  } finally {
    for (const member of [...members, ...watchers]) member.close();
    await server.end('SIGKILL');
    if (broken.length === 0) rmSync(dataDir, { recursive: true, force: true });
  }
  const all = [...members];
  return {
    seed,
    kills,
    acknowledged: all.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
    resent: all.reduce((sum, { resent }) => sum + resent, 0),
    broken,
  };
};
