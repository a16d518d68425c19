import type { EventSpec, RequestSpec } from '../contract/define.ts';
import type { ErrorCode } from '../contract/errors.ts';
import { ErrorObjectSchema } from '../contract/schemas.ts';
import { errorExample, HANDSHAKE_ERRORS, possibleErrors } from './errors.ts';
import { componentKey, topicOf } from './names.ts';
import type { JsonObject, JsonValue, SchemaRegistry } from './schemas.ts';

/** Binary travels beside the JSON, so that an example can only stand for it. */
const withoutBinary = (value: unknown): JsonValue => {
  if (value instanceof Uint8Array) return `<${String(value.length)} bytes>`;
  if (Array.isArray(value)) return value.map(withoutBinary);
  if (value === null || typeof value !== 'object') return value as JsonValue;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutBinary(item)]));
};

const example = (name: string, summary: string, payload: unknown): JsonObject => ({
  name,
  summary,
  payload: withoutBinary(payload),
});

const numbered = (name: string, index: number): string => (index === 0 ? name : `${name}${String(index + 1)}`);

/** The object that a client sends with an event. */
export const requestMessage = (name: string, request: RequestSpec, schemas: SchemaRegistry): JsonObject => ({
  name,
  title: request.title,
  summary: `Payload of ${name}.`,
  tags: [{ name: topicOf(name) }],
  payload: schemas.translate(request.payload, 'client'),
  examples: request.examples.map(({ payload }, index) =>
    example(numbered(componentKey(name), index), request.title, payload),
  ),
});

const failure = (codes: readonly ErrorCode[]): JsonObject => ({
  title: 'Refused',
  type: 'object',
  properties: {
    ok: { type: 'boolean', const: false },
    error: {
      allOf: [
        { $ref: '#/components/schemas/Error' },
        { type: 'object', properties: { code: { type: 'string', enum: [...codes] } } },
      ],
    },
  },
  required: ['ok', 'error'],
  additionalProperties: false,
});

/** The one argument of a request's acknowledgement. */
export const replyMessage = (name: string, request: RequestSpec, schemas: SchemaRegistry): JsonObject => {
  const ownErrors: readonly ErrorCode[] = ['invalid_payload', ...request.errors];
  return {
    name: `${name}:reply`,
    title: `Reply: ${request.title}`,
    summary: `Acknowledgement of ${name}.`,
    tags: [{ name: topicOf(name) }],
    payload: {
      oneOf: [
        {
          title: 'Done',
          type: 'object',
          properties: { ok: { type: 'boolean', const: true }, data: schemas.translate(request.reply, 'server') },
          required: ['ok', 'data'],
          additionalProperties: false,
        },
        failure(possibleErrors(request)),
      ],
    },
    examples: [
      ...request.examples.map(({ reply }, index) =>
        example(numbered('done', index), 'Done', { ok: true, data: reply }),
      ),
      ...ownErrors.map((code) => example(code, `Refused: ${code}`, { ok: false, error: errorExample(code) })),
    ],
  };
};

/** The object that the server sends with an event. */
export const eventMessage = (name: string, event: EventSpec, schemas: SchemaRegistry): JsonObject => ({
  name,
  title: event.title,
  summary: event.description,
  tags: [{ name: topicOf(name) }],
  payload: schemas.translate(event.payload, 'server'),
  examples: event.examples.map((payload, index) => example(numbered(componentKey(name), index), event.title, payload)),
  'x-kind': event.kind,
});

/** `err.data` of Socket.IO's own `connect_error`. */
export const connectErrorMessage = (schemas: SchemaRegistry): JsonObject => {
  schemas.translate(ErrorObjectSchema, 'server');
  return {
    name: 'connect_error',
    title: 'The handshake was refused',
    summary: 'The `data` of the error that `connect_error` hands over.',
    tags: [{ name: 'session' }],
    payload: { $ref: '#/components/schemas/Error' },
    examples: HANDSHAKE_ERRORS.map((code) => example(code, `Refused: ${code}`, errorExample(code))),
  };
};
