import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Clients } from '../support/client.ts';
import { Random, seedOf } from '../support/random.ts';
import { agent, customer, supervisor, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { openPage, side, startBrowser } from './browser.ts';
import { CutLine, type CutLineOptions } from './cut-line.ts';
import { Desk, placesIn, seededText, sha256 } from './support.ts';

const ANN = customer('ann', { name: 'Ann' });
const BOB = agent('bob', { name: 'Bob' });
const MIB = 1024 * 1024;
const SEED = seedOf(20_260_101);

let browser: Browser;
let context: BrowserContext;
let desk: Desk | undefined;
let line: CutLine | undefined;
let folder: string;
const clients = new Clients();

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
});
beforeEach(async () => {
  context = await browser.newContext();
  folder = mkdtempSync(join(tmpdir(), 'deskwire-files-'));
});
afterEach(async () => {
  clients.closeAll();
  await context.close();
  line?.close();
  line = undefined;
  await desk?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Looks again until it holds. */
const soon = (look: () => Promise<void>): Promise<void> => vi.waitFor(look, { timeout: 25_000, interval: 20 });

const start = async (limits: Record<string, number> = {}, env: Record<string, string> = {}): Promise<Desk> => {
  desk = new Desk({ DESKWIRE_LIMITS: JSON.stringify(limits), ...env });
  await desk.start();
  return desk;
};

/** Ann's page, over a line that may be cut; Bob's, straight. */
const bothPages = async ({ url }: Desk, options: CutLineOptions = {}) => {
  line = await CutLine.open(url, options);
  const hers = await openPage(context, `${line.url}/#customer=${tokenFor(ANN)}`);
  const his = await openPage(context, `${url}/#agent=${tokenFor(BOB)}`);
  const ann = side(hers.page, 'customer');
  const bob = side(his.page, 'agent');
  await soon(async () => expect([await ann.state(), await bob.status()]).toEqual(['connected', 'online']));
  return { line, hers, his, ann, bob };
};

/** Writes down what the page shows of a file, at each change of it. */
const watchProgress = async (page: Page): Promise<() => Promise<{ said: string; bytes: number }[]>> => {
  await page.evaluate(`{
    globalThis.seen = [];
    const look = () => {
      const bar = document.querySelector('.file progress');
      if (bar) seen.push({ said: document.querySelector('.file .said').textContent, bytes: bar.value });
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
  }`);
  return () => page.evaluate('seen');
};

const photo = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: '#2a7f62' } })
    .png()
    .toBuffer();

