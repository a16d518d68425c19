import { beforeAll, describe, expect, it } from 'vitest';
import { clientId, type TestClient } from '../support/client.ts';
import { open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { photo, sha256Of } from '../support/files.ts';
import { customer } from '../support/server.ts';
import { download, textOf, upload } from '../support/uploader.ts';

const ORIGIN = 'https://shop.example';
const { connect, server } = endToEnd({ env: { DESKWIRE_ALLOWED_ORIGINS: ORIGIN } });

const SIZE = 10_000;
const text = textOf(SIZE, 1);
let link: string | undefined;
let image: { data: Buffer; url: string | undefined; thumbnail: string | undefined };

const sent = async (ann: TestClient, conversationId: string, name: string, data: Buffer) => {
  const { id } = await upload(ann, { conversationId, name, data });
  const payload = { conversationId, clientMessageId: clientId(), attachmentIds: [id] };
  return (await ann.request('message:send', payload)).entry.attachments[0];
};

const withAnn = async <T>(work: (ann: TestClient, conversationId: string) => Promise<T>): Promise<T> => {
  const ann = await connect(customer('ann'));
  try {
    return await work(ann, (await open(ann)).id);
  } finally {
    ann.close();
  }
};

beforeAll(() =>
  withAnn(async (ann, id) => {
    link = (await sent(ann, id, 'notes.txt', text))?.url;
    const data = await photo({ type: 'png' });
    const shown = await sent(ann, id, 'photo.png', data);
    image = { data, url: shown?.url, thumbnail: shown?.thumbnail?.url };
  }),
);

const get = (headers: Record<string, string> = {}, method = 'GET') => download(server().url, link, { headers, method });

describe('a download', () => {
  it('says what the file is, and lets a browser make nothing else of it', async () => {
    const { status, headers, body } = await get();
    expect([status, body.equals(text)]).toEqual([200, true]);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': String(SIZE),
      'accept-ranges': 'bytes',
      etag: `"${sha256Of(text)}"`,
      'content-disposition': 'attachment; filename=notes.txt',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': expect.stringContaining('private') as string,
    });
    const policy = headers.get('content-security-policy')?.split(/\s*;\s*/);
    expect(policy).toContain('sandbox');
    expect(policy).toContain("default-src 'none'");
  });

  it('shows images in place, their thumbnails too, and saves everything else', async () => {
    for (const [url, type] of [
      [image.url, 'image/png'],
      [image.thumbnail, 'image/webp'],
    ]) {
      const { status, headers } = await download(server().url, url);
      expect([status, headers.get('content-type')]).toEqual([200, type]);
      expect(headers.get('content-disposition')).toMatch(/^inline/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain('sandbox');
      // Pages of other origins show it in an <img>.
      expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin');
    }
    const tags = [image.url, image.thumbnail].map(async (url) =>
      (await download(server().url, url)).headers.get('etag'),
    );
    expect(new Set(await Promise.all(tags)).size).toBe(2);
  });

  it.each([
    ['the first bytes', 'bytes=0-99', 0, 99],
    ['one byte', 'bytes=0-0', 0, 0],
    ['a part of the middle', 'bytes=4000-4999', 4_000, 4_999],
    ['from somewhere on', 'bytes=9000-', 9_000, 9_999],
    ['the last bytes', 'bytes=-100', 9_900, 9_999],
    ['beyond the end, from within', 'bytes=9990-20000', 9_990, 9_999],
    // RFC 9110 §14.1.2: of a suffix that is longer than the file, the whole file is meant.
    ['more of the last bytes than there are', 'bytes=-20000', 0, 9_999],
  ])('of a range gives %s: %s', async (_what, range, start, end) => {
    const { status, headers, body } = await get({ range });
    expect(status).toBe(206);
    expect(headers.get('content-range')).toBe(`bytes ${String(start)}-${String(end)}/${String(SIZE)}`);
    expect(headers.get('content-length')).toBe(String(end - start + 1));
    expect(body.equals(text.subarray(start, end + 1))).toBe(true);
  });

  it.each(['bytes=10000-', 'bytes=10000-10001', 'bytes=99999-', 'bytes=-0'])(
    'of a range that is not there is refused: %s',
    async (range) => {
      const { status, headers, body } = await get({ range });
      expect([status, headers.get('content-range'), body.length]).toEqual([416, `bytes */${String(SIZE)}`, 0]);
    },
  );

  it.each(['bytes=0-9,20-29', 'bytes=0-0,-1', 'bytes=9-0,x', 'items=0-9', 'bytes', 'bytes=a-b'])(
    'of several ranges, or of what is none, gives the whole: %s',
    async (range) => {
      const { status, headers, body } = await get({ range });
      expect([status, headers.get('content-range'), body.equals(text)]).toEqual([200, null, true]);
    },
  );

  it('is not made again for who has it: 304 for its tag', async () => {
    const etag = `"${sha256Of(text)}"`;
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      // As browsers ask; without it, fetch says no-cache beside a tag of the caller's own.
      const { status, headers, body } = await get({ 'if-none-match': known, 'cache-control': 'max-age=0' });
      expect([status, headers.get('etag'), body.length], known).toEqual([304, etag, 0]);
      expect(headers.get('content-length') ?? String(SIZE)).toBe(String(SIZE));
    }
    expect((await get({ 'if-none-match': '"other"', 'cache-control': 'max-age=0' })).status).toBe(200);
    const ranged = { 'if-none-match': etag, 'cache-control': 'max-age=0', range: 'bytes=0-9' };
    expect((await get(ranged)).status).toBe(304);
  });

  it('goes on where it was only if the file is the same', async () => {
    const etag = `"${sha256Of(text)}"`;
    const range = 'bytes=5000-';
    expect(await get({ range, 'if-range': etag })).toMatchObject({ status: 206, body: text.subarray(5_000) });
    for (const other of ['"other"', `W/${etag}`, new Date().toUTCString()])
      expect(await get({ range, 'if-range': other }), other).toMatchObject({ status: 200, body: text });
  });

  it('asked for with HEAD has the same headers and no body; a range means nothing there', async () => {
    const whole = await get();
    const fields = ['content-type', 'content-length', 'etag', 'content-disposition', 'accept-ranges'];
    // RFC 9110 §14.2: ranges are for GET.
    for (const headers of [{}, { range: 'bytes=0-9' }, { range: 'bytes=99999-' }] as Record<string, string>[]) {
      const head = await get(headers, 'HEAD');
      expect([head.status, head.body.length], JSON.stringify(headers)).toEqual([200, 0]);
      for (const field of fields) expect(head.headers.get(field), field).toBe(whole.headers.get(field));
    }
  });

  it('is for GET and HEAD alone', async () => {
    for (const method of ['POST', 'PUT', 'DELETE']) expect([404, 405]).toContain((await get({}, method)).status);
    expect((await get()).status).toBe(200);
  });

  it('can be read by a page of an allowed origin, and by no other', async () => {
    const allowed = await get({ origin: ORIGIN, range: 'bytes=0-9' });
    expect(allowed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(allowed.headers.get('vary')).toContain('Origin');
    const exposed = allowed.headers.get('access-control-expose-headers')?.toLowerCase() ?? '';
    for (const name of ['content-range', 'content-disposition', 'etag', 'accept-ranges'])
      expect(exposed).toContain(name);
    for (const other of ['https://evil.example', 'https://shop.example.evil.example', 'null'])
      expect((await get({ origin: other })).headers.get('access-control-allow-origin')).not.toBe(other);
    const preflight = await get(
      { origin: ORIGIN, 'access-control-request-method': 'GET', 'access-control-request-headers': 'range' },
      'OPTIONS',
    );
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(ORIGIN);
  });
});

