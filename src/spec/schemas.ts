import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = Record<string, JsonValue>;

/** Who writes the payload: `client` is checked as it is sent, `server` as it leaves. */
export type Sender = 'client' | 'server';

/** What zod calls a recursive schema that has no name of its own. */
const ANONYMOUS = /^__schema\d+$/;
const ANY_JSON = 'Json';

/** `z.json()` spelled out recursively, which says no more than "JSON" and which tools that resolve references choke on. */
const spelledOutJson = (name: string): JsonValue => {
  const self = { $ref: `#/definitions/${name}` };
  return {
    anyOf: [
      { type: 'string' },
      { type: 'number' },
      { type: 'boolean' },
      { type: 'null' },
      { type: 'array', items: self },
      { type: 'object', propertyNames: { type: 'string' }, additionalProperties: self },
    ],
  };
};

/** zod's pattern for a time counts the days of February; `format` does that already. */
const TIME_PATTERN = String.raw`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$`;

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const renamed = (name: string): string => (ANONYMOUS.test(name) ? ANY_JSON : name);

/** Points references to where components live, and drops what says nothing. */
const tidied = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(tidied);
  if (!isObject(value)) return value;
  const entries = Object.entries(value)
    .filter(([key, item]) => key !== '$schema' && key !== 'definitions' && !isTrivialNames(key, item))
    .map(([key, item]): [string, JsonValue] => {
      if (key === '$ref' && typeof item === 'string') {
        return [key, `#/components/schemas/${renamed(item.replace('#/definitions/', ''))}`];
      }
      if (key === 'pattern' && value['format'] === 'date-time') return [key, TIME_PATTERN];
      return [key, tidied(item)];
    });
  const result = Object.fromEntries(entries);
  const [only] = Array.isArray(result['allOf']) && entries.length === 1 ? result['allOf'] : [];
  return only ?? result;
};

/** Names of properties are strings in any JSON. */
const isTrivialNames = (key: string, item: JsonValue): boolean =>
  key === 'propertyNames' && isDeepStrictEqual(item, { type: 'string' });

/** Named schemas of the whole document, found while its payloads are translated. */
export class SchemaRegistry {
  readonly #named = new Map<string, JsonValue>();

  /**
   * JSON Schema (draft 7, what AsyncAPI 3.0.0 means by a schema) of a payload.
   * Schemas with an id become references to `#/components/schemas/<id>`.
   *
   * @throws Error when two schemas that differ share a name, or a recursive one has none.
   */
  translate(schema: z.ZodType, sender: Sender): JsonObject {
    const io = sender === 'client' ? 'input' : 'output';
    const { definitions, ...root } = z.toJSONSchema(schema, { target: 'draft-7', io }) as unknown as JsonObject;
    if (isObject(definitions)) {
      for (const [name, definition] of Object.entries(definitions)) this.#add(name, definition);
    }
    return tidied(root) as JsonObject;
  }

  /** The named schemas so far, by name. */
  components(): Record<string, JsonValue> {
    return Object.fromEntries([...this.#named].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #add(name: string, definition: JsonValue): void {
    if (ANONYMOUS.test(name)) {
      if (!isDeepStrictEqual(definition, spelledOutJson(name))) {
        throw new Error(
          `Found a recursive schema without a name: ${JSON.stringify(definition)}. Give it one with .meta({ id }).`,
        );
      }
      this.#named.set(ANY_JSON, { description: 'Any JSON value.' });
      return;
    }
    const found = tidied(definition);
    const known = this.#named.get(name);
    if (known !== undefined && !isDeepStrictEqual(found, known)) {
      throw new Error(
        `Found two different schemas named ${name}, or one that differs between sending and receiving. Give one of them another id.`,
      );
    }
    this.#named.set(name, found);
  }
}
