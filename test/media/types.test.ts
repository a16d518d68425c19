import { beforeAll, describe, expect, it } from 'vitest';
import { DeskwireError } from '../../src/contract/errors.ts';
import { AttachmentTypes, HEAD_BYTES } from '../../src/media/types.ts';
import { DEFAULT_ATTACHMENT_TYPES } from '../../src/server/attachment-settings.ts';
import {
  brokenPng,
  compoundFile,
  executables,
  gifOfFrames,
  noise,
  officeFile,
  openDocument,
  pdf,
  photo,
  recordings,
  zipBomb,
  zipOf,
} from '../support/files.ts';

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const PPTX = 'application/vnd.openxmlformats-officedocument.presentationml.presentation';

const types = new AttachmentTypes(DEFAULT_ATTACHMENT_TYPES);
const all = new AttachmentTypes(['*/*']);

const withHead = (bytes: Uint8Array): Buffer => Buffer.from(bytes).subarray(0, HEAD_BYTES);
const text = (content: string): Buffer => Buffer.from(content);
const utf16 = (content: string, bigEndian = false): Buffer => {
  const bytes = Buffer.from(`\ufeff${content}`, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
};

const LETTER = 'Grüße aus Kraków,\r\nwo ist meine Bestellung?\n';
const TABLE = 'order;amount\r\n1042;12,50\r\n';

/** Made once: images take a while. */
const images: Record<string, Buffer> = {};
beforeAll(async () => {
  for (const type of ['jpeg', 'png', 'webp', 'avif', 'gif'] as const)
    images[type] = withHead(await photo({ type, width: 64, height: 48 }));
});

type Content = () => Buffer;
const image =
  (type: string): Content =>
  () =>
    images[type]!;

const zip = (): Buffer => zipOf([{ name: 'letter.txt', data: text(LETTER) }]);
const json = (): Buffer => text('{"order": 1042}');
/** Windows-1252 and Windows-1251: what programs there write without being asked. */
const windowsText = (): Buffer => Buffer.from('Gr\xfc\xdfe aus K\xf6ln\r\n', 'latin1');
const windowsTable = (): Buffer => Buffer.from('\xe7\xe0\xea\xe0\xe7;\xf6\xe5\xed\xe0\r\n1042;12,50\r\n', 'latin1');

const refusal = async (act: () => Promise<unknown>): Promise<DeskwireError> => {
  try {
    await act();
  } catch (error) {
    if (error instanceof DeskwireError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
};

describe('a file that is what it says', () => {
  const rows: [name: string, mediaType: string | null, content: Content, type: string][] = [
    ['photo.jpg', 'image/jpeg', image('jpeg'), 'image/jpeg'],
    ['photo.JPEG', null, image('jpeg'), 'image/jpeg'],
    ['photo.jfif', 'image/jpeg', image('jpeg'), 'image/jpeg'],
    ['photo.jpg', 'image/jpg', image('jpeg'), 'image/jpeg'],
    ['photo.jpg', 'image/pjpeg', image('jpeg'), 'image/jpeg'],
    ['screen.png', 'image/png', image('png'), 'image/png'],
    ['screen.png', 'image/x-png', image('png'), 'image/png'],
    ['fun.gif', 'image/gif', image('gif'), 'image/gif'],
    ['fun.gif', 'image/gif', () => gifOfFrames(3, 10, 10), 'image/gif'],
    ['photo.webp', 'image/webp', image('webp'), 'image/webp'],
    ['photo.avif', 'image/avif', image('avif'), 'image/avif'],
    ['order.pdf', 'application/pdf', pdf, 'application/pdf'],
    ['order.pdf', 'application/x-pdf', pdf, 'application/pdf'],
    ['letter.txt', 'text/plain', () => text(LETTER), 'text/plain'],
    ['letter.txt', 'text/plain', windowsText, 'text/plain'],
    ['letter.txt', 'text/plain', () => utf16(LETTER), 'text/plain'],
    ['letter.txt', null, () => utf16(LETTER, true), 'text/plain'],
    ['letter.txt', 'text/plain', () => text('\ufeffwith a mark'), 'text/plain'],
    ['letter.txt', 'text/plain', () => text('a'), 'text/plain'],
    ['letter', null, () => text(LETTER), 'text/plain'],
    ['server.log', null, () => text('2026-01-15 started\n'), 'text/plain'],
    ['notes.md', 'text/markdown', () => text('# Order\n\n<b>1042</b>\n'), 'text/markdown'],
    ['notes.md', '', () => text('# Order\n'), 'text/markdown'],
    ['table.csv', 'text/csv', () => text(TABLE), 'text/csv'],
    ['table.csv', 'application/vnd.ms-excel', () => text(TABLE), 'text/csv'],
    ['table.csv', 'text/plain', () => text(TABLE), 'text/csv'],
    ['table.csv', 'text/csv', () => utf16(TABLE), 'text/csv'],
    ['table.csv', 'application/vnd.ms-excel', windowsTable, 'text/csv'],
    ['order.json', 'application/json', json, 'application/json'],
    ['order.json', 'text/plain', json, 'application/json'],
    ['all.zip', 'application/zip', zip, 'application/zip'],
    ['all.zip', 'application/x-zip-compressed', zip, 'application/zip'],
    ['bomb.zip', 'application/zip', () => zipBomb(50_000_000), 'application/zip'],
    ['letter.docx', DOCX, () => officeFile('docx'), DOCX],
    ['letter.docx', null, () => officeFile('docx'), DOCX],
    ['letter.docx', DOCX, zip, DOCX],
    ['table.xlsx', XLSX, () => officeFile('xlsx'), XLSX],
    ['slides.pptx', PPTX, () => officeFile('pptx'), PPTX],
    ['letter.odt', null, () => openDocument('text'), 'application/vnd.oasis.opendocument.text'],
    ['table.ods', null, () => openDocument('spreadsheet'), 'application/vnd.oasis.opendocument.spreadsheet'],
    ['slides.odp', null, () => openDocument('presentation'), 'application/vnd.oasis.opendocument.presentation'],
    ['letter.doc', 'application/msword', compoundFile, 'application/msword'],
    ['table.xls', 'application/vnd.ms-excel', compoundFile, 'application/vnd.ms-excel'],
    ['slides.ppt', null, compoundFile, 'application/vnd.ms-powerpoint'],
    ['call.mp3', 'audio/mpeg', recordings.mp3, 'audio/mpeg'],
    ['call.mp3', 'audio/mp3', recordings.mp3, 'audio/mpeg'],
    ['call.m4a', 'audio/x-m4a', recordings.m4a, 'audio/mp4'],
    ['call.m4a', 'audio/mp4', recordings.m4a, 'audio/mp4'],
    ['call.wav', 'audio/x-wav', recordings.wav, 'audio/wav'],
    ['call.wav', 'audio/wave', recordings.wav, 'audio/wav'],
    ['call.ogg', 'audio/ogg', recordings.vorbis, 'audio/ogg'],
    ['call.ogg', 'audio/ogg', recordings.opus, 'audio/ogg'],
    ['call.opus', 'audio/opus', recordings.opus, 'audio/ogg'],
    ['call.weba', 'audio/webm', recordings.webm, 'audio/webm'],
    ['film.webm', 'video/webm', recordings.webm, 'video/webm'],
    ['film.mp4', 'video/mp4', recordings.mp4, 'video/mp4'],
    ['call.mp4', 'audio/mp4', recordings.mp4, 'audio/mp4'],
    ['film.mov', 'video/quicktime', recordings.mov, 'video/quicktime'],
    ['film.m4v', 'video/x-m4v', recordings.mp4, 'video/mp4'],
    ['photo', 'application/octet-stream', image('jpeg'), 'image/jpeg'],
    ['photo.jpg', 'application/octet-stream', image('jpeg'), 'image/jpeg'],
  ];

  it.each(rows)('%s, said to be %s', async (name, mediaType, content, type) => {
    const claim = { name, mediaType: mediaType === '' ? null : mediaType };
    expect(() => types.checkClaim(claim)).not.toThrow();
    expect(await types.check(claim, withHead(content()))).toBe(type);
  });

  it('every accepted type is among them', () => {
    const met = new Set(rows.map(([, , , type]) => type));
    expect(DEFAULT_ATTACHMENT_TYPES.filter((type) => !met.has(type))).toEqual([]);
  });
});

describe('a disguised file is refused with both types named', () => {
  const PAGE = '<!DOCTYPE html><script>alert(1)</script>';
  const DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>';
  const drawings: Record<string, string> = {
    plain: DRAWING,
    'in capitals': '<SVG onload="alert(1)">',
    'with a mark': `\ufeff${DRAWING}`,
    'after white space': ` \n\t\r\n ${DRAWING}`,
    'after a declaration': `<?xml version="1.0" encoding="UTF-8"?>\n${DRAWING}`,
    'after a comment': `<!-- nothing to see -->\n${DRAWING}`,
    'after many comments': `${'<!-- a -->\n'.repeat(100)}${DRAWING}`,
    'after all of these': `\ufeff<?xml version="1.0"?>\n<!-- a > b --><!---->\n${DRAWING}`,
    'after a document type': `<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">${DRAWING}`,
    'with a prefix': '<s:svg xmlns:s="http://www.w3.org/2000/svg"/>',
  };
  const pages: Record<string, string> = {
    plain: PAGE,
    'in capitals': '<HTML><SCRIPT>alert(1)</SCRIPT>',
    'with a mark': `\ufeff${PAGE}`,
    'after white space': `\r\n\r\n\t${PAGE}`,
    'after a comment': `<!-- a --><!-- b -->${PAGE}`,
    'as XML': `<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html/>`,
    'a script alone': '<script>alert(1)</script>',
    'a frame alone': '<iframe src="javascript:alert(1)">',
    'an image alone': '<img src=x onerror=alert(1)>',
  };

  const rows: [what: string, name: string, mediaType: string | null, content: Content, found: string, said: string][] =
    [
      ['HTML as PNG', 'a.png', 'image/png', () => text(PAGE), 'text/html', 'image/png'],
      ['SVG as PNG', 'a.png', 'image/png', () => text(DRAWING), 'image/svg+xml', 'image/png'],
      ['ELF as PNG', 'a.png', 'image/png', executables.elf, 'application/x-elf', 'image/png'],
      ['MZ as PNG', 'a.png', 'image/png', executables.mz, 'application/x-msdownload', 'image/png'],
      ['ELF as JPEG by its name alone', 'a.jpg', null, executables.elf, 'application/x-elf', 'image/jpeg'],
      ['JPEG as PNG', 'a.png', 'image/png', image('jpeg'), 'image/jpeg', 'image/png'],
      ['PNG with the name of a JPEG', 'a.jpg', 'image/png', image('png'), 'image/png', 'image/jpeg'],
      ['PNG, said to be GIF', 'a.png', 'image/gif', image('png'), 'image/png', 'image/gif'],
      ['text as PNG', 'a.png', 'image/png', () => text(LETTER), 'text/plain', 'image/png'],
      ['noise as PNG', 'a.png', 'image/png', () => noise(5_000), 'application/octet-stream', 'image/png'],
      ['noise as text', 'a.txt', 'text/plain', () => noise(5_000), 'application/octet-stream', 'text/plain'],
      ['noise as CSV', 'a.csv', 'text/csv', () => noise(5_000), 'application/octet-stream', 'text/csv'],
      ['noise as PDF', 'a.pdf', 'application/pdf', () => noise(5_000), 'application/octet-stream', 'application/pdf'],
      ['noise as ZIP', 'a.zip', 'application/zip', () => noise(5_000), 'application/octet-stream', 'application/zip'],
      ['noise as DOCX', 'a.docx', DOCX, () => noise(5_000), 'application/octet-stream', DOCX],
      ['noise as JSON', 'a.json', null, () => noise(5_000), 'application/octet-stream', 'application/json'],
      ['noise as DOC', 'a.doc', null, () => noise(5_000), 'application/octet-stream', 'application/msword'],
      ['PDF as text', 'a.txt', 'text/plain', pdf, 'application/pdf', 'text/plain'],
      ['HTML as text', 'a.txt', 'text/plain', () => text(PAGE), 'text/html', 'text/plain'],
      ['HTML as CSV from Windows', 'a.csv', 'application/vnd.ms-excel', () => text(PAGE), 'text/html', 'text/csv'],
      ['HTML in UTF-16 as text', 'a.txt', 'text/plain', () => utf16(PAGE), 'text/html', 'text/plain'],
      ['SVG in UTF-16 as text', 'a.txt', 'text/plain', () => utf16(DRAWING, true), 'image/svg+xml', 'text/plain'],
      ['DOCX as PDF', 'a.pdf', 'application/pdf', () => officeFile('docx'), DOCX, 'application/pdf'],
      ['ODT as DOCX', 'a.docx', DOCX, () => openDocument('text'), 'application/vnd.oasis.opendocument.text', DOCX],
      ['MP4 as MP3', 'a.mp3', 'audio/mpeg', recordings.mp4, 'video/mp4', 'audio/mpeg'],
      ['a ZIP as MP4', 'a.mp4', 'video/mp4', zip, 'application/zip', 'video/mp4'],
      ...Object.entries(drawings).map(
        ([what, content]) =>
          [`SVG ${what} as PNG`, 'a.png', null, () => text(content), 'image/svg+xml', 'image/png'] as (typeof rows)[0],
      ),
      ...Object.entries(pages).map(
        ([what, content]) =>
          [`HTML ${what} as text`, 'a.txt', null, () => text(content), 'text/html', 'text/plain'] as (typeof rows)[0],
      ),
    ];

  it.each(rows)('%s', async (_, name, mediaType, content, found, said) => {
    const error = await refusal(() => types.check({ name, mediaType }, withHead(content())));
    expect(error.code).toBe('unsupported_media_type');
    expect(error.message).toContain(found);
    expect(error.message).toContain(said);
    expect(error.details).toMatchObject({ found, expected: said });
  });

  it('and is never taken for what it says, also where all types are accepted', async () => {
    for (const [, name, mediaType, content] of rows)
      expect((await refusal(() => all.check({ name, mediaType }, withHead(content())))).code).toBe(
        'unsupported_media_type',
      );
  });
});

describe('what is not accepted is refused', () => {
  it.each([
    ['page.html', null, /text\/html/],
    ['drawing.svg', 'image/svg+xml', /image\/svg\+xml/],
    ['photo.heic', 'image/heic', /image\/heic/],
    ['script.sh', null, /\.sh/],
    ['invoice.pdf.exe', null, /\.exe/],
    ['invoice.lnk', 'application/pdf', /\.lnk/],
    ['a.bin', 'application/x-msdownload', /x-msdownload/],
    ['photo.jpg', 'application/x-sh', /x-sh/],
    ['photo.html', 'image/png', /text\/html/],
  ])('%s, said to be %s, before there are bytes', (name, mediaType, message) => {
    expect(() => types.checkClaim({ name, mediaType })).toThrow(message);
    try {
      types.checkClaim({ name, mediaType });
    } catch (error) {
      expect(error).toMatchObject({ code: 'unsupported_media_type' });
    }
  });

  it.each<[string, Content, string]>([
    ['an ELF', executables.elf, 'application/x-elf'],
    ['an MZ', executables.mz, 'application/x-msdownload'],
    ['a page', () => text('<!doctype html><p>'), 'text/html'],
    ['a drawing', () => text('<svg/>'), 'image/svg+xml'],
    ['noise', () => noise(5_000), 'application/octet-stream'],
  ])('%s of which nothing was said, by its content', async (_, content, found) => {
    for (const name of ['file', 'file.bin', 'file.unknown-ending']) {
      const error = await refusal(() => types.check({ name, mediaType: null }, content()));
      expect(error.code).toBe('unsupported_media_type');
      expect(error.details).toMatchObject({ found });
    }
  });
});

describe('lists of accepted types', () => {
  it('all of a kind', async () => {
    const kinds = new AttachmentTypes(['image/*', 'text/plain']);
    expect(await kinds.check({ name: 'a.png', mediaType: null }, images['png']!)).toBe('image/png');
    expect(await kinds.check({ name: 'a.txt', mediaType: null }, text(LETTER))).toBe('text/plain');
    for (const [name, content] of [
      ['a.pdf', pdf()],
      ['a.csv', text(TABLE)],
      ['imagepng', zip()],
    ] as const)
      await refusal(() => kinds.check({ name, mediaType: null }, content));
    expect(() => kinds.checkClaim({ name: 'a.tiff', mediaType: null })).not.toThrow();
    expect(() => kinds.checkClaim({ name: 'a.csv', mediaType: null })).toThrow();
  });

  it('all', async () => {
    for (const [name, mediaType, content, type] of [
      ['a.png', null, images['png']!, 'image/png'],
      ['a.svg', null, text('<svg/>'), 'image/svg+xml'],
      ['a.html', null, text('<html/>'), 'text/html'],
      ['a', null, noise(5_000), 'application/octet-stream'],
      ['a.exe', null, executables.mz(), 'application/x-msdownload'],
      ['a.own', 'application/x-own', noise(5_000), 'application/x-own'],
    ] as const) {
      expect(() => all.checkClaim({ name, mediaType })).not.toThrow();
      expect(await all.check({ name, mediaType }, content)).toBe(type);
    }
  });

  it('a type by another of its names', async () => {
    const aliases = new AttachmentTypes(['image/jpg', 'audio/mp3', 'application/x-zip-compressed']);
    expect(await aliases.check({ name: 'a.jpg', mediaType: 'image/jpeg' }, images['jpeg']!)).toBe('image/jpeg');
    expect(await aliases.check({ name: 'a.mp3', mediaType: null }, recordings.mp3())).toBe('audio/mpeg');
    expect(await aliases.check({ name: 'a.zip', mediaType: null }, zip())).toBe('application/zip');
  });

  it('one of the own, of which nothing is known but its name', async () => {
    const own = new AttachmentTypes(['application/x-own']);
    const claim = { name: 'drawing', mediaType: 'application/x-own' };
    expect(await own.check(claim, noise(5_000))).toBe('application/x-own');
    const error = await refusal(() => own.check(claim, executables.elf()));
    expect(error.details).toMatchObject({ found: 'application/x-elf', expected: 'application/x-own' });
  });
});

describe('what is made to keep the looking busy', () => {
  const TIME_MS = 1_000;

  /** How long it takes to tell what this is, under several names. */
  const lookingTime = async (head: Buffer): Promise<number> => {
    const startedAt = performance.now();
    for (const name of ['a.txt', 'a.zip', 'a.docx', 'a.png', 'a'])
      await all.check({ name, mediaType: null }, head).catch((error: unknown) => {
        if (!(error instanceof DeskwireError)) throw error;
      });
    return performance.now() - startedAt;
  };

  // Longer and longer: what takes time that grows with more than the length shows before it takes for ever.
  it.each([
    ['comments', '<!---->', ''],
    ['comments and space', '<!-- --> ', ''],
    ['comments after a declaration', '<!-- a -->', '<?xml version="1.0"?>'],
    ['comments in a document type', '<!---->', '<!doctype svg>'],
    ['comments that are not closed', '<!--', ''],
    ['ends of comments', '-->', '<!--'],
    ['white space', ' \n\t', 'a'],
    ['white space at the start', ' \n\t', ''],
    ['declarations', '<?xml ', ''],
    ['document types', '<!doctype svg>', ''],
    ['document types that are not closed', '<!doctype svg', ''],
    ['open tags', '<a', ''],
  ])('%s, one after the other', async (_, piece, start) => {
    for (let count = 8; count * piece.length < 2 * HEAD_BYTES; count = count < 40 ? count + 4 : count * 2) {
      const tookMs = await lookingTime(withHead(text(start + piece.repeat(count))));
      expect(tookMs, `${String(count)} of them`).toBeLessThan(TIME_MS);
    }
  });

  it.each<[string, Content]>([
    ['a bomb in the part that names the type', () => zipBomb(60_000_000, '[Content_Types].xml')],
    ['a bomb in the part that names it too', () => zipBomb(60_000_000, 'mimetype')],
    [
      'an archive of many entries',
      () => zipOf(Array.from({ length: 3_000 }, (_, index) => ({ name: `x${String(index)}`, data: Buffer.alloc(0) }))),
    ],
    ['a PNG with nothing but its start', brokenPng],
    ['an ID3 tag that says it is long', () => Buffer.from('ID3\x04\x00\x00\x7f\x7f\x7f\x7f', 'latin1')],
    ['a GIF of frames', () => gifOfFrames(5_000, 60_000, 60_000)],
    ['nothing', () => Buffer.alloc(0)],
    ['zeros', () => Buffer.alloc(HEAD_BYTES)],
  ])('%s is looked at in no time, and not unpacked', async (_, content) => {
    const head = withHead(content());
    await lookingTime(head);
    const before = process.memoryUsage.rss();
    expect(await lookingTime(head)).toBeLessThan(TIME_MS);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1_048_576);
  });
});
