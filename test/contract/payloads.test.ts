import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fieldsOf,
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
        expect(accepts(withField(examples[0], path, make())), what).toBe(false);
      }
    });

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

  it('never throws, and takes nothing that its schema refuses', () => {
    const anything = fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true });
    const binary = { withTypedArray: true, withDate: true, withMap: true, withSet: true };
    const oneFieldReplaced = fc
      .tuple(fc.constantFrom(...examples), fc.constantFrom(...fields), fc.oneof(anything, fc.anything(binary)))
      .map(([example, { path }, value]) => withField(example, path, value));
    fc.assert(
      fc.property(fc.oneof(anything, oneFieldReplaced), (payload) => {
        if (accepts(payload)) expect(secondOpinion(JSON.parse(JSON.stringify(payload)))).toBe(true);
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
