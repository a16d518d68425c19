import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clientId, type TestClient } from '../support/client.ts';
import { Company, open, told } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { photo, sha256Of } from '../support/files.ts';
import { startServer, tokenFor, customer, type TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';
import { beginPayload, download, sendChunks, textOf, upload } from '../support/uploader.ts';

const folder = mkdtempSync(join(tmpdir(), 'deskwire-scanner-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Says what it is told to: infected is what says so itself; it waits while it is held, and fails while it is broken. */
const command = join(folder, 'scan');
writeFileSync(
  command,
  `#!/bin/sh
dir='${folder}'
echo "$1" >> "$dir/asked"
while [ -e "$dir/held" ]; do sleep 0.02; done
[ -e "$dir/broken" ] && { echo 'no database' >&2; exit 2; }
grep -q 'INFECTED' "$1" && { echo "$1: Test.Threat-1 FOUND"; exit 1; }
exit 0
`,
);
chmodSync(command, 0o755);
const set = (state: 'held' | 'broken'): void => writeFileSync(join(folder, state), '');
const clear = (): void => {
  for (const state of ['held', 'broken', 'asked']) rmSync(join(folder, state), { force: true });
};
const asked = (): number => {
  try {
    return readFileSync(join(folder, 'asked'), 'utf8').split('\n').length - 1;
  } catch {
    return 0;
  }
};
// A server asks once when it starts.
beforeEach(clear);
afterEach(clear);

// A finish is answered after half of it: what has to happen before that needs time on a busy machine.
const REQUEST_TIMEOUT_MS = 2_000;
const scanned = { limits: { requestTimeoutMs: REQUEST_TIMEOUT_MS }, env: { ATTACHMENTS_SCAN_COMMAND: command } };
const { connect, clients, server, servers, look } = endToEnd(scanned);

const scene = async () => {
  const company = new Company(connect);
  const ann = await company.customer('ann');
  const bob = await company.agent('bob');
  const { id } = await open(ann);
  await bob.request('conversation:join', { conversationId: id });
  const files = await look.files();
  const kept = async (): Promise<string[]> => (await look.files()).filter((path) => !files.includes(path));
  return { company, ann, bob, id, kept };
};

/** All its bytes are there. */
const received = async (client: TestClient, conversationId: string, data: Buffer, name = 'a.txt') => {
  const file = { conversationId, clientAttachmentId: clientId(), name, data };
  const { attachmentId, chunkBytes } = await client.request('attachment:begin', beginPayload(file));
  await sendChunks(client, { attachmentId, data, from: 0, chunkBytes });
  return { attachmentId, file };
};

const carrying = (conversationId: string, attachmentId: string, clientMessageId = clientId()) => ({
  conversationId,
  clientMessageId,
  attachmentIds: [attachmentId],
});

describe('with a virus scanner, a file', () => {
  it('[FILE-7] is held until it is found clean: not in a message, no link, and its uploader is told', async () => {
    const { company, ann, bob, id } = await scene();
    const others = [await company.customer('ann'), await company.customer('ann')];
    const data = await photo({ type: 'png' });
    set('held');
    const { attachmentId } = await received(ann, id, data, 'a.png');
    const started = Date.now();
    const { attachment } = await ann.request('attachment:finish', { attachmentId });
    // Answered well before the request would time out.
    expect(Date.now() - started).toBeLessThan(REQUEST_TIMEOUT_MS);
    expect(attachment).toEqual({
      id: attachmentId,
      name: 'a.png',
      size: data.length,
      mediaType: 'application/octet-stream',
      state: 'checking',
    });
    const message = carrying(id, attachmentId);
    for (let times = 0; times < 2; times += 1) {
      expect(await ann.refused('message:send', message)).toMatchObject({
        code: 'attachment_incomplete',
        details: { attachmentId },
      });
      expect(await ann.refused('attachment:link', { attachmentId })).toMatchObject({ code: 'attachment_incomplete' });
      expect(await ann.request('attachment:finish', { attachmentId })).toEqual({ attachment });
    }
    expect(ann.all('attachment:updated')).toEqual([]);
    expect(asked()).toBe(1);

    clear();
    const updated = await ann.event('attachment:updated');
    expect(updated).toMatchObject({
      conversationId: id,
      attachment: { id: attachmentId, state: 'ready', mediaType: 'image/png', width: 240, sha256: sha256Of(data) },
    });
    expect(updated).not.toHaveProperty('error');
    for (const other of others) expect(await other.event('attachment:updated')).toEqual(updated);
    expect(await ann.request('attachment:finish', { attachmentId })).toEqual({ attachment: updated.attachment });
    const { entry } = await ann.request('message:send', message);
    await told(bob, id, 'message:created', ({ seq }) => seq === entry.seq);
    expect((await download(server().url, entry.attachments[0]?.url)).body.equals(data)).toBe(true);
    expect(bob.all('attachment:updated')).toEqual([]);
    for (const one of [ann, ...others]) expect(one.all('attachment:updated')).toHaveLength(1);
  });

  it('[FILE-7] that is infected is refused with what was found, and nothing of it is kept: told at once, and late', async () => {
    const { company, ann, bob, id, kept } = await scene();
    const data = Buffer.concat([textOf(90_000, 1), Buffer.from('INFECTED')]);
    const quick = await received(ann, id, data);
    const error = await ann.refused('attachment:finish', { attachmentId: quick.attachmentId });
    const infected = { code: 'unsupported_media_type', retryable: false, details: { threat: 'Test.Threat-1' } };
    expect(error).toMatchObject(infected);
    expect(error.message).toContain('Test.Threat-1');
    // The path of the file on the server is nobody's business.
    for (const { dataDir } of servers()) expect(JSON.stringify(error)).not.toContain(dataDir);

    set('held');
    const slow = await received(ann, id, data);
    expect(await ann.request('attachment:finish', { attachmentId: slow.attachmentId })).toMatchObject({
      attachment: { state: 'checking' },
    });
    clear();
    const updated = await ann.event('attachment:updated');
    expect(updated).toMatchObject({ attachment: { id: slow.attachmentId, state: 'refused' }, error: infected });
    for (const { attachmentId, file } of [quick, slow]) {
      for (const [name, payload] of [
        ['attachment:finish', { attachmentId }],
        ['attachment:begin', beginPayload(file)],
        ['message:send', carrying(id, attachmentId)],
      ] as const) {
        expect(await ann.refused(name, payload), name).toMatchObject(infected);
      }
    }
    expect(await kept()).toEqual([]);
    expect(await look.rows(id)).toMatchObject([
      { state: 'refused', size: 0 },
      { state: 'refused', size: 0 },
    ]);
    expect(await look.usage(company.tenant)).toBe(0);
    expect(bob.received.filter(({ event }) => event.startsWith('attachment'))).toEqual([]);
  });

  it('[FILE-7] stays held while the scanner fails, and is ready once it says that it is clean', async () => {
    const { ann, id } = await scene();
    set('broken');
    const data = textOf(5_000, 2);
    const { attachmentId } = await received(ann, id, data);
    expect(await ann.request('attachment:finish', { attachmentId })).toMatchObject({
      attachment: { state: 'checking' },
    });
    await until('a second try', () => asked() >= 2);
    expect(await ann.refused('message:send', carrying(id, attachmentId))).toMatchObject({
      code: 'attachment_incomplete',
    });
    expect(ann.all('attachment:updated')).toEqual([]);
    const logged = servers().flatMap((one) => one.logged);
    expect(logged.some(({ level, message }) => level === 'warn' && message.includes('held'))).toBe(true);
    clear();
    const updated = await ann.event('attachment:updated');
    expect(updated.attachment).toMatchObject({ id: attachmentId, state: 'ready', sha256: sha256Of(data) });
    expect(await ann.request('message:send', carrying(id, attachmentId))).toMatchObject({ duplicate: false });
  });

  it.each([1, 2, 3])(
    '[FILE-7] can be given up while it is held, on connection %i of its uploader, and nothing of it is kept, or told',
    async (connection) => {
      const { company, ann, id, kept } = await scene();
      const tabs = [ann, await company.customer('ann'), await company.customer('ann')];
      set('held');
      const { attachmentId } = await received(ann, id, textOf(5_000, 3));
      await ann.request('attachment:finish', { attachmentId });
      expect(await tabs[connection - 1]?.request('attachment:abort', { attachmentId })).toEqual({});
      for (const tab of tabs)
        expect(await tab.refused('attachment:finish', { attachmentId })).toMatchObject({ code: 'not_found' });
      expect(await look.rows(id)).toEqual([]);
      clear();
      await until('its bytes to go', async () => (await kept()).length === 0);
      expect(await look.rows(id)).toEqual([]);
      expect(await look.usage(company.tenant)).toBe(0);
      // Whatever was said of it stands before this answer.
      await ann.request('conversation:list', {});
      expect(ann.all('attachment:updated')).toEqual([]);
    },
  );

  it('[FILE-7] that is asked about on two connections while it is held is ready on both, and they are told', async () => {
    const { company, ann, id, kept } = await scene();
    const other = await company.customer('ann');
    set('held');
    const data = textOf(5_000, 8);
    const { attachmentId } = await received(ann, id, data);
    const finishes = [ann, other].map((tab) => tab.request('attachment:finish', { attachmentId }));
    for (const { attachment } of await Promise.all(finishes)) expect(attachment.state).toBe('checking');
    clear();
    for (const tab of [ann, other]) {
      await tab.event('attachment:updated');
      // Each node that looked at it may say so.
      for (const updated of tab.all('attachment:updated')) {
        expect(updated).toMatchObject({ attachment: { id: attachmentId, state: 'ready', sha256: sha256Of(data) } });
        expect(updated).not.toHaveProperty('error');
      }
      expect(await tab.request('attachment:finish', { attachmentId })).toMatchObject({
        attachment: { state: 'ready' },
      });
      expect((await tab.refused('attachment:link', { attachmentId })).code).toBe('attachment_incomplete');
    }
    await until('one file to be left', async () => (await kept()).length === 1);
    expect(await ann.request('message:send', carrying(id, attachmentId))).toMatchObject({ duplicate: false });
  });

  it('[FILE-7] that was held when the server stopped is held by the next one, until it is found clean', async () => {
    const first = await startServer(scanned);
    let second: TestServer | undefined;
    try {
      const ann = await clients.open(first.url, { token: tokenFor(customer('ann')) }).connected();
      const { id } = await open(ann);
      set('broken');
      const data = textOf(5_000, 4);
      const { attachmentId, file } = await received(ann, id, data);
      expect(await ann.request('attachment:finish', { attachmentId })).toMatchObject({
        attachment: { state: 'checking' },
      });
      await first.drain();
      second = await startServer({ ...scanned, dataDir: first.dataDir });
      const back = await clients.connect(second.url, customer('ann'));
      expect(await back.refused('message:send', carrying(id, attachmentId))).toMatchObject({
        code: 'attachment_incomplete',
      });
      clear();
      expect(await upload(back, file)).toMatchObject({ id: attachmentId, state: 'ready', sha256: sha256Of(data) });
      expect(await back.request('message:send', carrying(id, attachmentId))).toMatchObject({ duplicate: false });
    } finally {
      await second?.stop();
      await first.stop();
    }
  });
});

describe('uploads', () => {
  /** Milliseconds until the message is answered. */
  const timed = async (client: TestClient, conversationId: string): Promise<number> => {
    const started = performance.now();
    await client.request('message:send', { conversationId, clientMessageId: clientId(), text: 'x' });
    return performance.now() - started;
  };

  it('[FILE-9] do not hold up messages: one sent while a finish waits for the scanner is answered at once', async () => {
    const { ann, bob, id } = await scene();
    set('held');
    const { attachmentId } = await received(ann, id, textOf(5_000, 5));
    let finished = false;
    const finish = ann.request('attachment:finish', { attachmentId }).finally(() => (finished = true));
    await until('the scanner to be asked', () => asked() === 1);
    expect(await timed(ann, id)).toBeLessThan(REQUEST_TIMEOUT_MS / 4);
    // Neither are other requests, nor another upload.
    await ann.request('conversation:history', { conversationId: id });
    const next = beginPayload({ conversationId: id, name: 'b.txt', data: textOf(100, 6) });
    const { attachmentId: second } = await ann.request('attachment:begin', next);
    await ann.request('attachment:chunk', { attachmentId: second, offset: 0, data: textOf(100, 6) });
    expect(finished).toBe(false);
    await told(bob, id, 'message:created');
    expect((await finish).attachment.state).toBe('checking');
  });

  it('[FILE-9] do not hold up messages: those between chunks, in the order in which they were sent', async () => {
    const { ann, bob, id } = await scene();
    const data = textOf(1_000_000, 7);
    const file = { conversationId: id, clientAttachmentId: clientId(), name: 'a.txt', data };
    const progress = { over: false };
    const uploaded = upload(ann, file, { inFlight: 8, chunkBytes: 4_096 }).finally(() => (progress.over = true));
    const waits: number[] = [];
    while (!progress.over) waits.push(await timed(ann, id));
    await uploaded;
    expect(waits.length).toBeGreaterThan(5);
    waits.sort((a, b) => a - b);
    expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(100);
    const seqs = (): number[] => bob.entries(id).map(({ seq }) => seq);
    await until('all messages at Bob', () => seqs().length >= waits.length);
    expect(seqs()).toEqual([...seqs()].sort((a, b) => a - b));
  });
});
