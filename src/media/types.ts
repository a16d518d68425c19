/** What a file is: what is said of it, what is found in it, and whether the two go together. */
import { fileTypeFromBuffer, supportedMimeTypes } from 'file-type';
import mime from 'mime';
import { DeskwireError } from '../contract/errors.ts';
import type { Claim } from '../ports/inspector.ts';

/** Bytes from the start of a file that are looked at. No archive is unpacked. */
export const HEAD_BYTES = 65_536;
/** With fewer than these a type may not show yet. */
export const MIN_HEAD_BYTES = 4_100;

const TEXT = 'text/plain';
const CSV = 'text/csv';
const SPREADSHEET = 'application/vnd.ms-excel';
const UNKNOWN = 'application/octet-stream';

/** Several names of one type; the second is the one used here. */
const ALIASES: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-png': 'image/png',
  'image/apng': 'image/png',
  'application/x-pdf': 'application/pdf',
  'application/x-zip-compressed': 'application/zip',
  'application/x-zip': 'application/zip',
  'audio/mp3': 'audio/mpeg',
  'audio/wave': 'audio/wav',
  'audio/x-wav': 'audio/wav',
  'audio/vnd.wave': 'audio/wav',
  'audio/x-m4a': 'audio/mp4',
  'audio/m4a': 'audio/mp4',
  'video/x-m4v': 'video/mp4',
  'audio/opus': 'audio/ogg',
  'application/ogg': 'audio/ogg',
  'text/xml': 'application/xml',
};

/** A file that is found to be the first may also be one of the second: they are made of it, or told from it by more than their start. */
const KINDS: Readonly<Record<string, RegExp>> = {
  [TEXT]: /^text\/(?!html)|^application\/(?:json|xml|yaml|toml|sql|x-ndjson|jsonl|rtf)$|\+json$/,
  'application/xml': /^text\/(?!html)|^application\/xml$|\+xml$/,
  'application/zip': /^application\/(?:vnd\.openxmlformats-|vnd\.oasis\.|epub\+zip)/,
  'application/x-cfb': /^application\/(?:msword|vnd\.ms-|vnd\.visio)/,
  'video/mp4': /^audio\/mp4$|^video\/quicktime$/,
  'video/quicktime': /^video\/mp4$/,
  'video/webm': /^audio\/webm$/,
  'audio/ogg': /^video\/ogg$/,
  'video/ogg': /^audio\/ogg$/,
};

/** Ends of names that make a double click run what is in the file, whatever that is. */
const RUNS =
  /\.(?:ade|adp|apk|app|application|appref-ms|appx|bat|chm|cmd|com|command|cpl|deb|desktop|dll|dmg|exe|hta|inf|ins|iso|isp|jar|jnlp|js|jse|ksh|lnk|mjs|msc|msh|msi|msix|msp|mst|pif|pkg|ps1|psd1|psm1|py|pyw|rb|reg|rpm|scf|scr|sct|sh|shb|sys|url|vb|vbe|vbs|vhdx?|webloc|wsc|wsf|wsh|xbap|xll|iqy)$/i;

/** What Windows makes of a name: nothing from a colon on, and no dots or spaces at the end. */
const savedName = (name: string): string => name.replace(/(?<=.):.*$/s, '').replace(/[.\s]+$/, '');

/** What is drawn by a browser with scripts in it, by its first element. */
const MARKUP: readonly (readonly [RegExp, string])[] = [
  [/^<(?:\w{1,32}:)?svg[\s>/]/i, 'image/svg+xml'],
  [
    /^<(?:!doctype html|html|head|body|script|iframe|title|style|meta|table|div|a|h1|img|br|p|form|link|object|embed)[\s>/]/i,
    'text/html',
  ],
];
/** What may stand before the first element: how it begins, and how it ends. */
const PRELUDES: readonly (readonly [begin: string, end: string])[] = [
  ['<!--', '-->'],
  ['<?', '?>'],
  ['<!doctype svg', '>'],
];
const MARKUP_BYTES = 2_048;

const normal = (type: string): string => {
  // Some libraries say the codec too.
  const lower = (type.split(';')[0] ?? '').trim().toLowerCase();
  return ALIASES[lower] ?? lower;
};

const recognised: ReadonlySet<string> = new Set([...supportedMimeTypes].map(normal));

const encodingOf = ([first, second]: Uint8Array): 'utf-16le' | 'utf-16be' | 'utf-8' => {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
};

const decode = (head: Uint8Array): string =>
  new TextDecoder(encodingOf(head)).decode(head.subarray(0, MARKUP_BYTES)).trimStart();

