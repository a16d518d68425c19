import { mkdtempSync, rmSync, readdirSync, utimesSync } from 'node:fs';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Attachment } from '../../src/contract/schemas.ts';
import { TestClient } from '../support/client.ts';
import { historyOf } from '../support/company.ts';
import { photo, sha256Of } from '../support/files.ts';
import { ServerProcess } from '../support/process.ts';
import { Random, seedOf } from '../support/random.ts';
import { customer, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';
import {
  beginPayload,
  download,
  filesIn,
  pdfOf,
  rowsOf,
  sendChunks,
  textOf,
  upload,
  usageOf,
} from '../support/uploader.ts';

const MEMBERS = 4;
const FILES = 2;
const MAX_KILLS = 4;
const CHUNK_BYTES = 8_192;
const LIMITS = { requestsPerSecond: 100_000, chunksPerSecond: 100_000, handshakesPerSecond: 100_000 };
const DAY_MS = 24 * 60 * 60_000;

/** A line to the server that is cut after as many bytes as chance wants, also in the middle of a frame. */
class CutLine {
  readonly #server = createServer((near) => this.#carry(near));
  readonly #random: Random;
  /** Cuts that are left. */
  cuts: number;
  target = 0;

  constructor(random: Random, cuts: number) {
    this.#random = random;
    this.cuts = cuts;
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  close(): void {
    this.#server.close();
  }

  #carry(near: Socket): void {
    const far = connectTcp(this.target, '127.0.0.1');
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    let left = this.#random.chance(0.6) && this.cuts > 0 ? this.#random.below(250_000) : Infinity;
    if (left < Infinity) this.cuts -= 1;
    near.on('data', (bytes) => {
      far.write(bytes.subarray(0, left));
      left -= bytes.length;
      if (left <= 0) end();
    });
    far.on('data', (bytes) => near.write(bytes));
    for (const socket of [near, far]) socket.on('close', end).on('error', end);
  }
}

/** A client as an application writes it: it comes back, and repeats what was not answered. */
class Member {
  readonly transport: string;
  readonly #url: string;
  readonly #sub: string;
  #client: Promise<TestClient> | undefined;
  connections = 0;

  constructor(url: string, index: number) {
    this.#url = url;
    this.#sub = `customer-${String(index)}`;
    this.transport = index % 2 === 0 ? 'websocket' : 'polling';
  }

  /** One connection for all that it does at the same time. */
  readonly connection = async (): Promise<TestClient> => {
    const client = await (this.#client ??= this.#connect());
    if (client.socket.connected) return client;
    this.#client = undefined;
    return this.connection();
  };

  async #connect(): Promise<TestClient> {
    for (;;) {
      this.connections += 1;
      const client = new TestClient(
        this.#url,
        { token: tokenFor(customer(this.#sub)) },
        { transports: [this.transport] },
      );
      let failed = false;
      client.socket.on('connect_error', () => (failed = true));
      client.socket.on('disconnect', () => (failed = true));
      await until('an answer', () => failed || client.all('session:ready').length > 0, 3_000).catch(() => undefined);
      if (client.socket.connected && client.all('session:ready').length > 0) return client;
      client.close();
      await sleep(20);
    }
  }

  /** Repeats a request until it is answered; an answer that will not change is an error. */
  async insist<T>(request: (client: TestClient) => Promise<T>): Promise<T> {
    for (;;) {
      const client = await this.connection();
      try {
        return await request(client);
      } catch (error) {
        if (client.socket.connected) throw error;
      }
    }
  }

  async close(): Promise<void> {
    (await this.#client)?.close();
  }
}

interface Sent {
  readonly member: Member;
  readonly conversationId: string;
  readonly data: Buffer;
  readonly attachment: Attachment;
}

/** One seeded run. Gives what was sent, with all promises that were broken, and the data folder as it was left. */
const crashRun = async (seed: number) => {
  const random = new Random(seed);
  const dataDir = mkdtempSync(join(tmpdir(), 'deskwire-upload-crash-'));
  const env = { DATA_DIR: dataDir, DESKWIRE_LIMITS: JSON.stringify({ ...LIMITS, chunkBytes: CHUNK_BYTES }) };
  const line = new CutLine(random, 12);
  let server = new ServerProcess(env);
  let url = await server.url();
  line.target = Number(new URL(url).port);
  let kills = 0;
  let restarting: Promise<void> | undefined;
  /** Now, or in a moment, the server may be killed. */
  const fault = (chance: number): void => {
    if (restarting !== undefined || kills >= MAX_KILLS || !random.chance(chance)) return;
    kills += 1;
    restarting = (async () => {
      await sleep(random.below(12));
      await server.end('SIGKILL');
      server = new ServerProcess(env);
      url = await server.url();
      line.target = Number(new URL(url).port);
      restarting = undefined;
    })();
  };
  onTestFinished(async () => {
    await restarting;
    await server.end('SIGKILL');
    line.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const lineUrl = await line.open();
  const members = Array.from({ length: MEMBERS }, (_, index) => new Member(lineUrl, index));

  const sendFile = async (
    member: Member,
    conversationId: string,
    index: number,
    data: Buffer,
    name: string,
  ): Promise<Sent> => {
    const clientAttachmentId = `file-${String(index)}`;
    const file = { conversationId, clientAttachmentId, name, data };
    const attachment = await upload(member.connection, file, {
      inFlight: 1 + random.below(4),
      onProgress: () => fault(0.012),
      onFinish: () => fault(0.12),
    });
    const payload = { conversationId, clientMessageId: `message-${String(index)}`, attachmentIds: [attachment.id] };
    await member.insist((client) => {
      fault(0.12);
      return client.request('message:send', payload);
    });
    return { member, conversationId, data, attachment };
  };

  const sent = await Promise.all(
    members.map(async (member, who) => {
      const opening = { clientConversationId: 'files' };
      const { conversation } = await member.insist((client) => client.request('conversation:open', opening));
      const of = (index: number): number => seed * 100 + who * 10 + index;
      const files = Array.from({ length: FILES }, (_, index) =>
        index % 2 === 0
          ? { name: 'scan.pdf', data: pdfOf(100_000 + random.below(400_000), of(index)) }
          : { name: 'notes.txt', data: textOf(1 + random.below(200_000), of(index)) },
      );
      const picture = { name: 'picture.png', data: await photo({ type: 'png', width: 300 + who, height: 200 }) };
      const done = Promise.all(
        [...files, picture].map(({ name, data }, index) => sendFile(member, conversation.id, index, data, name)),
      );
      // Begun, and never heard of again.
      const abandoned = beginPayload({
        conversationId: conversation.id,
        clientAttachmentId: 'abandoned',
        name: 'a.txt',
        data: textOf(9_000, seed),
      });
      await member.insist(async (client) => {
        const { attachmentId, receivedBytes } = await client.request('attachment:begin', abandoned);
        const data = textOf(9_000, seed).subarray(0, 5_000);
        await sendChunks(client, { attachmentId, data, from: receivedBytes, chunkBytes: 2_000 });
      });
      return done;
    }),
  );
  await restarting;
  return {
    dataDir,
    env,
    members,
    sent: sent.flat(),
    kills,
    server: () => server,
    url: () => url,
    cutsLeft: () => line.cuts,
  };
};

type Run = Awaited<ReturnType<typeof crashRun>>;

/** Holds what there is against what was promised. */
const expectKept = async ({ dataDir, members, sent, url }: Run): Promise<void> => {
  for (const { member, conversationId, data, attachment } of sent) {
    expect(attachment, member.transport).toMatchObject({ state: 'ready', sha256: sha256Of(data), size: data.length });
    const log = await member.insist((client) => historyOf(client, conversationId));
    const carriers = log.flatMap((entry) =>
      entry.type === 'message:created' && entry.attachments.some(({ id }) => id === attachment.id) ? [entry] : [],
    );
    expect(carriers).toHaveLength(1);
    const { status, body } = await download(url(), carriers[0]?.attachments[0]?.url);
    expect([status, sha256Of(body)]).toEqual([200, sha256Of(data)]);
  }
  const ids = new Set(sent.map(({ conversationId }) => conversationId));
  expect(ids.size).toBe(members.length);
  const rows = [...ids].flatMap((id) => rowsOf(dataDir, id));
  expect(rows.filter(({ state }) => state === 'ready')).toHaveLength(sent.length);
  expect(rows.filter(({ state }) => state === 'receiving')).toHaveLength(members.length);
  expect(rows).toHaveLength(sent.length + members.length);
  expect(usageOf(dataDir, 'default')).toBe(rows.reduce((sum, { size }) => sum + size, 0));
  // Every file belongs to a record; what a killed process was just making of one lies apart.
  const known = new Set(rows.map(({ id }) => id));
  const strange = filesIn(dataDir).filter((path) => {
    if (path.startsWith('attachments/drafts/') || path.startsWith('temp/')) return false;
    return !known.has((path.split('/').at(-1) ?? '').replace(/\.thumbnail$/, ''));
  });
  expect(strange).toEqual([]);
};

describe('SIGKILL and cut connections during uploads', () => {
  it.each(Array.from({ length: 2 }, (_, run) => seedOf(4_000 + run)))(
    '[FILE-2] leave the whole file or nothing, and what is resumed equals the original (seed %i)',
    async (seed) => {
      const run = await crashRun(seed);
      expect(run.kills).toBeGreaterThan(0);
      expect(run.members.reduce((sum, { connections }) => sum + connections, 0)).toBeGreaterThan(MEMBERS);
      await expectKept(run);
      for (const member of run.members) await member.close();
    },
    120_000,
  );

  it('[FILE-2] leave nothing behind that is not removed in its time', async () => {
    const run = await crashRun(seedOf(4_100));
    for (const member of run.members) await member.close();
    await run.server().end('SIGKILL');
    // A day later, as far as what killed processes left can tell.
    const yesterday = new Date(Date.now() - DAY_MS - 60_000);
    for (const folder of ['temp', 'attachments/drafts', 'attachments/uploads']) {
      const path = join(run.dataDir, folder);
      for (const name of readdirSync(path)) utimesSync(join(path, name), yesterday, yesterday);
    }
    const after = new ServerProcess({ ...run.env, DESKWIRE_LIMITS: JSON.stringify(LIMITS) });
    onTestFinished(() => after.end('SIGKILL').then(() => undefined));
    const url = await after.url();
    expect(filesIn(run.dataDir).filter((path) => /^(?:temp|attachments\/drafts)\//.test(path))).toEqual([]);
    const whole = run.sent.flatMap(({ attachment: { id, thumbnail } }) => {
      const path = `attachments/blobs/_${id.slice(2, 4)}/${id}`;
      return thumbnail === undefined ? [path] : [path, `attachments/blobs/_${id.slice(2, 4)}/${id}.thumbnail`];
    });
    // Bytes of uploads are looked through half a minute after a start.
    await until('the rest to go', () => filesIn(run.dataDir).length === whole.length, 60_000);
    expect(filesIn(run.dataDir)).toEqual(whole.sort());
    const [first] = run.sent;
    const back = await new TestClient(url, { token: tokenFor(customer('customer-0')) }).connected();
    const { url: link } = await back.request('attachment:link', { attachmentId: first?.attachment.id ?? '' });
    expect(sha256Of((await download(url, link)).body)).toBe(first?.attachment.sha256);
    back.close();
  }, 180_000);
});
