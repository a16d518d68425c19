import { describe, expect, it } from 'vitest';
import { COMMON_ERRORS, ERROR_CODES } from '../../src/contract/errors.ts';
import type { JsonObject, JsonValue } from '../../src/spec/schemas.ts';
import { compile, document, messages, requests, type Message } from './support.ts';

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `data` of a successful reply; of anything else the payload itself. */
const innerPath = (message: Message, payload: JsonObject): readonly string[] =>
  !message.name.endsWith(':reply') ? [] : payload['ok'] === true ? ['data'] : ['error'];

const at = (payload: JsonObject, path: readonly string[]): JsonObject => {
  let found = payload;
  for (const key of path) found = found[key] as JsonObject;
  return found;
};

describe('examples', () => {
  for (const message of messages) {
    describe(message.name, () => {
      const validate = compile(message.payload);

      it('are there, and right', () => {
        expect(message.examples.length).toBeGreaterThan(0);
        for (const { name, payload } of message.examples) {
          expect(validate(payload), `${name}: ${JSON.stringify(validate.errors)}`).toBe(true);
        }
      });

      it('would be wrong with an unknown field, or as something else than an object', () => {
        for (const { name, payload } of message.examples) {
          for (const path of [[], innerPath(message, payload)]) {
            const broken = structuredClone(payload);
            at(broken, path)['surprise'] = 1;
            expect(validate(broken), `${name} with a surprise at /${path.join('/')}`).toBe(false);
          }
        }
        for (const other of [null, 'text', 7, true, []]) expect(validate(other), JSON.stringify(other)).toBe(false);
      });

      it('would be wrong with a field of another type', () => {
        for (const { name, payload } of message.examples) {
          const path = innerPath(message, payload);
          for (const [key, value] of Object.entries(at(payload, path))) {
            // An error's details are any JSON.
            if (key === 'details') continue;
            const broken = structuredClone(payload);
            at(broken, path)[key] = isObject(value) ? 'text' : { surprise: 1 };
            expect(validate(broken), `${name}: ${key}`).toBe(false);
          }
        }
      });
    });
  }
});

describe('errors of a reply', () => {
  for (const [name, request] of requests) {
    it(`${name} has an example of each error of its own, and refuses the codes it can't raise`, () => {
      const message = messages.find((candidate) => candidate.name === `${name}:reply`);
      const validate = compile(message?.payload);
      const shown = message?.examples.map((example) => example.name) ?? [];
      for (const code of request.errors) expect(shown).toContain(code);
      const possible = new Set<string>([...COMMON_ERRORS, ...request.errors]);
      for (const code of ERROR_CODES) {
        const reply = { ok: false, error: { code, message: 'No.', retryable: false } };
        expect(validate(reply), code).toBe(possible.has(code));
      }
      expect(validate({ ok: true, error: { code: 'internal', message: 'No.', retryable: true } })).toBe(false);
      expect(validate({ ok: false })).toBe(false);
    });
  }
});

describe('references', () => {
  it('lead to something, and every named schema is used', () => {
    const used = new Set<string>();
    const text = JSON.stringify(document);
    for (const match of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) used.add(match[1] ?? '');
    expect([...used].sort()).toEqual(Object.keys(document.components.schemas).sort());
    for (const match of text.matchAll(/"\$ref":"([^"]+)"/g)) expect(match[1]).toMatch(/^#\/(?:components|channels)\//);
  });
});