/** From the first element on. Cut away piece by piece: a pattern for all of them would try each way to divide them. */
const withoutPrelude = (text: string): string => {
  for (let rest = text.trimStart(); ; rest = rest.trimStart()) {
    const prelude = PRELUDES.find(([begin]) => rest.slice(0, begin.length).toLowerCase() === begin);
    if (prelude === undefined) return rest;
    const end = rest.indexOf(prelude[1], prelude[0].length);
    if (end === -1) return '';
    rest = rest.slice(end + prelude[1].length);
  }
};

/** Text of two bytes a letter, with the mark that says in which order. */
const isUtf16 = (head: Uint8Array): boolean =>
  encodingOf(head) !== 'utf-8' && !/[\u0000-\u0008\u000e-\u001f\ufffd\ufffe\uffff]/.test(decode(head).slice(0, -1));

/** In no text, whatever its encoding (WHATWG MIME Sniffing §3, binary data byte). */
const isBinary = (byte: number): boolean =>
  byte <= 0x08 || byte === 0x0b || (byte >= 0x0e && byte <= 0x1a) || (byte >= 0x1c && byte <= 0x1f);

/** What a file is by its first bytes. */
const found = async (head: Uint8Array): Promise<string> => {
  // Its mark of order looks like the start of a recording.
  const detected = isUtf16(head) ? UNKNOWN : normal((await fileTypeFromBuffer(head))?.mime ?? UNKNOWN);
  if (detected !== UNKNOWN && detected !== 'application/xml') return detected;
  const text = withoutPrelude(decode(head));
  const markup = MARKUP.find(([pattern]) => pattern.test(text))?.[1];
  if (markup !== undefined) return markup;
  if (detected !== UNKNOWN) return detected;
  return !isUtf16(head) && head.some(isBinary) ? UNKNOWN : TEXT;
};

const goesWith = (claim: string, actual: string): boolean => {
  if (claim === actual || claim === UNKNOWN) return true;
  // Nothing is known of how it begins; a type that is would have been found.
  if (actual === UNKNOWN) return !recognised.has(claim) && !Object.values(KINDS).some((kind) => kind.test(claim));
  return KINDS[actual]?.test(claim) === true;
};

export class AttachmentTypes {
  readonly accepted: readonly string[];

  /** @param accepted media types, or all of a kind as `image/*`, or all */
  constructor(accepted: readonly string[]) {
    this.accepted = [...new Set(accepted.map(normal))];
  }

  /** Refuses a claim before there are bytes. @throws unsupported_media_type */
  checkClaim(claim: Claim): void {
    const [ending] = RUNS.exec(savedName(claim.name)) ?? [];
    if (ending !== undefined && !this.accepted.includes('*/*')) {
      throw new DeskwireError(
        'unsupported_media_type',
        `Found a name that ends with ${ending}, which runs when it is opened; expected one that does not.`,
        { details: { found: ending, source: 'name' } },
      );
    }
    for (const [source, type] of this.#claims(claim)) {
      if (type !== UNKNOWN && !this.#accepts(type)) throw this.#notAccepted(type, `the ${source} says`);
    }
  }

  /**
   * The type of a file that begins like this.
   *
   * @throws unsupported_media_type, with both types named when it is not what was said
   */
  async check(claim: Claim, head: Uint8Array): Promise<string> {
    const actual = await found(head);
    const claims = this.#claims(claim);
    for (const [source, type] of claims) {
      if (goesWith(type, actual)) continue;
      throw new DeskwireError(
        'unsupported_media_type',
        `Found ${actual} in the content, expected ${type}, as the ${source} says.`,
        { details: { found: actual, expected: type, source } },
      );
    }
    // The more exact of the two: text may be CSV, an archive a document.
    const type = claims.map(([, said]) => said).find((said) => said !== UNKNOWN && said !== actual) ?? actual;
    if (!this.#accepts(type)) throw this.#notAccepted(type, 'in the content');
    return type;
  }

  #claims({ name, mediaType }: Claim): (readonly [source: string, type: string])[] {
    const saved = savedName(name);
    const byName = mime.getType(saved.includes('.') ? saved : '');
    // Browsers on Windows say what opens the file, not what it is.
    const said = mediaType === SPREADSHEET && byName === CSV ? CSV : mediaType;
    return [
      ...(said === null ? [] : [['media type', normal(said)] as const]),
      ...(byName === null ? [] : [['name', normal(byName)] as const]),
    ];
  }

  #accepts(type: string): boolean {
    return this.accepted.some(
      (accepted) => accepted === '*/*' || accepted === type || accepted === type.replace(/\/.*/, '/*'),
    );
  }

  #notAccepted(type: string, where: string): DeskwireError {
    return new DeskwireError(
      'unsupported_media_type',
      `Found ${type}, ${where}; expected one of ${this.accepted.join(', ')}.`,
      { details: { found: type, accepted: this.accepted } },
    );
  }
}
