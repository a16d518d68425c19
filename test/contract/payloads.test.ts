import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fieldsOf,
  isBinary,
  isMetadata,
  jsonSchemas,
  limits,
  namedSchemas,
  nestedArray,
  nestedObject,
  objectsIn,
  requests,
  seed,
  valid,
  withField,
} from './support.ts';

const ajv = new Ajv({ strict: true, allowUnionTypes: true });
addFormats.default(ajv);
ajv.addKeyword('components');

const DEEP = 20_000;

/** What no field takes, whatever its type. */
const NEVER_VALID: Record<string, () => unknown> = {
  NaN: () => NaN,
  Infinity: () => Infinity,
  'a bigint': () => 10n,
  'a Buffer': () => Buffer.from('binary'),
  'an empty Buffer': () => Buffer.alloc(0),
  'a Uint8Array': () => new Uint8Array(8),
  'an ArrayBuffer': () => new ArrayBuffer(8),
  'a Map': () => new Map([['a', 1]]),
  'a Date': () => new Date(0),
  'a function': () => () => 1,
  'an array 20 000 levels deep': () => nestedArray(DEEP),
  'an object 20 000 levels deep': () => nestedObject(DEEP),
  'an object with __proto__': () => JSON.parse('{"__proto__":{"role":"supervisor"}}') as unknown,
  'a text of 3 MB': () => '€'.repeat(1_000_000),
  'an array of 100 000 texts': () => Array.from({ length: 100_000 }, () => 'x'),
  'the same object 2 000 times': () => Array.from<unknown>({ length: 2_000 }).fill({ a: 1 }),
  true: () => true,
  'a negative number': () => -1,
  'half a number': () => 1.5,
  'more than a safe integer': () => 2 ** 53,
};

/** What of that is bytes, which a field of bytes takes and no other. */
const BYTES = new Set(['a Buffer', 'a Uint8Array']);

/** What looks like bytes and is none; how it was meant is not guessed. */
const NO_BYTES: Record<string, () => unknown> = {
  'a text in base64': () => 'YmluYXJ5',
  'an empty text': () => '',
  'an array of numbers': () => [98, 105, 110],
  'a Buffer as JSON has it': () => Buffer.from('binary').toJSON(),
  'a placeholder of Socket.IO': () => ({ _placeholder: true, num: 0 }),
  'a DataView': () => new DataView(new ArrayBuffer(8)),
  'numbers of two bytes': () => new Uint16Array(8),
  'numbers of one byte with a sign': () => new Int8Array(8),
  'an empty Uint8Array': () => new Uint8Array(0),
  null: () => null,
  zero: () => 0,
};

/** No transport makes these, and one without fields is `{}` to a schema: as a whole payload they prove nothing. */
const NEVER_ARRIVES = new Set(['a Uint8Array', 'an ArrayBuffer', 'a Map', 'a Date']);

const params = { seed, numRuns: 100 };