/** What a server keeps of attachments, whole or not. */
const keptBy = ({ dataDir }: Desk): string[] =>
  readdirSync(join(dataDir, 'attachments'), { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() && entry.name.startsWith('a_') ? [entry.name] : [],
  );

const EXE = Buffer.concat([
  Buffer.from('4d5a90000300000004000000ffff0000b800000000000000', 'hex'),
  Buffer.alloc(6_000),
]);

describe('files in the page', { timeout: 90_000 }, () => {
  it(`[CLIENT-1] 20 MB reach the agent intact over a line cut three times, with progress shown`, async () => {
    const content = seededText(SEED, 20 * MIB);
    const path = join(folder, 'log of a long day.txt');
    writeFileSync(path, content);
    const cutAfterBytes = placesIn(new Random(SEED), content.length, 3);
    const { line, hers, ann, bob, his } = await bothPages(await start(), { cutAfterBytes });
    const progress = await watchProgress(hers.page);
    await ann.attach(path);
    await ann.write('Here is the whole log.');
    // What is written in the meantime does not wait for it.
    await ann.write('It comes slowly.');
    await soon(async () => expect(await bob.messages()).toEqual(['Ann: It comes slowly.']));

    await soon(async () => expect(await bob.attached.count()).toBe(1));
    expect(line.cuts, `seed ${String(SEED)}`).toBe(3);
    expect(await bob.attached.innerText()).toMatch(/^log of a long day\.txt\s+20 MB$/);
    const downloading = his.page.waitForEvent('download');
    await bob.attached.click();
    const downloaded = await (await downloading).path();
    expect(sha256(readFileSync(downloaded))).toBe(sha256(content));
    await soon(async () => expect(await ann.pendingCount()).toBe(0));
    expect(await ann.attached.count()).toBe(1);

    const seen = await progress();
    const bytes = seen.map((one) => one.bytes);
    // Nothing acknowledged is lost with a connection.
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
    expect(new Set(bytes).size).toBeGreaterThan(50);
    expect(seen.some(({ said }) => /^\d[\d.]* of 20 MB · \d\d %$/.test(said))).toBe(true);
    expect(seen.some(({ said }) => /^\d[\d.]* of 20 MB · \d\d? % · waiting for the connection$/.test(said))).toBe(true);
    expect(his.complaints).toEqual([]);
  });

  it('[CLIENT-1] goes on where the server has it, after SIGKILL in the middle of a file', async () => {
    const content = seededText(SEED, 6 * MIB);
    const path = join(folder, 'report.txt');
    writeFileSync(path, content);
    const running = await start();
    const { line, ann, bob, his } = await bothPages(running, { holdAfterBytes: 3 * MIB });
    await ann.attach(path);
    await until('the line to be held', () => line.holds);
    await running.kill();
    await soon(async () => expect(await ann.state()).toBe('reconnecting'));
    line.release();
    await running.start();
    await soon(async () => expect(await ann.files()).toEqual(['report.txt: 6 MB']));
    await ann.click('Send');
    await soon(async () => expect(await bob.attached.count()).toBe(1));
    const downloading = his.page.waitForEvent('download');
    await bob.attached.click();
    expect(sha256(readFileSync(await (await downloading).path()))).toBe(sha256(content));
  });

  it('[CLIENT-1] shows pictures small with their place kept, and asks for new links when the old ones have ended', async () => {
    const { ann, bob, hers, his } = await bothPages(await start({ linkMs: 1_000 }));
    let refusals = 0;
    await his.page.route(/thumbnail=1/, async (route) => {
      refusals += 1;
      await (refusals === 1 ? route.abort() : route.continue());
    });
    const buffer = await photo(1600, 800);
    await ann.attach([
      { name: 'kitchen.png', mimeType: 'image/png', buffer },
      { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Under the sink.\n') },
    ]);
    await ann.write('Where it drips');
    const picture = bob.attached.locator('img');
    await soon(async () => expect(await picture.count()).toBe(1));
    await soon(async () =>
      expect(await picture.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBe(320),
    );
    expect(await picture.getAttribute('alt')).toBe('kitchen.png');
    expect([await picture.getAttribute('width'), await picture.getAttribute('height')]).toEqual(['320', '160']);
    // The first did not come, and was asked for anew.
    expect(refusals).toBeGreaterThan(1);

    const link = bob.attached.first();
    const oldUrl = await link.evaluate((a) => (a as unknown as { href: string }).href);
    await soon(async () => expect((await fetch(oldUrl)).status).toBe(403));
    const opening = context.waitForEvent('page');
    await link.click();
    const opened = await opening;
    await opened.waitForLoadState();
    expect(opened.url()).not.toBe(oldUrl);
    expect(await opened.title()).toMatch(/1600×800/);
    const downloading = his.page.waitForEvent('download');
    await bob.attached.nth(1).click();
    expect(readFileSync(await (await downloading).path(), 'utf8')).toBe('Under the sink.\n');
    expect(hers.complaints).toEqual([]);
  });

  it('[CLIENT-1] says why a file is refused: by its size and type before anything is sent, by its content then', async () => {
    const { ann, bob, hers } = await bothPages(await start({ attachmentBytes: 100_000 }));
    // A tab behind another one draws once a second, and what is clicked is looked at twice.
    await hers.page.bringToFront();
    await ann.attach([
      { name: 'big.txt', mimeType: 'text/plain', buffer: Buffer.alloc(200_000, 'a') },
      { name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) },
      { name: 'page.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('<svg/>') },
    ]);
    const before = [
      'big.txt: 195 KB is too large: at most 98 KB can be sent.',
      'empty.txt: Empty files and folders can not be sent.',
      'page.svg: This type (image/svg+xml) can not be sent here; these can: JPEG, PNG, GIF, WEBP and AVIF.',
    ];
    await soon(async () => expect(await ann.files()).toEqual(before));
    const reader = await clients.connect(desk?.url ?? '', supervisor('reader'));
    expect((await reader.request('conversation:list', {})).conversations).toEqual([]);

    await ann.attach([
      { name: 'setup.exe', mimeType: 'application/x-msdownload', buffer: EXE },
      { name: 'old.tar', mimeType: 'application/x-tar', buffer: Buffer.from('any') },
      { name: 'holiday.png', mimeType: 'image/png', buffer: EXE },
    ]);
    await soon(async () => {
      const [, , , byName, byType, byContent] = await ann.files();
      expect(byName).toBe('setup.exe: Files that end with .exe can not be sent: they run when they are opened.');
      expect(byType).toMatch(
        /^old\.tar: This type \(application\/x-tar\) can not be sent here; these can: pictures, PDF, /,
      );
      expect(byContent).toBe('holiday.png: It says that it is image/png, but its content is application/x-msdownload.');
    });
    // The words go all the same, and a refusal stays until it was read.
    await ann.write('Did it arrive?');
    await soon(async () => expect(await bob.messages()).toEqual(['Ann: Did it arrive?']));
    for (const name of ['big.txt', 'empty.txt', 'page.svg', 'setup.exe', 'old.tar', 'holiday.png'])
      await ann.click(`Dismiss ${name}`);
    expect(await ann.files()).toEqual([]);
    expect(await bob.attached.count()).toBe(0);
    expect(hers.complaints).toEqual([]);
  });

  it('[CLIENT-1] gives up what is cancelled, on its way and when it is there, and leaves nothing of it', async () => {
    const running = await start();
    const { line, ann, bob, hers } = await bothPages(running, { holdAfterBytes: 2 * MIB });
    await hers.page.bringToFront();
    await ann.attach({ name: 'wrong.txt', mimeType: 'text/plain', buffer: seededText(SEED, 8 * MIB) });
    await until('the line to be held', () => line.holds);
    await soon(async () => expect((await ann.files()).join()).toMatch(/^wrong\.txt: \d[\d.]* of 8 MB · 2\d %$/));
    expect(keptBy(running)).toHaveLength(1);
    await ann.click('Cancel wrong.txt');
    expect(await ann.files()).toEqual([]);
    line.release();
    await until('nothing to be left', () => keptBy(running).length === 0);

    await ann.attach({ name: 'also wrong.txt', mimeType: 'text/plain', buffer: Buffer.from('no') });
    await soon(async () => expect(await ann.files()).toEqual(['also wrong.txt: 2 bytes']));
    expect(keptBy(running)).toHaveLength(1);
    await ann.click('Remove also wrong.txt');
    await until('nothing to be left', () => keptBy(running).length === 0);
    await ann.attach({ name: 'right.txt', mimeType: 'text/plain', buffer: Buffer.from('yes') });
    await ann.write('This one.');
    await soon(async () =>
      expect(await bob.attached.allInnerTexts()).toEqual([expect.stringMatching(/^right\.txt\s+3 bytes$/)]),
    );
  });

  it('[CLIENT-1] shows that a file is being checked, sends it once it was, and says what the scanner found', async () => {
    const script = join(folder, 'scan.sh');
    writeFileSync(
      script,
      // The server asks once when it starts, too.
      `case "$1" in *scanner-test) exit 0;; esac
      until [ -e "${folder}/go" ]; do sleep 0.02; done
      if grep -q EVIL "$1"; then echo "$1: Evil.Test FOUND"; exit 1; fi`,
    );
    const { ann, bob } = await bothPages(
      await start({ requestTimeoutMs: 1_000 }, { ATTACHMENTS_SCAN_COMMAND: `bash ${script}` }),
    );
    await ann.attach({ name: 'good.txt', mimeType: 'text/plain', buffer: Buffer.from('good') });
    await soon(async () => expect(await ann.files()).toEqual(['good.txt: Being checked…']));
    await ann.write('With a file');
    writeFileSync(join(folder, 'go'), '');
    await soon(async () => expect(await bob.attached.count()).toBe(1));
    await ann.attach({ name: 'bad.txt', mimeType: 'text/plain', buffer: Buffer.from('EVIL') });
    await soon(async () =>
      expect((await ann.files()).join()).toBe('bad.txt: The virus scanner found Evil.Test in it.'),
    );
  });

  it('[CLIENT-1] takes files that are dropped and pasted, of an agent too, and forgets them with a deleted message', async () => {
    const { ann, bob, his } = await bothPages(await start());
    await ann.write('Hello');
    await soon(async () => expect(await bob.messages()).toEqual(['Ann: Hello']));
    const give = (event: string, kind: string, key: string, name: string): Promise<unknown> =>
      his.page.evaluate(`{
        const ${key} = new DataTransfer();
        ${key}.items.add(new File(['some words'], '${name}', { type: 'text/plain' }));
        document.querySelector('#agent input[placeholder]').dispatchEvent(
          new ${kind}('${event}', { ${key}, bubbles: true, cancelable: true }));
      }`);
    await give('drop', 'DragEvent', 'dataTransfer', 'dropped.txt');
    await give('paste', 'ClipboardEvent', 'clipboardData', 'pasted.txt');
    await soon(async () => expect(await bob.files()).toEqual(['dropped.txt: 10 bytes', 'pasted.txt: 10 bytes']));
    await bob.click('Send');
    await soon(async () => expect(await ann.attached.count()).toBe(2));

    const bobs = await clients.connect(desk?.url ?? '', BOB);
    const { conversations } = await bobs.request('conversation:list', {});
    const conversationId = conversations[0]?.id ?? '';
    const { entries } = await bobs.request('conversation:history', { conversationId });
    const sent = entries.findLast(({ type }) => type === 'message:created');
    await bobs.request('message:delete', { conversationId, messageId: sent?.id ?? '' });
    await soon(async () => expect(await ann.messages()).toEqual(['Hello', 'Bob: deleted']));
    expect(await ann.attached.count()).toBe(0);
    expect(his.complaints).toEqual([]);
  });
});
