import { describe, expect, it } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { clientId } from '../support/client.ts';
import { Company, open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { lookInto } from '../support/look.ts';
import { agent, customer, startServer } from '../support/server.ts';
import { textOf, upload } from '../support/uploader.ts';

const { connect, clients, look } = endToEnd();

const begin = (conversationId: string, more: object = {}) => ({
  conversationId,
  clientAttachmentId: clientId(),
  name: 'notes.txt',
  size: 100,
  ...more,
});

const scene = async () => {
  const company = new Company(connect);
  const ann = await company.customer('ann');
  const bob = await company.agent('bob');
  const { id } = await open(ann);
  const files = await look.files();
  const expectNothingKept = async (): Promise<void> => {
    expect(await look.rows(id)).toEqual([]);
    expect(await look.usage(company.tenant)).toBe(0);
    expect(await look.files()).toEqual(files);
  };
  return { ann, bob, id, expectNothingKept };
};

describe('attachment:begin', () => {
  it('[FILE-1] refuses a size at once: too large, none, or no number of bytes', async () => {
    const { ann, id, expectNothingKept } = await scene();
    const { limits } = await ann.event('session:ready');
    const size = limits.attachmentBytes + 1;
    expect(await ann.refused('attachment:begin', begin(id, { size }))).toMatchObject({
      code: 'payload_too_large',
      message: expect.stringContaining(`Found a file of ${String(size)} bytes`) as string,
      retryable: false,
      details: [{ path: 'size' }],
    });
    for (const wrong of [0, -1, 1.5, '100', null, 2 ** 53, undefined]) {
      expect(await ann.refused('attachment:begin', begin(id, { size: wrong })), String(wrong)).toMatchObject({
        code: 'invalid_payload',
        details: expect.arrayContaining([expect.objectContaining({ path: 'size' })]) as object[],
      });
    }
    await expectNothingKept();
  });

  it.each([
    ['a media type', { mediaType: 'application/x-msdownload' }, 'application/x-msdownload'],
    ['a name that is run', { name: 'setup.exe' }, '.exe'],
    ['a name that is run as it is saved', { name: 'setup.bat. .' }, '.bat'],
    ['a name behind an accepted media type', { name: 'logo.svg', mediaType: 'image/png' }, 'image/svg+xml'],
    ['a media type behind an accepted name', { name: 'logo.png', mediaType: 'image/svg+xml' }, 'image/svg+xml'],
    ['a media type in capitals, with parameters', { mediaType: 'TEXT/HTML; charset=utf-8' }, 'text/html'],
    ['a name in capitals', { name: 'PAGE.HTML' }, 'text/html'],
  ])('[FILE-1] refuses what is not accepted by %s', async (_what, more, found) => {
    const { ann, id, expectNothingKept } = await scene();
    const error = await ann.refused('attachment:begin', begin(id, more));
    expect(error).toMatchObject({ code: 'unsupported_media_type', retryable: false });
    const { attachmentTypes } = await ann.event('session:ready');
    const expected = found.startsWith('.') ? { source: 'name' } : { accepted: attachmentTypes };
    expect(error.details).toEqual({ found, ...expected });
    expect(error.message).toContain(found);
    await expectNothingKept();
  });

  it('[FILE-1] refuses a closed conversation, for everybody, and takes it up again when it is open', async () => {
    const { ann, bob, id, expectNothingKept } = await scene();
    await bob.request('conversation:close', { conversationId: id });
    for (const client of [ann, bob]) {
      expect(await client.refused('attachment:begin', begin(id))).toMatchObject({ code: 'conversation_closed' });
    }
    await expectNothingKept();
    await ann.request('conversation:reopen', { conversationId: id });
    expect(await ann.request('attachment:begin', begin(id))).toMatchObject({ receivedBytes: 0 });
  });

  it('[FILE-1] refuses what is beyond a quota, and names the limit', async () => {
    const small = await startServer({ limits: { attachmentBytesPerUser: 1_000, attachmentBytesPerTenant: 1_500 } });
    const inside = lookInto(small.dataDir);
    try {
      const ann = await clients.connect(small.url, customer('ann', { tenant: 'small' }));
      const bob = await clients.connect(small.url, agent('bob', { tenant: 'small' }));
      const { id } = await open(ann);
      expect(await ann.refused('attachment:begin', begin(id, { size: 1_001 }))).toMatchObject({
        code: 'quota_exceeded',
        details: { limit: 'attachmentBytesPerUser' },
      });
      expect([await inside.rows(id), await inside.usage('small'), await inside.files()]).toEqual([[], 0, []]);
      await ann.request('attachment:begin', begin(id, { size: 1_000 }));
      const error = await bob.refused('attachment:begin', begin(id, { size: 501 }));
      expect(error).toMatchObject({ code: 'quota_exceeded', details: { limit: 'attachmentBytesPerTenant' } });
      // How much a company keeps is not told.
      expect(error.message).not.toContain('1000');
      await bob.request('attachment:begin', begin(id, { size: 500 }));
      expect(await inside.rows(id)).toHaveLength(2);
      expect(await inside.usage('small')).toBe(1_500);
    } finally {
      await small.stop();
    }
  });

  it('[FILE-1] takes a file of exactly the limit, and publishes the limit', async () => {
    const small = await startServer({ limits: { attachmentBytes: 5_000, attachmentNameBytes: 20, chunkBytes: 1_024 } });
    try {
      const ann = await clients.connect(small.url, customer('ann'));
      const { id } = await open(ann);
      const { limits } = await ann.event('session:ready');
      expect(limits).toMatchObject({ attachmentBytes: 5_000, attachmentNameBytes: 20, chunkBytes: 1_024 });
      const data = textOf(5_000, 1);
      expect(await upload(ann, { conversationId: id, name: 'exactly-20-bytes.txt', data })).toMatchObject({
        state: 'ready',
        size: 5_000,
      });
      expect(await ann.refused('attachment:begin', begin(id, { size: 5_001 }))).toMatchObject({
        code: 'payload_too_large',
      });
      expect(await ann.refused('attachment:begin', begin(id, { name: 'of-21-bytes-at-all.tx' }))).toMatchObject({
        code: 'invalid_payload',
      });
    } finally {
      await small.stop();
    }
  });
});

/** Controls and directions are written by their numbers: they would not show here. */
const at = (code: number): string => String.fromCodePoint(code);

const BAD_NAMES: Record<string, unknown> = {
  'a way up': '../../etc/passwd',
  'a way up on Windows': '..\\..\\boot.ini',
  'a whole path': '/etc/passwd.txt',
  'a folder above': '..',
  'this folder': '.',
  'dots and spaces': ' .. . ',
  'a NUL': `notes.txt${at(0)}.png`,
  'a line break': 'notes\r\nSet-Cookie: a=b.txt',
  'an escape': `${at(0x1b)}[31mnotes.txt`,
  'a C1 control': `notes${at(0x85)}.txt`,
  'a right-to-left override': `invoice${at(0x202e)}gnp.exe`,
  'a right-to-left isolate': `invoice${at(0x2067)}gnp.txt`,
  'a right-to-left mark': `invoice${at(0x200f)}.txt`,
  'an Arabic letter mark': `invoice${at(0x61c)}.txt`,
  'a space that shows nothing': `invoice.exe${at(0x200b)}.txt`,
  'half a character': 'notes\ud83d.txt',
  '10 000 characters': `${'a'.repeat(9_996)}.txt`,
  '256 bytes in 130 characters': `${'ä'.repeat(126)}.txt`,
  nothing: '',
  'spaces alone': '   ',
  'no text': 7,
  binary: Buffer.from('notes.txt'),
};

const GOOD_NAMES = [
  'Übersicht Größe.txt',
  'レシート.txt',
  'emoji 👩‍👩‍👧 🎉.txt',
  `quotes "double" 'single' 100% ;a=b.txt`,
  '.hidden',
  'no ending',
  'C:notes.txt',
  '<script>alert(1)</script>.txt'.replace('/', ''),
  'חשבונית.txt',
];

const shownName = async (ann: TestClient, conversationId: string, name: string): Promise<unknown> => {
  const { id } = await upload(ann, { conversationId, name, data: textOf(200, 2) });
  const { entry } = await ann.request('message:send', {
    conversationId,
    clientMessageId: clientId(),
    attachmentIds: [id],
  });
  return entry.attachments[0]?.name;
};

describe('the name of a file', () => {
  it.each(Object.entries(BAD_NAMES))('that is %s is refused, and nothing is kept', async (_what, name) => {
    const { ann, id, expectNothingKept } = await scene();
    const error = await ann.refused('attachment:begin', begin(id, { name }));
    expect(error).toMatchObject({ code: 'invalid_payload', retryable: false, details: [{ path: 'name' }] });
    expect(error.message.length).toBeLessThan(300);
    await expectNothingKept();
    expect(await ann.request('attachment:begin', begin(id))).toMatchObject({ receivedBytes: 0 });
  });

  it.each(GOOD_NAMES)('that is unusual and harmless is shown as it came, and is no path: %s', async (name) => {
    const { ann, id } = await scene();
    const before = await look.files();
    expect(await shownName(ann, id, name)).toBe(name);
    const [row] = await look.rows(id);
    const added = (await look.files()).filter((path) => !before.includes(path));
    expect(added).toEqual([`attachments/blobs/_${row?.id.slice(2, 4) ?? ''}/${row?.id ?? ''}`]);
  });
});

describe('other fields of attachment:begin', () => {
  it.each([
    ['sha256', 'abc'],
    ['sha256', 'g'.repeat(64)],
    ['sha256', Buffer.alloc(32)],
    ['mediaType', 'png'],
    ['mediaType', `image/${'x'.repeat(300)}`],
    ['mediaType', 'image/png\nX: y'],
    ['clientAttachmentId', ''],
    ['clientAttachmentId', 'x'.repeat(10_000)],
    ['conversationId', 7],
    ['path', '/etc/passwd'],
  ])('%s of a wrong shape is refused, and nothing is kept', async (field, value) => {
    const { ann, id, expectNothingKept } = await scene();
    expect(await ann.refused('attachment:begin', { ...begin(id), [field]: value })).toMatchObject({
      code: 'invalid_payload',
      retryable: false,
    });
    await expectNothingKept();
  });
});
