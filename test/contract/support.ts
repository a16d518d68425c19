import fc from 'fast-check';
import { createContract } from '../../src/contract/contract.ts';
import type { RequestSpec } from '../../src/contract/define.ts';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { SchemaRegistry, type JsonObject, type JsonValue } from '../../src/spec/schemas.ts';

export const limits = DEFAULT_LIMITS;

export const requests: readonly (readonly [string, RequestSpec])[] = Object.entries(
  createContract(limits).requests as Record<string, RequestSpec>,
);

/** FC_SEED repeats a run; a failing one is printed by fast-check together with its seed. */
export const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);

const registry = new SchemaRegistry();

/** JSON Schema of what a client sends; the second opinion in these tests. */
export const jsonSchemas: ReadonlyMap<string, JsonObject> = new Map(
  requests.map(([name, request]) => [name, registry.translate(request.payload, 'client')]),
);
export const namedSchemas = registry.components();

const resolved = (schema: JsonObject): JsonObject => {
  if (typeof schema['$ref'] === 'string') {
    return namedSchemas[schema['$ref'].replace('#/components/schemas/', '')] as JsonObject;
  }
  return Array.isArray(schema['allOf']) ? resolved(schema['allOf'][0] as JsonObject) : schema;
};

export const isMetadata = (schema: JsonObject): boolean => schema['additionalProperties'] === true;
export const isBinary = (schema: JsonObject): boolean => schema['format'] === 'binary';

/** Every field of a payload, at any depth, with its schema. */
export const fieldsOf = (schema: JsonObject, path: readonly string[] = []): { path: string[]; schema: JsonObject }[] =>
  Object.entries((schema['properties'] ?? {}) as Record<string, JsonObject>).flatMap(([name, field]) => {
    const found = resolved(field);
    return [{ path: [...path, name], schema: found }, ...fieldsOf(found, [...path, name])];
  });

/** Any text without control characters, beyond the Basic Multilingual Plane too. */
const texts = (minLength: number, maxLength: number) =>
  fc
    .string({ unit: 'grapheme', minLength: Math.max(minLength, 1), maxLength: Math.min(Math.max(maxLength, 1), 12) })
    // An id may have no control characters.
    .map((text) => text.replaceAll(/\p{Cc}/gu, '') || 'x');

/** The pattern of an id says what it has not: `texts` keeps to it. */
const ID_PATTERN_START = '^[^';

/** Texts of a pattern as they come out again: in lower case, a media type without its parameters. */
const patterned = (pattern: string, maxLength: number) =>
  fc
    .stringMatching(new RegExp(pattern))
    .map((value) => (value.split(';')[0] ?? '').trim().toLowerCase())
    .filter((value) => value.length <= maxLength);

const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 });

const metadataValues = fc.dictionary(
  fc.string({ maxLength: 8 }).filter((key) => key !== '__proto__'),
  fc.jsonValue({ depthSize: 'small', maxDepth: 5, noUnicodeString: false }),
  { maxKeys: 5 },
);

/** Payloads that the schema allows. */
export const valid = (given: JsonObject): fc.Arbitrary<unknown> => {
  const schema = resolved(given);
  if (isMetadata(schema)) return metadataValues;
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...schema['enum']);
  if (Array.isArray(schema['anyOf'])) return fc.oneof(...schema['anyOf'].map((item) => valid(item as JsonObject)));
  const numberOf = (key: string, fallback: number): number =>
    typeof schema[key] === 'number' ? schema[key] : fallback;
  if (Array.isArray(schema['type'])) {
    return fc.oneof(...schema['type'].map((type: JsonValue) => valid({ ...schema, type })));
  }
  switch (schema['type']) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({
        min: numberOf('minimum', 0),
        max: Math.min(numberOf('maximum', 1_000_000), Number.MAX_SAFE_INTEGER),
      });
    case 'string':
      if (isBinary(schema)) return bytes;
      if (typeof schema['pattern'] === 'string' && !schema['pattern'].startsWith(ID_PATTERN_START)) {
        return patterned(schema['pattern'], numberOf('maxLength', 255));
      }
      return texts(numberOf('minLength', 0), Math.floor(numberOf('maxLength', 64) / 16));
    case 'array':
      return fc.uniqueArray(valid(schema['items'] as JsonObject), {
        maxLength: Math.min(numberOf('maxItems', 4), 4),
      });
    case 'object': {
      const properties = schema['properties'] as Record<string, JsonObject>;
      return fc.record(Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, valid(field)])), {
        requiredKeys: (schema['required'] ?? []) as string[],
      });
    }
    default:
      throw new Error(`Found no way to make a value of ${JSON.stringify(schema)}; teach valid() this type.`);
  }
};

/** Objects and arrays inside a value, itself included; bytes are handed on as they came, and are not among them. */
export const objectsIn = (value: unknown, found = new Set<object>()): Set<object> => {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || found.has(value)) return found;
  found.add(value);
  for (const item of Object.values(value)) objectsIn(item, found);
  return found;
};

export const nestedArray = (levels: number): unknown => {
  let value: unknown = [];
  for (let level = 1; level < levels; level += 1) value = [value];
  return value;
};
export const nestedObject = (levels: number): Record<string, unknown> => {
  let value: Record<string, unknown> = {};
  for (let level = 1; level < levels; level += 1) value = { a: value };
  return value;
};

/** A copy with one field replaced; the objects on the way to it are made where they are missing. */
export const withField = (payload: unknown, path: readonly string[], value: unknown): Record<string, unknown> => {
  const copy: Record<string, unknown> = { ...(payload as Record<string, unknown> | undefined) };
  const [name, ...rest] = path;
  if (name === undefined) throw new Error('Expected a path of at least one name');
  copy[name] = rest.length === 0 ? value : withField(copy[name], rest, value);
  return copy;
};