describe.each(requests)('%s', (name, request) => {
  const schema = jsonSchemas.get(name) ?? {};
  const secondOpinion = ajv.compile({ ...schema, components: { schemas: namedSchemas } });
  const fields = fieldsOf(schema);
  const examples = request.examples.map(({ payload }) => payload);
  const accepts = (payload: unknown): boolean => request.payload.safeParse(payload).success;

  it('takes its examples, and answers with them', () => {
    expect(examples.length).toBeGreaterThan(0);
    for (const { payload, reply } of request.examples) {
      expect(request.payload.parse(payload)).toEqual(payload);
      expect(request.reply.parse(reply)).toEqual(reply);
    }
  });

  it('takes what its schema allows, whole, and rebuilds it', () => {
    let acceptedCount = 0;
    fc.assert(
      fc.property(valid(schema), (payload) => {
        const result = request.payload.safeParse(payload);
        if (!result.success) {
          // Some rules are beyond a schema (both ends of a page, nothing to change), and only those may refuse.
          const codes = new Set(result.error.issues.map(({ code }) => code));
          expect([...codes], JSON.stringify(result.error.issues)).toEqual(['custom']);
          return;
        }
        acceptedCount += 1;
        expect(result.data).toEqual(payload);
        const given = objectsIn(payload);
        expect([...objectsIn(result.data)].filter((item) => given.has(item))).toEqual([]);
      }),
      params,
    );
    expect(acceptedCount).toBeGreaterThan(params.numRuns / 10);
  });

  it('refuses what is no object', () => {
    const others = [null, 'text', 7, true, [], [examples[0]], nestedArray(DEEP), nestedObject(DEEP)];
    for (const payload of others) expect(accepts(payload), typeof payload).toBe(false);
    for (const [what, make] of Object.entries(NEVER_VALID)) {
      if (!NEVER_ARRIVES.has(what)) expect(accepts(make()), what).toBe(false);
    }
  });

  it('refuses unknown fields, whatever they are called and hold', () => {
    const names = ['surprise', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'Seq', 'conversationId '];
    for (const key of names) {
      for (const value of [1, null, undefined, {}, nestedObject(DEEP), Buffer.from('x')]) {
        for (const example of examples) {
          const payload = { ...(example as object) };
          // An assignment to __proto__ would set the prototype; a parser of JSON makes a field.
          Object.defineProperty(payload, key, { value, enumerable: true, configurable: true, writable: true });
          expect(accepts(payload), `${key}: ${typeof value}`).toBe(false);
        }
      }
    }
  });

  for (const { path, schema: field } of fields) {
    it(`refuses at ${path.join('.')} what no field takes`, () => {
      for (const [what, make] of Object.entries(NEVER_VALID)) {
        const fits = isBinary(field) && BYTES.has(what);
        expect(accepts(withField(examples[0], path, make())), what).toBe(fits);
      }
    });

    if (isBinary(field)) {
      it(`refuses at ${path.join('.')} what is no bytes, and too many`, () => {
        const given = (value: unknown) => request.payload.safeParse(withField(examples[0], path, value));
        for (const [what, make] of Object.entries(NO_BYTES)) expect(given(make()).success, what).toBe(false);
        expect(given(Buffer.alloc(limits.chunkBytes)).success).toBe(true);
        const refused = given(Buffer.alloc(limits.chunkBytes + 1));
        expect(refused.error?.issues).toMatchObject([{ code: 'custom', path, params: { code: 'payload_too_large' } }]);
      });
    }

    if (isMetadata(field)) {
      it(`refuses in ${path.join('.')} what is no JSON, too deep or too large`, () => {
        const inside = (value: unknown) => accepts(withField(examples[0], path, { a: value }));
        const insideAnArray = (value: unknown) => accepts(withField(examples[0], path, { a: [1, value] }));
        const fine = new Set(['true', 'a negative number', 'half a number', 'more than a safe integer']);
        for (const [what, make] of Object.entries(NEVER_VALID)) {
          expect(inside(make()), what).toBe(fine.has(what));
          expect(insideAnArray(make()), `${what}, in an array`).toBe(fine.has(what));
        }
        for (const value of [null, [], 'text', 7]) expect(accepts(withField(examples[0], path, value))).toBe(false);
        expect(accepts(withField(examples[0], path, nestedObject(8)))).toBe(true);
        expect(accepts(withField(examples[0], path, nestedObject(9)))).toBe(false);
        const textOf = (bytes: number) => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) });
        expect(accepts(withField(examples[0], path, textOf(limits.metadataBytes)))).toBe(true);
        expect(accepts(withField(examples[0], path, textOf(limits.metadataBytes + 1)))).toBe(false);
      });
    }
  }

  /** As JSON has it, to which bytes are a text. */
  const asJson = (payload: unknown): unknown => {
    const { path } = fields.find(({ schema: field }) => isBinary(field)) ?? {};
    const [name] = path ?? [];
    const value = name === undefined ? undefined : (payload as Record<string, unknown>)[name];
    const shown = path !== undefined && value instanceof Uint8Array ? withField(payload, path, 'bytes') : payload;
    return JSON.parse(JSON.stringify(shown));
  };

  it('never throws, and takes nothing that its schema refuses', () => {
    const anything = fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true });
    const binary = { withTypedArray: true, withDate: true, withMap: true, withSet: true };
    const oneFieldReplaced = fc
      .tuple(fc.constantFrom(...examples), fc.constantFrom(...fields), fc.oneof(anything, fc.anything(binary)))
      .map(([example, { path }, value]) => withField(example, path, value));
    fc.assert(
      fc.property(fc.oneof(anything, oneFieldReplaced), (payload) => {
        if (accepts(payload)) expect(secondOpinion(asJson(payload))).toBe(true);
      }),
      { ...params, numRuns: 300 },
    );
  });

  it('refuses a payload without a required field', () => {
    for (const key of (schema['required'] ?? []) as string[]) {
      for (const example of examples) {
        const payload = { ...(example as Record<string, unknown>) };
        Reflect.deleteProperty(payload, key);
        expect(accepts(payload), key).toBe(false);
      }
    }
  });
});

describe('attachments of a message', () => {
  const [, send] = requests.find(([name]) => name === 'message:send') ?? [];
  const sent = (attachmentIds: readonly string[]) => send?.payload.safeParse({ clientMessageId: 'a', attachmentIds });

  it('are named once each', () => {
    expect(sent(['a', 'b'])?.success).toBe(true);
    expect(sent(['a', 'a'])?.success).toBe(false);
  });

  it('are not more than published, however often the same is named', () => {
    const ids = (count: number) => Array.from({ length: count }, (_, index) => `a${String(index)}`);
    expect(sent(ids(limits.attachmentsPerMessage))?.success).toBe(true);
    expect(sent(ids(limits.attachmentsPerMessage + 1))?.success).toBe(false);
    expect(sent(Array.from({ length: 400 }, () => 'a'))?.success).toBe(false);
  });
});

