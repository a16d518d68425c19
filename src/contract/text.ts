import { z } from 'zod';

const encoder = new TextEncoder();

/** Length of a text in UTF-8. A UTF-16 unit takes at most three bytes, so most texts need no count. */
export const utf8Bytes = (text: string, limit = 0): number =>
  text.length * 3 <= limit ? text.length : encoder.encode(text).length;

/**
 * A text of at most `maxBytes` in UTF-8. A longer one raises `payload_too_large`, not
 * `invalid_payload`: the marker in `params` is what the dispatcher looks for.
 */
export const text = (maxBytes: number, minLength = 0) =>
  z
    .string()
    .min(minLength)
    .refine((value) => utf8Bytes(value, maxBytes) <= maxBytes, {
      params: { code: 'payload_too_large' },
      error: ({ input }) =>
        `expected at most ${String(maxBytes)} bytes, found ${String(utf8Bytes(typeof input === 'string' ? input : ''))}`,
    })
    .meta({ maxLength: maxBytes });

/** An id that a client makes or was given: opaque, 1 to 128 characters, no control characters, well-formed Unicode. */
export const id = () =>
  z
    .string()
    .min(1)
    .max(128)
    .regex(/^[^\u0000-\u001f\u007f\ud800-\udfff]*$/u, 'expected no control characters and no lone surrogates');

export const seq = () => z.int().min(0).max(Number.MAX_SAFE_INTEGER);

export const time = () => z.iso.datetime({ precision: 3 }).meta({ description: 'ISO 8601, UTC, milliseconds.' });

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Metadata = Record<string, Json>;

const METADATA_DEPTH = 8;

/** Copies JSON, level by level, and throws on what is not JSON or goes too deep: what comes out shares nothing with what came in. */
const copyJson = (value: unknown, depth: number): Json => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value !== 'object') throw new TypeError(`expected JSON, found ${typeof value}`);
  if (depth === 0) throw new TypeError(`expected at most ${String(METADATA_DEPTH)} levels`);
  if (Array.isArray(value)) return value.map((item) => copyJson(item, depth - 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) throw new TypeError('expected JSON, found binary');
  const copy: Metadata = {};
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw new TypeError('expected no key named __proto__');
    copy[key] = copyJson(item, depth - 1);
  }
  return copy;
};

/** Free data of the client's: a JSON object of at most `maxBytes`, eight levels deep. */
export const metadata = (maxBytes: number) =>
  (z.unknown() as unknown as z.ZodType<Metadata, Metadata>)
    .transform((value: unknown, context): Metadata => {
      try {
        if (value === null || typeof value !== 'object' || Array.isArray(value)) {
          throw new TypeError(
            `expected an object, found ${value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value}`,
          );
        }
        const copy = copyJson(value, METADATA_DEPTH) as Metadata;
        const bytes = utf8Bytes(JSON.stringify(copy));
        if (bytes <= maxBytes) return copy;
        context.addIssue({
          code: 'custom',
          message: `expected at most ${String(maxBytes)} bytes of JSON, found ${String(bytes)}`,
          params: { code: 'payload_too_large' },
        });
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'expected JSON' });
      }
      return z.NEVER;
    })
    .meta({ type: 'object', additionalProperties: true });
