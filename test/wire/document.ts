import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import { z } from 'zod';

const Reference = z.object({ $ref: z.string() });
const Shape = z.object({
  channels: z.record(z.string(), z.object({ messages: z.record(z.string(), Reference) })),
  operations: z.record(
    z.string(),
    z.object({
      action: z.enum(['receive', 'send']),
      channel: Reference,
      messages: z.tuple([Reference]),
      reply: z.object({ messages: z.tuple([Reference]) }).optional(),
    }),
  ),
  components: z.object({
    messages: z.record(z.string(), z.object({ name: z.string(), payload: z.record(z.string(), z.unknown()) })),
    schemas: z.record(z.string(), z.unknown()),
  }),
});

/** What the document says may be on the wire: a check for each message, found by its name there. */
export interface WireDocument {
  readonly requests: ReadonlyMap<string, { readonly payload: ValidateFunction; readonly reply: ValidateFunction }>;
  readonly events: ReadonlyMap<string, ValidateFunction>;
  readonly connectError: ValidateFunction;
  readonly error: ValidateFunction;
  /** Names of the fields that need not be there: what says that a message is as it should be says nothing of them. */
  readonly optionalFields: ReadonlySet<string>;
}

const isObject = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object';

/** Stands for bytes, to which the document's `format: binary` belongs, and for nothing else: an id may not have a NUL. */
export const BYTES = '\u0000bytes';

/** Calls `visit` with each object within a value, itself among them. */
export const eachObject = (value: unknown, visit: (object: Record<string, unknown>) => void): void => {
  if (!isObject(value)) return;
  if (!Array.isArray(value)) visit(value);
  for (const member of Object.values(value)) eachObject(member, visit);
};

const optionalFieldsOf = (schemas: unknown): Set<string> => {
  const names = new Set<string>();
  eachObject(schemas, ({ properties, required }) => {
    if (!isObject(properties)) return;
    for (const name of Object.keys(properties)) {
      if (!Array.isArray(required) || !required.includes(name)) names.add(name);
    }
  });
  return names;
};

/** The document that is committed, as its readers have it: as text. */
export const COMMITTED = readFileSync(new URL('../../asyncapi.yaml', import.meta.url), 'utf8');

/** @throws Error when the text is no AsyncAPI document, or a reference leads nowhere */
export const readDocument = (yaml: string): WireDocument => {
  const document: unknown = parse(yaml);
  const { channels, operations, components } = Shape.parse(document);
  const ajv = new Ajv({ strict: true, allowUnionTypes: true });
  addFormats.default(ajv);
  ajv.addFormat('binary', (text: string) => text === BYTES);
  // Carries the named schemas, so that references of the document resolve as they stand.
  ajv.addKeyword('components');
  const compile = (schema: object): ValidateFunction =>
    ajv.compile({ ...schema, components: { schemas: components.schemas } });

  /** From an operation through its channel to the message itself. */
  const messageAt = (reference: string): { name: string; payload: ValidateFunction } => {
    const [, , channel = '', , key = ''] = reference.split('/');
    const target = channels[channel]?.messages[key]?.$ref ?? '';
    const message = components.messages[target.replace('#/components/messages/', '')];
    if (message === undefined) throw new Error(`${reference} leads to no message`);
    return { name: message.name, payload: compile(message.payload) };
  };

  const requests = new Map<string, { payload: ValidateFunction; reply: ValidateFunction }>();
  const events = new Map<string, ValidateFunction>();
  let connectError: ValidateFunction | undefined;
  for (const [key, { action, channel, messages, reply }] of Object.entries(operations)) {
    const { name, payload } = messageAt(messages[0].$ref);
    if (action === 'receive') {
      if (reply === undefined) throw new Error(`${key} has no reply`);
      requests.set(name, { payload, reply: messageAt(reply.messages[0].$ref).payload });
    } else if (channel.$ref === '#/channels/namespace') events.set(name, payload);
    else connectError = payload;
  }
  if (connectError === undefined) throw new Error('no operation refuses a handshake');
  return {
    requests,
    events,
    connectError,
    error: compile({ $ref: '#/components/schemas/Error' }),
    optionalFields: optionalFieldsOf([
      components.schemas,
      ...Object.values(components.messages).map(({ payload }) => payload),
    ]),
  };
};
