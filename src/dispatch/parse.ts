import type { z } from 'zod';
import { DeskwireError } from '../contract/errors.ts';

/** Issues told to the client; a payload with more is wrong enough. */
const MAX_DETAILS = 20;

const nameOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return 'binary';
  return typeof value;
};

/** The value at a path of the payload; never followed into prototypes. */
const at = (payload: unknown, path: readonly PropertyKey[]): unknown => {
  let value = payload;
  for (const key of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
};

const unitOf = (origin: string): string => (origin === 'string' ? ' characters' : origin === 'array' ? ' items' : '');

const sizeOf = (value: unknown): string =>
  typeof value === 'number'
    ? String(value)
    : typeof value === 'string' || Array.isArray(value)
      ? String(value.length)
      : nameOf(value);

/** Says what was found by its type, or size, alone: a text is never sent back. */
const messageOf = (issue: z.core.$ZodIssue, payload: unknown): string => {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${issue.expected}, found ${nameOf(at(payload, issue.path))}`;
    case 'too_small':
      return `expected at least ${String(issue.minimum)}${unitOf(issue.origin)}, found ${sizeOf(at(payload, issue.path))}`;
    case 'too_big':
      return `expected at most ${String(issue.maximum)}${unitOf(issue.origin)}, found ${sizeOf(at(payload, issue.path))}`;
    case 'unrecognized_keys':
      return `expected no field ${issue.keys
        .slice(0, 5)
        .map((key) => JSON.stringify(key.slice(0, 64)))
        .join(', ')}`;
    case 'invalid_value':
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    default:
      return issue.message;
  }
};

const isTooLarge = (issue: z.core.$ZodIssue): boolean =>
  issue.code === 'custom' && issue.params?.['code'] === 'payload_too_large';

/** The payload, rebuilt from what the schema let through. @throws invalid_payload, payload_too_large */
export const parsePayload = <S extends z.ZodType>(event: string, schema: S, payload: unknown): z.output<S> => {
  const parsed = schema.safeParse(payload);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const details = issues
    .slice(0, MAX_DETAILS)
    .map((issue) => ({ path: issue.path.map(String).join('.'), message: messageOf(issue, payload) }));
  const [first] = details;
  const where = first === undefined || first.path === '' ? event : `${event}: ${first.path}`;
  const code = issues.every(isTooLarge) ? 'payload_too_large' : 'invalid_payload';
  throw new DeskwireError(code, `${where}: ${first?.message ?? 'expected another payload'}`, { details });
};
