/** What attacks on attachments brought to light. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { clientId, Clients } from '../support/client.ts';
import { endToEnd } from '../support/e2e.ts';
import { gifOfFrames, photo } from '../support/files.ts';
import { scanCommand } from '../support/scanners.ts';
import { customer, startServer } from '../support/server.ts';
import { download, textOf, upload } from '../support/uploader.ts';
import { until } from '../support/until.ts';

const { server, connect: signIn, someone } = endToEnd();

const room = async (): Promise<{ ann: TestClient; conversationId: string }> => {
  const ann = await signIn(customer(someone()));
  const { conversation } = await ann.request('conversation:open', {});
  return { ann, conversationId: conversation.id };
};

const sent = async (
  ann: TestClient,
  conversationId: string,
  file: { name: string; data: Buffer },
): Promise<{ id: string; url: string }> => {
  const { id } = await upload(ann, { conversationId, ...file });
  const payload = { conversationId, clientMessageId: clientId(), attachmentIds: [id] };
  const { entry } = await ann.request('message:send', payload);
  return { id, url: entry.attachments[0]?.url ?? '' };
};

const openFiles = (): number =>
  readdirSync('/proc/self/fd', { encoding: 'utf8' }).filter((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8') !== '';
    } catch {
      return false;
    }
  }).length;

/** A request as a browser would write it. */
const requestFor = (url: URL, method = 'GET'): string =>
  `${method} ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;

describe('an attachment in a sent message', () => {
  it('[FILE-5] is as it was after its uploader tried to abort it', async () => {
    const { ann, conversationId } = await room();
    const { id, url } = await sent(ann, conversationId, { name: 'a.txt', data: textOf(10_000, 1) });
    const error = await ann.refused('attachment:abort', { attachmentId: id });
    expect(error).toMatchObject({ code: 'invalid_payload', details: [{ path: 'attachmentId' }] });
    expect((await download(server().url, url)).body).toEqual(textOf(10_000, 1));
    expect((await ann.request('attachment:link', { attachmentId: id })).url).toContain(id);
  });

  it('[FILE-5] is there or the message is not, when sending and aborting cross', async () => {
    for (let round = 0; round < 20; round += 1) {
      const { ann, conversationId } = await room();
      const { id } = await upload(ann, { conversationId, name: 'a.txt', data: textOf(1_000, round) });
      const payload = { conversationId, clientMessageId: 'm', attachmentIds: [id] };
      const [send, abort] = await Promise.all([
        ann.reply('message:send', payload),
        ann.reply('attachment:abort', { attachmentId: id }),
      ]);
      expect([send.ok, abort.ok].filter(Boolean)).toHaveLength(1);
      if (send.ok) {
        const url = send.data.entry.attachments[0]?.url;
        expect((await download(server().url, url)).status).toBe(200);
      }
    }
  });
});

describe('downloads', () => {
  it('of requests sent at once open one file at a time, and none once the connection is gone', async () => {
    const { ann, conversationId } = await room();
    const { url } = await sent(ann, conversationId, { name: 'a.txt', data: textOf(5_000_000, 1) });
    const link = new URL(url, server().url);
    const before = openFiles();
    const sockets = Array.from({ length: 10 }, () => {
      const socket = connect(Number(link.port), link.hostname);
      socket.on('error', () => undefined);
      // The first is never read to its end, so the others wait.
      socket.write(requestFor(link).repeat(4));
      return socket;
    });
    await until('the first answers', () => sockets.every(({ bytesRead }) => bytesRead > 0));
    expect(openFiles() - before).toBeLessThanOrEqual(2 * sockets.length + sockets.length);
    for (const socket of sockets) socket.destroy();
    await until('all files closed', () => openFiles() <= before + 2);
  });

  it('of more requests than anybody sends at once end the connection', async () => {
    const { ann, conversationId } = await room();
    const { url } = await sent(ann, conversationId, { name: 'a.txt', data: textOf(5_000_000, 1) });
    const link = new URL(url, server().url);
    const socket = connect(Number(link.port), link.hostname);
    let closed = false;
    socket.on('error', () => undefined).on('close', () => (closed = true));
    socket.write(requestFor(link).repeat(1_000));
    await until('the end of the connection', () => closed);
    expect((await fetch(new URL('/healthz', server().url))).status).toBe(200);
  });

  it('and other requests that nobody is there to be answered cost nothing', async () => {
    const metrics = new URL('/metrics', server().url);
    const socket = connect(Number(metrics.port), metrics.hostname);
    let closed = false;
    socket.on('error', () => undefined).on('close', () => (closed = true));
    const before = performance.eventLoopUtilization();
    socket.write(requestFor(metrics).repeat(2_000));
    await until('the end of the connection', () => closed);
    const { ann } = await room();
    expect((await ann.request('conversation:list', {})).conversations).toHaveLength(1);
    // Two thousand pages would be seconds of work.
    expect(performance.eventLoopUtilization(before).active).toBeLessThan(2_000);
  });

  it('say their length to HEAD, whole, and give all of a file to a suffix that is longer', async () => {
    const { ann, conversationId } = await room();
    const { url } = await sent(ann, conversationId, { name: 'a.txt', data: textOf(10_000, 1) });
    const head = await download(server().url, url, { method: 'HEAD', headers: { range: 'bytes=0-9' } });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '10000']);
    const all = await download(server().url, url, { headers: { range: 'bytes=-20000' } });
    expect([all.status, all.headers.get('content-range')]).toEqual([206, 'bytes 0-9999/10000']);
  });
});

describe('content', () => {
  const refusalOf = async (name: string, data: Buffer): Promise<string> => {
    const { ann, conversationId } = await room();
    return upload(ann, { conversationId, name, data }).then(
      () => 'ready',
      (error: unknown) => (error as { error: { code: string } }).error.code,
    );
  };

  it('with more frames, or a larger canvas, than the limit is refused before it is decoded', async () => {
    expect(await refusalOf('many.gif', gifOfFrames(2_001, 1, 1))).toBe('payload_too_large');
    const wide = Buffer.from(await photo({ type: 'gif' }));
    wide.writeUInt16LE(65_535, 6);
    wide.writeUInt16LE(65_535, 8);
    expect(await refusalOf('wide.gif', wide)).toBe('payload_too_large');
  });

  it.each(['x.bat', 'x.bat.', 'x.bat ', 'x.vbs', 'x.ps1', 'x.url', 'a.png.exe', 'x.bat::$DATA', 'x.html.'])(
    'named %j is refused, because of what a double click would do',
    async (name) => {
      expect(await refusalOf(name, textOf(100, 1))).toBe('unsupported_media_type');
    },
  );

  it.each(['\u202egnp.exe', 'a\u061c.txt', '\u3164', '...', ' . '])('named %j is refused', async (name) => {
    expect(await refusalOf(name, textOf(100, 1))).toBe('invalid_payload');
  });

  it('in two bytes a letter is text', async () => {
    expect(await refusalOf('notes.txt', Buffer.from('\ufeffGrüße aus Köln', 'utf16le'))).toBe('ready');
  });

  it('of hundreds of comments is looked at at once', async () => {
    const data = Buffer.from(`${'<!---->'.repeat(290)}${'x'.repeat(5_000)}`);
    const startedAt = performance.now();
    expect(await refusalOf('comments.txt', data)).toBe('ready');
    // It would not end in a lifetime.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('that can not be read names no path of the server', async () => {
    const { ann, conversationId } = await room();
    const data = Buffer.concat([Buffer.from('\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf', 'latin1'), textOf(5_000, 1)]);
    const error: unknown = await upload(ann, { conversationId, name: 'a.avif', data }).catch((e: unknown) => e);
    expect((error as { error: object }).error).toMatchObject({ code: 'unsupported_media_type' });
    expect(JSON.stringify(error)).not.toContain(server().dataDir);
  });
});

describe('the storage', () => {
  it('goes on when its folder was removed, and never tells of bytes that are nowhere', async () => {
    const { ann, conversationId } = await room();
    const data = textOf(200_000, 1);
    const begin = {
      conversationId,
      clientAttachmentId: 'x',
      name: 'a.txt',
      size: data.length,
    };
    const { attachmentId } = await ann.request('attachment:begin', begin);
    await ann.request('attachment:chunk', { attachmentId, offset: 0, data: data.subarray(0, 60_000) });
    rmSync(join(server().dataDir, 'attachments'), { recursive: true });
    expect(await ann.request('attachment:begin', begin)).toMatchObject({ receivedBytes: 0 });
    const attachment = await upload(ann, { ...begin, data, sha256: null });
    expect(attachment).toMatchObject({ state: 'ready', size: data.length });
  });
});

describe('a scanner', () => {
  it('is stopped with what it looks at, so that nobody waits for a file that was given up', async () => {
    const scanner = scanCommand('slow');
    const own = await startServer({
      env: { ATTACHMENTS_SCAN_COMMAND: scanner.setting },
      limits: { requestTimeoutMs: 1_000 },
    });
    const clients = new Clients();
    onTestFinished(async () => {
      scanner.goOn();
      clients.closeAll();
      await own.stop();
    });
    const ann = await clients.connect(own.url, customer('ann'));
    const { conversation } = await ann.request('conversation:open', {});
    const held: string[] = [];
    for (let index = 0; index < 8; index += 1) {
      const data = textOf(1_000, index);
      const begin = {
        conversationId: conversation.id,
        clientAttachmentId: clientId(),
        name: 'a.txt',
        size: data.length,
      };
      const { attachmentId } = await ann.request('attachment:begin', begin);
      await ann.request('attachment:chunk', { attachmentId, offset: 0, data });
      expect((await ann.request('attachment:finish', { attachmentId })).attachment.state).toBe('checking');
      held.push(attachmentId);
    }
    scanner.become('clean');
    for (const attachmentId of held) await ann.request('attachment:abort', { attachmentId });
    const last = await upload(ann, { conversationId: conversation.id, name: 'b.txt', data: textOf(1_000, 99) });
    expect(last.state).toBe('ready');
  });
});
