import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { createContract } from '../../src/contract/contract.ts';
import type { EventSpec, RequestSpec } from '../../src/contract/define.ts';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { asyncapiDocument } from '../../src/spec/document.ts';
import type { JsonObject, JsonValue } from '../../src/spec/schemas.ts';

export const document = asyncapiDocument(DEFAULT_LIMITS);

const contract = createContract(DEFAULT_LIMITS);
export const requests = new Map(Object.entries(contract.requests as Record<string, RequestSpec>));
export const events = new Map(Object.entries(contract.events as Record<string, EventSpec>));

const ajv = new Ajv({ strict: true, allowUnionTypes: true });
addFormats.default(ajv);
// Carries the named schemas, so that references of the document resolve as they stand.
ajv.addKeyword('components');

export const compile = (payload: JsonValue | undefined): ValidateFunction =>
  ajv.compile({ ...(payload as JsonObject), components: { schemas: document.components.schemas } });

export interface Message {
  readonly key: string;
  readonly name: string;
  readonly payload: JsonValue;
  readonly examples: readonly { name: string; payload: JsonObject }[];
}

export const messages: readonly Message[] = Object.entries(document.components.messages).map(([key, message]) => ({
  key,
  name: message['name'] as string,
  payload: message['payload'] as JsonValue,
  examples: message['examples'] as unknown as { name: string; payload: JsonObject }[],
}));

/** The value at a JSON Pointer of the document, such as `#/channels/namespace`. */
export const resolve = (reference: string): JsonObject => {
  let value: unknown = document;
  for (const part of reference.split('/').slice(1)) value = (value as Record<string, unknown>)[part];
  if (typeof value !== 'object' || value === null) throw new Error(`Found nothing at ${reference}`);
  return value as JsonObject;
};

export interface Reference {
  readonly $ref: string;
}

export interface Operation {
  readonly key: string;
  readonly action: 'send' | 'receive';
  readonly messages: readonly Reference[];
  readonly channel: Reference;
  readonly reply?: { readonly channel: Reference; readonly messages: readonly Reference[] };
  readonly 'x-roles'?: readonly string[];
  readonly 'x-errors'?: readonly string[];
  readonly 'x-kind'?: string;
}

export const operations: readonly Operation[] = Object.entries(document.operations).map(
  ([key, operation]) => ({ key, ...operation }) as unknown as Operation,
);

/** An operation's one message, through its channel to its component. */
export const messageBehind = (references: readonly Reference[]): JsonObject => {
  const [reference] = references;
  if (reference === undefined || references.length !== 1) throw new Error('Expected exactly one message');
  return resolve((resolve(reference.$ref) as unknown as Reference).$ref);
};
