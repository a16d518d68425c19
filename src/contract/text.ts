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

/** Controls, what shows nothing, and what turns the direction of the text around: a name would show otherwise than it is. */
const NAME_CONTROLS =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ud800-\udfff]/u;

/** A file's name, for show: never a path, and it shows as it is. */
export const fileName = (maxBytes: number) =>
  z
    .string()
    .refine((value) => !/^[.\s]*$/.test(value), 'expected a name, found nothing that could be one')
    .refine((value) => utf8Bytes(value, maxBytes) <= maxBytes, {
      error: ({ input }) =>
        `expected at most ${String(maxBytes)} bytes, found ${String(utf8Bytes(typeof input === 'string' ? input : ''))}`,
    })
    .refine((value) => !NAME_CONTROLS.test(value), {
      error: ({ input }) =>
        `expected no control characters, found U+${(NAME_CONTROLS.exec(String(input))?.[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`,
    })
    .refine((value) => !/[/\\]/.test(value), 'expected a name, found a path')
    .meta({ minLength: 1, maxLength: maxBytes });

/** A media type without parameters (RFC 9110 §8.3.1), in lower case. */
export const mediaType = () =>
  z
    .string()
    .max(255)
    .regex(/^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:\s*;.*)?$/, 'expected a media type, such as image/png')
    .transform((value) => (value.split(';')[0] ?? '').trim().toLowerCase());

export const sha256 = () =>
  z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hexadecimal digits')
    .transform((value) => value.toLowerCase());

/** Bytes, as Socket.IO brings them. An empty or longer value is refused. */
export const binary = (maxBytes: number) =>
  (z.unknown() as unknown as z.ZodType<Uint8Array, Uint8Array>)
    .transform((value: unknown, context): Uint8Array => {
      const refuse = (message: string, code?: 'payload_too_large'): never => {
        context.addIssue({ code: 'custom', message, ...(code && { params: { code } }) });
        return z.NEVER;
      };
      if (!(value instanceof Uint8Array)) {
        return refuse(
          `expected binary, found ${value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value}`,
        );
      }
      if (value.length === 0) return refuse('expected at least 1 byte, found none');
      if (value.length <= maxBytes) return value;
      return refuse(
        `expected at most ${String(maxBytes)} bytes (limits.chunkBytes), found ${String(value.length)}`,
        'payload_too_large',
      );
    })
    .meta({ type: 'string', format: 'binary', description: `1 to ${String(maxBytes)} bytes.` });