describe('texts', () => {
  it('are counted in bytes, and a longer one is payload_too_large', () => {
    const [, send] = requests.find(([name]) => name === 'message:send') ?? [];
    const parsed = (text: string) => send?.payload.safeParse({ clientMessageId: 'a', text });
    const euros = Math.floor(limits.textBytes / 3);
    expect(parsed('€'.repeat(euros))?.success).toBe(true);
    const refused = parsed('€'.repeat(euros + 1));
    expect(refused?.error?.issues).toMatchObject([{ code: 'custom', params: { code: 'payload_too_large' } }]);
  });
});

describe('an upload', () => {
  const [, begin] = requests.find(([name]) => name === 'attachment:begin') ?? [];
  const [example] = begin?.examples ?? [];
  const begun = (fields: object) => begin?.payload.safeParse({ ...(example?.payload as object), ...fields });

  it.each([
    'parcel.jpg',
    'Foto vom Paket (2).jpeg',
    '.hidden',

    'no extension',
    'كشف حساب.pdf',
    'レシート.png',
    '👩‍👩‍👧.gif',
    'O\'Brien "final" <v2>.txt',
    'a'.repeat(limits.attachmentNameBytes),
    'é'.repeat(Math.floor(limits.attachmentNameBytes / 2)),
  ])('may be called %j', (name) => {
    expect(begun({ name })?.data).toMatchObject({ name });
  });

  it.each([
    ['nothing', ''],
    ['spaces', ' \t'],
    ['a folder', '.'],
    ['the folder above', '..'],
    ['a path', '../../etc/passwd'],
    ['a path from the root', '/etc/passwd'],
    ['a path of Windows', 'C:\\boot.ini'],
    ['a slash at the end', 'a/'],
    ['a NUL', 'parcel.jpg\u0000.exe'],
    ['a line break', 'parcel\r\nContent-Type: text/html'],
    ['an escape', '\u001b[31mred'],
    ['a control of the second kind', 'a\u0085b'],
    ['text that turns around', 'invoice\u202egnp.exe'],
    ['text that is turned in isolation', 'a\u2066b\u2069'],
    ['a mark of direction', 'a\u200fb'],
    ['a line separator', 'a\u2028b'],
    ['a byte order mark', '\ufeffa'],
    ['half a character', 'a\ud800b'],
    ['10 000 characters', 'a'.repeat(10_000)],
    ['one byte too many', 'a'.repeat(limits.attachmentNameBytes + 1)],
    ['too many bytes in fewer characters', '€'.repeat(Math.ceil((limits.attachmentNameBytes + 1) / 3))],
  ])('may not be called %s', (_what, name) => {
    expect(begun({ name })?.error?.issues.map(({ path }) => path.join())).toContain('name');
  });

  it('has a media type in lower case, without parameters', () => {
    const typeOf = (mediaType: string) => (begun({ mediaType })?.data as { mediaType?: string } | undefined)?.mediaType;
    expect(typeOf('image/PNG')).toBe('image/png');
    expect(typeOf('Text/Plain; charset="UTF-8"')).toBe('text/plain');
    expect(typeOf('application/vnd.oasis.opendocument.text')).toBe('application/vnd.oasis.opendocument.text');
    expect(typeOf('image/svg+xml')).toBe('image/svg+xml');
    const others = [
      '',
      'image',
      'image/',
      '/png',
      'image/*',
      'image/png/x',
      ' image/png',
      'image/png, text/html',
      'a/b\n',
    ];
    for (const mediaType of others) expect(typeOf(mediaType), JSON.stringify(mediaType)).toBeUndefined();
  });

  it('has a hash of 64 hexadecimal digits, and is told in lower case', () => {
    const hash = 'ab'.repeat(32);
    expect(begun({ sha256: hash.toUpperCase() })?.data).toMatchObject({ sha256: hash });
    for (const sha256 of [hash.slice(1), `${hash}0`, `${hash}\n`, hash.replace('a', 'g'), ` ${hash.slice(1)}`]) {
      expect(begun({ sha256 })?.success, JSON.stringify(sha256)).toBe(false);
    }
  });

  it('has at least one byte, and a whole number of them', () => {
    expect(begun({ size: 1 })?.success).toBe(true);
    for (const size of [0, -1, 0.5, 2 ** 53, '1', null]) expect(begun({ size })?.success, String(size)).toBe(false);
  });
});
