import type { EventSpec, RequestSpec } from '../contract/define.ts';
import { COMMON_ERRORS } from '../contract/errors.ts';
import { HANDSHAKE_ERRORS, possibleErrors } from './errors.ts';
import { componentKey, replyKey, topicOf } from './names.ts';
import type { JsonObject } from './schemas.ts';

/** Channels of the document: the namespace, what is acknowledged on it, and the way into it. */
export const CHANNELS = {
  namespace: 'namespace',
  acknowledgements: 'acknowledgements',
  handshake: 'handshake',
} as const;

const channel = (name: string): JsonObject => ({ $ref: `#/channels/${name}` });
const messageOf = (channelName: string, key: string): JsonObject => ({
  $ref: `#/channels/${channelName}/messages/${key}`,
});

const codeList = (codes: readonly string[]): string => codes.map((code) => `\`${code}\``).join(', ');

const requestText = (request: RequestSpec): string =>
  [
    request.description,
    `Roles: ${codeList(request.roles)}.`,
    request.errors.length === 0
      ? `Errors: those of every request (${codeList(COMMON_ERRORS)}).`
      : `Errors: ${codeList(request.errors)}, and those of every request (${codeList(COMMON_ERRORS)}).`,
  ].join('\n\n');

/** A request: the server receives it, and replies through its acknowledgement. */
export const requestOperation = (name: string, request: RequestSpec): JsonObject => ({
  action: 'receive',
  channel: channel(CHANNELS.namespace),
  title: request.title,
  summary: `${name}: ${request.title}`,
  description: requestText(request),
  tags: [{ name: topicOf(name) }],
  messages: [messageOf(CHANNELS.namespace, componentKey(name))],
  reply: {
    channel: channel(CHANNELS.acknowledgements),
    messages: [messageOf(CHANNELS.acknowledgements, replyKey(name))],
  },
  'x-roles': [...request.roles],
  'x-errors': possibleErrors(request),
});

const KIND_TEXT: Record<EventSpec['kind'], string> = {
  fact: 'A fact: an entry of the log, kept, delivered to every member who may see it once and in order.',
  ephemeral: 'Ephemeral: not kept, and dropped first when a reader is slow.',
  session: 'To one connection, about that connection.',
};

/** An event: the server sends it. */
export const eventOperation = (name: string, event: EventSpec): JsonObject => ({
  action: 'send',
  channel: channel(CHANNELS.namespace),
  title: event.title,
  summary: `${name}: ${event.title}`,
  description: `${event.description}\n\n${KIND_TEXT[event.kind]}`,
  tags: [{ name: topicOf(name) }],
  messages: [messageOf(CHANNELS.namespace, componentKey(name))],
  'x-kind': event.kind,
});

/** What Socket.IO tells a client whom it does not let in. */
export const connectErrorOperation = (): JsonObject => ({
  action: 'send',
  channel: channel(CHANNELS.handshake),
  title: 'Refuse a handshake',
  summary: 'connect_error: the handshake was refused for good',
  description:
    'Socket.IO hands it to the client as `connect_error`, whose `err.data` is the payload. Stock clients do not come back by themselves after it. ' +
    'A handshake refused for now (draining, over a rate, too many connections of one address) is refused with HTTP 503 or 429 and `Retry-After` instead, after which they do.',
  tags: [{ name: 'session' }],
  messages: [messageOf(CHANNELS.handshake, 'connectError')],
  'x-errors': [...HANDSHAKE_ERRORS],
});