describe('the name of a download', () => {
  /** RFC 6266 and 8187: what a browser saves it as. */
  const savedAs = (disposition: string): string => {
    const extended = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1];
    if (extended !== undefined) return decodeURIComponent(extended);
    const [, quoted, token] = /filename=(?:"((?:[^"\\]|\\.)*)"|([^;]+))/.exec(disposition) ?? [];
    return quoted?.replace(/\\(.)/g, '$1') ?? token ?? '';
  };

  it.each([
    'plain.txt',
    'with spaces and ; semicolons, commas.txt',
    `"double" and 'single' quotes.txt`,
    'Übergröße naïve.txt',
    'レシート 2026.txt',
    'party 🎉 👩‍👩‍👧.txt',
    '100% %41 sure.txt',
    'a=b; filename=evil.exe; x.txt',
  ])('is the one it came with: %s', async (name) => {
    await withAnn(async (ann, id) => {
      const { headers } = await download(server().url, (await sent(ann, id, name, textOf(50, 2)))?.url);
      const disposition = headers.get('content-disposition') ?? '';
      expect(disposition).toMatch(/^attachment; filename/);
      expect(disposition).toMatch(/^[\x20-\x7e]*$/);
      expect(savedAs(disposition)).toBe(name);
    });
  });
});

describe('a large download', () => {
  it('that its reader gives up ends nothing else', async () => {
    await withAnn(async (ann, id) => {
      const data = textOf(4_000_000, 3);
      const url = new URL((await sent(ann, id, 'large.txt', data))?.url ?? '', server().url);
      const errors = (): number => server().logged.filter(({ level }) => level === 'error').length;
      const before = errors();
      for (let index = 0; index < 5; index += 1) {
        const giveUp = new AbortController();
        const { body } = await fetch(url, { signal: giveUp.signal });
        await body?.getReader().read();
        giveUp.abort();
      }
      const whole = await Promise.all(Array.from({ length: 4 }, () => download(server().url, url.href)));
      for (const { body } of whole) expect(body.equals(data)).toBe(true);
      expect(errors()).toBe(before);
    });
  });
});
