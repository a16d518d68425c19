import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { z } from 'zod';
import { createContract } from '../contract/contract.ts';
import type { EventSpec, RequestSpec } from '../contract/define.ts';
import type { Limits } from '../contract/limits.ts';
import { errorTable } from './errors.ts';
import { connectErrorMessage, eventMessage, replyMessage, requestMessage } from './messages.ts';
import { componentKey, replyKey, topicOf } from './names.ts';
import { CHANNELS, connectErrorOperation, eventOperation, requestOperation } from './operations.ts';
import { limitTable, OVERVIEW, SECURITY_SCHEMES, SERVERS, topicTags, WS_BINDING } from './overview.ts';
import { SchemaRegistry, type JsonObject } from './schemas.ts';

/** An AsyncAPI 3.0.0 document as plain JSON; shares nothing with the contract. */
export interface AsyncApiDocument {
  asyncapi: '3.0.0';
  info: JsonObject;
  defaultContentType: 'application/json';
  servers: JsonObject;
  channels: Record<string, JsonObject>;
  operations: Record<string, JsonObject>;
  components: {
    messages: Record<string, JsonObject>;
    schemas: JsonObject;
    securitySchemes: JsonObject;
  };
  'x-errors': JsonObject;
  'x-limits': JsonObject;
}

const Package = z.object({ version: z.string(), license: z.string() });

/** Two folders up both from the sources and from dist/. */
const readPackage = () =>
  Package.parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')));

/** Takes each key once: two names that differ only in what a key can't say would hide each other. */
const add = (target: Record<string, JsonObject>, key: string, value: JsonObject): void => {
  if (Object.hasOwn(target, key)) throw new Error(`Found two names for the component key ${key}; rename one of them.`);
  target[key] = value;
};

const references = (keys: readonly string[]): JsonObject =>
  Object.fromEntries(keys.map((key) => [key, { $ref: `#/components/messages/${key}` }]));

const channels = (onNamespace: readonly string[], replies: readonly string[]): Record<string, JsonObject> => ({
  [CHANNELS.namespace]: {
    address: '/',
    title: 'Namespace /',
    description: 'All events, both ways. Payloads are JSON objects, one for each event.',
    messages: references(onNamespace),
    bindings: WS_BINDING,
  },
  [CHANNELS.acknowledgements]: {
    address: null,
    title: 'Acknowledgements',
    description: "What a request's acknowledgement is called with. Socket.IO matches it to the request.",
    messages: references(replies),
  },
  [CHANNELS.handshake]: {
    address: '/',
    title: 'Handshake',
    description:
      'Before a connection is in the namespace: it gets in, and `session:ready` follows, or is told why not.',
    messages: references(['connectError']),
    bindings: WS_BINDING,
  },
});

/**
 * The contract as an AsyncAPI 3.0.0 document, from the server's point of view: it receives requests and sends events.
 *
 * @param limits the numbers that the schemas and `x-limits` state.
 * @throws Error when names of the contract collide in the document.
 */
export const asyncapiDocument = (limits: Limits): AsyncApiDocument => {
  const contract = createContract(limits);
  const requests = Object.entries(contract.requests as Record<string, RequestSpec>);
  const events = Object.entries(contract.events as Record<string, EventSpec>);
  const schemas = new SchemaRegistry();
  const messages: Record<string, JsonObject> = {};
  const operations: Record<string, JsonObject> = {};

  for (const [name, request] of requests) {
    add(messages, componentKey(name), requestMessage(name, request, schemas));
    add(operations, componentKey(name), requestOperation(name, request));
  }
  for (const [name, event] of events) {
    add(messages, componentKey(name), eventMessage(name, event, schemas));
    add(operations, componentKey(name), eventOperation(name, event));
  }
  const onNamespace = Object.keys(messages);
  for (const [name, request] of requests) add(messages, replyKey(name), replyMessage(name, request, schemas));
  add(messages, 'connectError', connectErrorMessage(schemas));
  add(operations, 'connectError', connectErrorOperation());

  const { version, license } = readPackage();
  const topics = new Set([...requests, ...events].map(([name]) => topicOf(name)));
  const document: AsyncApiDocument = {
    asyncapi: '3.0.0',
    info: {
      title: 'Deskwire',
      version,
      description: OVERVIEW,
      license: { name: license },
      tags: topicTags(topics),
    },
    defaultContentType: 'application/json',
    servers: SERVERS,
    channels: channels(
      onNamespace,
      requests.map(([name]) => replyKey(name)),
    ),
    operations,
    components: { messages, schemas: schemas.components(), securitySchemes: SECURITY_SCHEMES },
    'x-errors': errorTable(),
    'x-limits': limitTable(limits),
  };
  return structuredClone(document);
};

const HEADER = '# Made from src/contract by `deskwire spec`. Change the contract, not this file.\n';

/** The same document as YAML: stable order, no anchors, lines of 120 where text can be folded. */
export const asyncapiYaml = (limits: Limits): string =>
  HEADER + stringify(asyncapiDocument(limits), { aliasDuplicateObjects: false, blockQuote: 'literal', lineWidth: 120 });
